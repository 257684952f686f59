/** What the upstream has, and what it does not. */
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect } from '../client.ts';
import { document, facts, time } from '../print.ts';
import { type SyncView, syncLine } from './status.ts';

export async function status(call: Call): Promise<ExitCode> {
  const sync = await (await connect(call)).get<SyncView>('/v1/sync');
  if (call.options.json) document(call.io, sync);
  else if (sync.state === 'off') call.io.out(syncLine(call, sync));
  else {
    facts(call.io, [
      ['upstream', sync.upstream],
      ['state', syncLine(call, sync)],
      ['acknowledged', `receipts up to seq ${sync.receipts.cursor}, events up to ${sync.events.cursor}`],
      ['last ack', time(sync.last_ack_at)],
      ['last error', sync.last_error && `${time(sync.last_error.at)} ${sync.last_error.reason}`],
      ['refused', sync.dead_letters.newest.map((letter) => `${letter.key}: ${letter.reason}`).join('\n') || null],
    ]);
  }
  return EXIT.done;
}
