/** What was proposed, and what waits for a person. */
import type { PlanView } from '@fibric/gateway/journal/types';
import { isoTime } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, type Io } from '../call.ts';
import { BASIS_CHARS, count, document, facts, list, state, table, time, value, words } from '../print.ts';
import { openRecords } from '../records.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  const records = await openRecords(call);
  await list(io, {
    rows: records.plans({ limit: options.limit, operator: options.operator, waiting: options.waiting }),
    json: options.json === true,
    head: ['PLAN', 'AT', 'OPERATOR', 'MODE', 'STATUS', 'ACTIONS', 'WHY'],
    row: (plan) => [
      plan.plan_id,
      time(plan.at),
      plan.operator,
      plan.mode,
      plan.status,
      plan.actions.length,
      plan.reasoning,
    ],
  });
  records.close();
  return EXIT.done;
}

export async function show(call: Call): Promise<ExitCode> {
  const { io } = call;
  const records = await openRecords(call);
  const plan = await records.plan(call.args[0] ?? '');
  records.close();
  if (call.options.json) {
    document(io, plan);
    return EXIT.done;
  }
  facts(io, [
    ['plan', `${plan.plan_id}  ${plan.status}  ${time(plan.at)}`],
    ['who', `${plan.operator} by ${plan.proposed_by}, mode ${plan.mode}`],
    ['why', plan.reasoning],
    ['from', `event ${plan.event_id ?? '–'}, run ${plan.run_id}, ${plan.correlation_id}`],
    ['actions', plan.actions.length === 0 ? 'none: nothing to do' : String(plan.actions.length)],
  ]);
  if (plan.actions.length > 0) {
    await table(
      io,
      ['#', 'CAPABILITY', 'ENTITY', 'ARGUMENTS', 'OUTCOME', 'RECEIPT'],
      plan.actions.map((action, i) => [
        i + 1,
        action.capability,
        action.entity_key,
        words(action.args),
        action.outcome ? state(io, action.outcome) : action.awaits ? state(io, 'waiting') : null,
        action.receipt_id,
      ]),
    );
  }
  for (const [i, action] of plan.actions.entries()) whatFor(io, i + 1, plan.plan_id, action);
  return EXIT.done;
}

type Shown = PlanView['actions'][number];

/** What an action waits for, or waited for, on what basis, and what of that had changed. */
function whatFor(io: Io, number: number, planId: string, action: Shown): void {
  const { waiting, approvers, awaits, changed, anew } = action;
  if (waiting === null) return;
  const until = time(isoTime(waiting.expires_ms));
  const said = approvers.length === 0 ? 'nobody so far' : approvers.join(' and ');
  facts(io, [
    [
      `action ${number}`,
      `${awaits ? 'waits' : 'waited'} for ${count(waiting.approvers, 'person')} until ${until}: ${said}`,
    ],
    ...(waiting.breakers.length === 0
      ? []
      : [['breakers', `${waiting.breakers.join(', ')} open: fibric breakers ls`] as const]),
    [
      'rules',
      waiting.rules.map((one) => `${state(io, one.decision)} ${one.rule} (${one.stage}): ${one.reason}`).join('\n'),
    ],
    ['basis', waiting.basis.map((item) => basisLine(io, item)).join('\n')],
    ['changed', changed.map((one) => changeLine(io, one)).join('\n') || null],
    ['anew', anew && anewLine(planId, anew)],
  ]);
}

function basisLine(io: Io, item: NonNullable<Shown['waiting']>['basis'][number]): string {
  const within = item.tolerance > 0 ? `, may move by ${value(item.tolerance)}` : '';
  return `${item.of} = ${stateText(io, item)}${within}`;
}

const changeLine = (io: Io, { of, was, is }: Shown['changed'][number]): string =>
  `${of} was ${stateText(io, was)}, and was found ${stateText(io, is)}`;

function stateText(io: Io, { value: seen, quality }: Shown['changed'][number]['is']): string {
  const at = typeof seen === 'string' && seen.length === 64 ? seen.slice(0, 12) : value(seen);
  return `${at}${quality === null ? '' : `, ${state(io, quality)}`}`;
}

/** How to say yes on what was found. */
function anewLine(planId: string, { basis_hash, expires_ms, plan_id }: NonNullable<Shown['anew']>): string {
  if (plan_id !== null) return `${plan_id} has taken its place: fibric plans show ${plan_id}`;
  const yes = `fibric plans approve ${planId} --basis ${basis_hash.slice(0, BASIS_CHARS)} --as <who>`;
  return `may be approved on what was found, until ${time(isoTime(expires_ms))}: ${yes}`;
}
