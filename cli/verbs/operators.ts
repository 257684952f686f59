/** Operators: what there is, one run now, the mode. */
import type { OperatorView, RunReport } from '@fibric/gateway/api/view';
import { FibricError, MODES, type Mode, type Outcome } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect } from '../client.ts';
import { clip, count, document, facts, list, state, time } from '../print.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<OperatorView>('/v1/operators'),
    json: options.json === true,
    limit: options.limit,
    head: ['OPERATOR', 'MODE', 'TRIGGERS', 'RUNS', 'LAST RUN', 'PROPOSED', 'DISPOSED', 'PROBLEM'],
    row: (one) => [
      one.name,
      state(io, one.mode),
      one.triggers.map((trigger) => ('on' in trigger ? trigger.on : `every ${trigger.every}`)).join(', '),
      one.runs,
      time(one.last_run?.at ?? null),
      one.last_run?.proposed ?? null,
      one.last_run && (outcomesText(call, one.last_run.outcomes) || null),
      one.problem,
    ],
  });
  return EXIT.done;
}

export async function mode(call: Call): Promise<ExitCode> {
  const [name = '', wanted = ''] = call.args;
  if (!MODES.includes(wanted as Mode)) {
    throw new FibricError('invalid_parameter', `'${wanted}' is not a mode: ${MODES.join(', ')}`);
  }
  const client = await connect(call);
  const operator = await client.post<OperatorView>(`/v1/operators/${encodeURIComponent(name)}/mode`, {
    mode: wanted,
    who: call.options.as,
    reason: call.options.reason,
  });
  if (call.options.json) document(call.io, operator);
  else call.io.out(`${operator.name} is ${state(call.io, operator.mode)}`);
  return EXIT.done;
}

export async function run(call: Call): Promise<ExitCode> {
  const [name = ''] = call.args;
  const report = await (await connect(call)).post<RunReport>(`/v1/operators/${encodeURIComponent(name)}/run`);
  if (call.options.json) document(call.io, report);
  else {
    facts(call.io, [
      ['sensed', sensedLine(report)],
      ['proposed', proposedLine(report)],
      ['disposed', disposedLine(call, report)],
      [
        'receipts',
        [count(report.receipts.length, 'receipt'), ...report.receipts.map((one) => one.receipt_id)].join(' '),
      ],
    ]);
  }
  if (report.failure !== null) return EXIT.failed;
  return refusedAltogether(report) ? EXIT.refused : EXIT.done;
}

function sensedLine({ sensed }: RunReport): string {
  const parts = sensed.map(
    (one) => `${one.capability} (${one.entities} ${one.entities === 1 ? 'entity' : 'entities'})`,
  );
  return parts.join(', ') || 'nothing';
}

function proposedLine({ proposed, plan_id, reasoning }: RunReport): string {
  const why = reasoning === null ? '' : `: ${clip(reasoning)}`;
  return `${count(proposed, 'action')}${plan_id === null ? '' : ` in ${plan_id}`}${why}`;
}

function disposedLine(call: Call, { receipts, awaiting, failure }: RunReport): string {
  if (failure !== null) return `${state(call.io, 'rejected')} ${failure.reason_code}: ${failure.reason}`;
  const counts: Partial<Record<Outcome, number>> = {};
  for (const { outcome } of receipts) counts[outcome] = (counts[outcome] ?? 0) + 1;
  const waiting = awaiting.length === 0 ? '' : `${awaiting.length} waiting for a person`;
  return [outcomesText(call, counts), waiting].filter(Boolean).join(', ') || 'nothing to dispose of';
}

function outcomesText({ io }: Call, outcomes: Readonly<Partial<Record<Outcome, number>>>): string {
  return Object.entries(outcomes)
    .map(([outcome, n]) => `${n} ${state(io, outcome)}`)
    .join(', ');
}

/** The outcomes by which policy says no. */
const REFUSED: ReadonlySet<Outcome> = new Set(['blocked', 'truncated']);

function refusedAltogether({ receipts, awaiting }: RunReport): boolean {
  return receipts.length > 0 && awaiting.length === 0 && receipts.every((receipt) => REFUSED.has(receipt.outcome));
}
