/** Yes and no to what waits for a person. */
import type { Said } from '@fibric/gateway/executor/approvals';
import type { PlanView } from '@fibric/gateway/journal/types';
import { type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { BASIS_CHARS, document, line, state } from '../print.ts';

export const approve = (call: Call): Promise<ExitCode> => say(call, 'approve');
export const veto = (call: Call): Promise<ExitCode> => say(call, 'veto');

async function say(call: Call, decision: Said['decision']): Promise<ExitCode> {
  const who = person(call);
  const client = await connect(call);
  const path = `/v1/plans/${encodeURIComponent(call.args[0] ?? '')}`;
  const { plan_id, plan_hash, actions } = await client.get<PlanView>(path);
  const { action, reason, basis } = call.options;
  const asked = { who, action, reason, plan_hash };
  const shown = basis === undefined ? {} : { basis_hash: wholeHash(actions, basis) };
  const said = await client.post<Said>(`${path}/${decision}`, { ...asked, ...shown });
  if (call.options.json) {
    document(call.io, said);
    return EXIT.done;
  }
  if (said.plan_id !== plan_id) line(call.io, `${said.plan_id} takes the place of ${plan_id}`);
  for (const one of said.actions) line(call.io, inWords(call, said, one));
  return EXIT.done;
}

/** Of the hash that `plans show` prints the beginning of; what is none of its hashes is for the gateway to refuse. */
function wholeHash(actions: PlanView['actions'], basis: string): string {
  const known = actions.flatMap(({ anew }) => (anew === null ? [] : [anew.basis_hash]));
  return known.find((hash) => hash.slice(0, BASIS_CHARS) === basis) ?? basis;
}

function inWords(
  { io }: Call,
  { id, who, plan_id }: Said,
  { action_id, state: is, approvers, needed }: Said['actions'][number],
) {
  const by = is === 'vetoed' ? who : approvers.join(' and ');
  const next = `fibric plans approve ${plan_id} --as <who>`;
  const more = is === 'waiting' ? `; ${needed - approvers.length} more needed: ${next}` : '';
  return `${action_id} ${state(io, is)} by ${by}${id === null ? ' (said before)' : `, ${id}`}${more}`;
}
