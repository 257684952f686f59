/** Checks the journal of a gateway that is stopped. */
import { fsck } from '@fibric/gateway/journal/fsck';
import { FibricError } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { dataFolder, runningIn } from '../data-folder.ts';
import { count, document, line, state } from '../print.ts';

export async function check(call: Call): Promise<ExitCode> {
  const { io } = call;
  const data = await dataFolder(call);
  if ((await runningIn(data)) !== null)
    throw new FibricError('journal_locked', `a gateway runs on ${data}; fsck looks at a stopped one`);
  const report = fsck(data);
  if (call.options.json) document(io, report);
  else if (report.clean) {
    const { rows, receipts, state_rows, open_intents } = report;
    const open = open_intents === 0 ? '' : `, ${count(open_intents, 'intent')} without an outcome yet`;
    io.out(
      `${state(io, 'clean')}: ${count(rows, 'row')}, ${count(receipts, 'receipt')}, ${count(state_rows, 'row')} of state rebuilt and equal${open}`,
    );
  } else {
    for (const { check, detail } of report.findings) line(io, `${state(io, 'bad')}  ${check}: ${detail}`);
    io.err(`${count(report.findings.length, 'finding')}. Keep the folder as evidence.`);
  }
  return report.clean ? EXIT.done : EXIT.tampered;
}
