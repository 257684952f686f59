/** A person's own proposal. */
import type { Asked } from '@fibric/gateway/persons';
import { argumentsOf, type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { document, line, state } from '../print.ts';

export async function propose(call: Call): Promise<ExitCode> {
  const who = person(call);
  const { io, args, options } = call;
  const [capability = '', entity = null] = args;
  const { value, arg = [], reason, deadline } = options;
  const wish = { who, capability, entity, args: argumentsOf(arg), value, reason, deadline };
  const asked = await (await connect(call)).post<Asked>('/v1/actions', wish);
  if (options.json) document(io, asked);
  else tell(call, asked);
  if (asked.rejected !== null) return EXIT.failed;
  if (asked.receipts.some(({ outcome }) => outcome === 'blocked' || outcome === 'truncated')) return EXIT.refused;
  return asked.receipts.some(({ outcome }) => FAILED.has(outcome)) ? EXIT.failed : EXIT.done;
}

/** It came to an end that nobody wanted. */
const FAILED: ReadonlySet<string> = new Set(['failed', 'unknown', 'expired', 'refused_busy', 'superseded_externally']);

function tell({ io }: Call, { plan_id, rejected, receipts, awaiting }: Asked): void {
  if (rejected) line(io, `${state(io, 'rejected')} ${rejected.reason_code}: ${rejected.reason}`);
  for (const { receipt_id, outcome, reason_code, reason } of receipts)
    line(io, `${receipt_id} ${state(io, outcome)} ${reason_code}: ${reason}`);
  if (awaiting.length > 0) line(io, `${plan_id} ${state(io, 'waiting')}: fibric plans approve ${plan_id} --as <who>`);
}
