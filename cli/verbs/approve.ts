/** Yes and no to what waits for a person. */
import type { Said } from '@fibric/gateway/executor/approvals';
import type { PlanView } from '@fibric/gateway/journal/types';
import { type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { document, line, state } from '../print.ts';

export const approve = (call: Call): Promise<ExitCode> => say(call, 'approve');
export const veto = (call: Call): Promise<ExitCode> => say(call, 'veto');

async function say(call: Call, decision: Said['decision']): Promise<ExitCode> {
  const who = person(call);
  const client = await connect(call);
  const path = `/v1/plans/${encodeURIComponent(call.args[0] ?? '')}`;
  const { plan_hash } = await client.get<PlanView>(path);
  const { action, reason } = call.options;
  const said = await client.post<Said>(`${path}/${decision}`, { who, action, reason, plan_hash });
  if (call.options.json) document(call.io, said);
  else for (const one of said.actions) line(call.io, inWords(call, said, one));
  return EXIT.done;
}

function inWords(
  { io }: Call,
  { id, who }: Said,
  { action_id, state: is, approvers, needed }: Said['actions'][number],
) {
  const by = is === 'vetoed' ? who : approvers.join(' and ');
  const more = is === 'waiting' ? `; ${needed - approvers.length} more needed` : '';
  return `${action_id} ${state(io, is)} by ${by}${more}${id === null ? ' (said before)' : `, ${id}`}`;
}
