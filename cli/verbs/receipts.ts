/** What became of every action. */
import { type Evidence, formatDuration, type PointState, type Receipt } from '@fibric/sdk';
import type { CorrectionEntry } from '@fibric/gateway/journal/corrections';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect, type Page } from '../client.ts';
import { document, facts, line, list, paint, state, time, value, words } from '../print.ts';
import { openRecords } from '../records.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  const records = await openRecords(call);
  await list(io, {
    rows: records.receipts({ limit: options.limit, operator: options.operator }),
    json: options.json === true,
    head: ['RECEIPT', 'AT', 'OPERATOR', 'CAPABILITY', 'ENTITY', 'CHANGE', 'OUTCOME', 'REASON'],
    row: (receipt) => [
      receipt.receipt_id,
      time(receipt.at),
      receipt.operator,
      receipt.capability,
      receipt.entity_key,
      changeOf(receipt),
      state(io, receipt.outcome),
      receipt.reason_code,
    ],
  });
  records.close();
  return EXIT.done;
}

const LOOK_MS = 500;

/** The last few, then each as it is written; until it is stopped or the gateway goes away. */
export async function tail(call: Call): Promise<ExitCode> {
  const client = await connect(call);
  const { operator } = call.options;
  const newest = await client.get<Page<Receipt>>('/v1/receipts', { limit: 1 });
  // What is written from here on is not in the last few: it comes in its turn, and nothing falls between.
  let after = newest.data[0]?.seq ?? 0;
  const recent = await client.get<Page<Receipt>>('/v1/receipts', { limit: 10, operator });
  for (const receipt of recent.data.toReversed()) if (receipt.seq <= after) printLine(call, receipt);
  for (;;) {
    for await (const receipt of client.all<Receipt>('/v1/receipts', { after })) {
      after = receipt.seq;
      if (operator === undefined || receipt.operator === operator) printLine(call, receipt);
    }
    await call.io.sleep(LOOK_MS);
  }
}

function printLine({ io, options }: Call, receipt: Receipt): void {
  if (options.json) {
    io.out(JSON.stringify(receipt));
    return;
  }
  const { receipt_id, at, operator, capability, entity_key, outcome, reason_code } = receipt;
  const parts = [
    time(at),
    receipt_id,
    operator,
    capability,
    entity_key ?? '–',
    changeOf(receipt),
    state(io, outcome),
    reason_code,
  ];
  line(io, parts.filter((part) => part !== null && part !== '').join('  '));
}

export async function show(call: Call): Promise<ExitCode> {
  const { io } = call;
  const records = await openRecords(call);
  const receipt = await records.receipt(call.args[0] ?? '');
  const since = receipt.outcome === 'unknown' ? (await records.why(receipt.receipt_id)).others : [];
  records.close();
  if (call.options.json) {
    document(io, receipt);
    return EXIT.done;
  }
  const { verdict, policy, device_response: response } = receipt;
  facts(io, [
    ['receipt', `${paint(io, 'bold', receipt.receipt_id)}  ${state(io, receipt.outcome)}  ${time(receipt.at)}`],
    ['what', `${receipt.capability} ${words(receipt.args)}${whereOf(receipt)}`],
    [
      'who',
      `${receipt.operator} (${receipt.version}) by ${receipt.proposed_by}, mode ${receipt.mode}${approvalOf(receipt)}`,
    ],
    ['why', receipt.reasoning],
    [
      'rule',
      `${verdict.decision} by ${verdict.rule ?? 'no rule'}${verdict.stage ? ` at ${verdict.stage}` : ''}${policy.hash ? `, policy ${policy.hash.slice(0, 12)}` : ''}`,
    ],
    ['evidence', receipt.evidence.map(evidenceText).join('\n') || null],
    ['change', changesOf(receipt)],
    ['device', response && `${response.protocol} ${response.code} in ${Math.round(response.latency_ms)} ms`],
    ['outcome', [state(io, receipt.outcome), receipt.reason_code, receipt.reason].filter(Boolean).join(': ')],
    [
      'corrected',
      since.flatMap((row) => (row.type === 'correction/1' ? [correctionText(row)] : [])).join('\n') || null,
    ],
    ['lease', receipt.lease && leaseText(receipt.lease)],
    ['refers to', receipt.refers_to.join(' ') || null],
    [
      'trail',
      `plan ${receipt.plan_id}, run ${receipt.run_id}, event ${receipt.event_id ?? '–'}, ${receipt.correlation_id}`,
    ],
    ['key', receipt.idempotency_key],
    [
      'chain',
      `seq ${receipt.seq}, attempt ${receipt.attempt}, ${receipt.provenance}, hash ${receipt.hash.slice(0, 16)}`,
    ],
  ]);
  return EXIT.done;
}

function whereOf({ entity_key, device, connector }: Receipt): string {
  return `${entity_key ? ` on ${entity_key}` : ''}${device ? ` → ${device}` : ''}${connector ? ` via ${connector}` : ''}`;
}

function approvalOf({ approver }: Receipt): string {
  return approver === null ? '' : `, approved by ${approver}`;
}

/** What a person found out about an action that nobody could tell the fate of. */
export function correctionText({ conclusion, who, reason }: CorrectionEntry): string {
  return `${conclusion}, says ${who}: ${reason}`;
}

function leaseText({ id, ttl_s, fallback, state: now }: NonNullable<Receipt['lease']>): string {
  const goes = typeof fallback === 'object' ? value(fallback.value) : fallback;
  return `${id} ${now}, ${ttl_s === null ? 'without an end' : `for ${formatDuration(ttl_s * 1_000)}`}, then ${goes}`;
}

function evidenceText({ point, value: seen, unit, quality, provenance, age_ms }: Evidence): string {
  return `${point} = ${value(seen, unit)}, ${quality}, ${provenance}, ${formatDuration(age_ms)} old`;
}

const valueAt = (states: readonly PointState[], point: string) =>
  states.find((one) => one.point === point)?.value ?? null;

/** `17 → 21.5`, for a line of a list. */
function changeOf({ baseline, target }: Receipt): string | null {
  const [first] = target;
  if (first === undefined) return null;
  const more = target.length > 1 ? ` (+${target.length - 1})` : '';
  return `${value(valueAt(baseline, first.point))} → ${value(first.value)}${more}`;
}

/** Before, asked, sent where that differs, and read back: for every point of the action. */
function changesOf({ baseline, target, effective, readback }: Receipt): string | null {
  const lines = target.map(({ point, value: asked }) => {
    const sent = valueAt(effective, point);
    const back = readback.findLast((one) => one.point === point);
    const sentText = sent === null || sent === asked ? '' : `, sent ${value(sent)}`;
    const backText = back === undefined ? 'not read back' : `read back ${value(back.value)} (${back.quality})`;
    return `${point}: before ${value(valueAt(baseline, point))}, asked ${value(asked)}${sentText}, ${backText}`;
  });
  return lines.join('\n') || null;
}
