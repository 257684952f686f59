/** A person says what became of an action that nobody could tell the fate of. */
import { FibricError } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { document, line } from '../print.ts';

export async function correct(call: Call): Promise<ExitCode> {
  const who = person(call);
  const { applied = false, notApplied = false, reason, json } = call.options;
  if (applied === notApplied) throw new FibricError('invalid_parameter', 'say which: --applied or --not-applied');
  if (reason === undefined) throw new FibricError('invalid_parameter', 'say how it is known: --reason <text>');
  const id = call.args[0] ?? '';
  const path = `/v1/receipts/${encodeURIComponent(id)}/correct`;
  const row = await (await connect(call)).post<object>(path, { who, reason, applied });
  if (json) document(call.io, row);
  else
    line(
      call.io,
      applied
        ? `${id}: ${who} says that it took effect; its key stays spent`
        : `${id}: ${who} says that it did not take effect; it may be proposed again under its key`,
    );
  return EXIT.done;
}
