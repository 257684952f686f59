/** What the operators proposed. */
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { document, facts, list, state, table, time, words } from '../print.ts';
import { openRecords } from '../records.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  const records = await openRecords(call);
  await list(io, {
    rows: records.plans({ limit: options.limit, operator: options.operator }),
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
      ['CAPABILITY', 'ENTITY', 'ARGUMENTS', 'OUTCOME', 'RECEIPT'],
      plan.actions.map((action) => [
        action.capability,
        action.entity_key,
        words(action.args),
        action.outcome && state(io, action.outcome),
        action.receipt_id,
      ]),
    );
  }
  return EXIT.done;
}
