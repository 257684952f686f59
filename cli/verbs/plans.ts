/** What was proposed, and what waits for a person. */
import type { PlanView } from '@fibric/gateway/journal/types';
import { isoTime } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, type Io } from '../call.ts';
import { count, document, facts, list, state, table, time, value, words } from '../print.ts';
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
  for (const [i, action] of plan.actions.entries()) whatFor(io, i + 1, action);
  return EXIT.done;
}

/** What an action waits for, or waited for, and on what basis. */
function whatFor(io: Io, number: number, { waiting, approvers, awaits }: PlanView['actions'][number]): void {
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
  ]);
}

function basisLine(io: Io, item: NonNullable<PlanView['actions'][number]['waiting']>['basis'][number]): string {
  const at = typeof item.value === 'string' && item.value.length === 64 ? item.value.slice(0, 12) : value(item.value);
  const within = item.tolerance > 0 ? `, may move by ${value(item.tolerance)}` : '';
  return `${item.of} = ${at}${item.quality === null ? '' : `, ${state(io, item.quality)}`}${within}`;
}
