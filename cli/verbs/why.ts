/** Why a receipt says what it says, on one screen: from the envelope that woke the run to what the upstream has. */
import type { WhyView } from '@fibric/gateway/api/view';
import { type Evidence, formatDuration, type Receipt } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, type Io } from '../call.ts';
import { clip, count, document, facts, paint, state, time, value, words } from '../print.ts';
import { openRecords } from '../records.ts';
import { correctionText } from './receipts.ts';

/** Lines of one kind; the rest is counted and stands in `--json`. */
const LINES = 8;

export async function why(call: Call): Promise<ExitCode> {
  const records = await openRecords(call);
  const found = await records.why(call.args[0] ?? '');
  records.close();
  const { io } = call;
  if (call.options.json) document(io, found);
  else facts(io, [...causes(io, found), ...effects(io, found), ...proof(io, found)]);
  return found.chain.fault === null ? EXIT.done : EXIT.tampered;
}

type Fact = readonly [name: string, value: string | null];

/** From the envelope to the decision. */
function causes(io: Io, { receipt, trigger, plan, others, policy: activation }: WhyView): readonly Fact[] {
  const { capability, args, entity_key, device, connector, verdict, policy } = receipt;
  const where = [entity_key && `on ${entity_key}`, device && `→ ${device}`, connector && `via ${connector}`];
  const by = plan.reasoner ? `${plan.reasoner.provider} ${plan.reasoner.model ?? plan.reasoner.alias}` : null;
  return [
    ['receipt', `${paint(io, 'bold', receipt.receipt_id)}  ${state(io, receipt.outcome)}  ${time(receipt.at)}`],
    ['action', [capability, words(args), ...where].filter(Boolean).join(' ')],
    [
      'trigger',
      trigger &&
        `${trigger.event_type} from ${trigger.source}, event ${trigger.event_id}, ${trigger.correlation_id}\n${clip(words(trigger.payload))}`,
    ],
    ['readings', lines(receipt.evidence.map((seen) => reading(io, seen)))],
    [
      'operator',
      `${receipt.operator} (${receipt.version}), proposed by ${receipt.proposed_by}${by ? ` (${by})` : ''}, mode ${receipt.mode}${receipt.approver ? `, approved by ${receipt.approver}` : ''}`,
    ],
    ['reason', receipt.reasoning],
    ['approval', approvals(others)],
    [
      'plan',
      `${plan.plan_id}, action ${plan.action} of ${plan.actions}, ${time(plan.at)}, hash ${short(plan.plan_hash)}`,
    ],
    [
      'decision',
      `${state(io, verdict.decision.toLowerCase())} by ${verdict.rule ?? 'no rule'}${verdict.stage ? ` at ${verdict.stage}` : ''}${policy.hash ? `, policy ${short(policy.hash)}` : ''}`,
    ],
    ['policy', activation && activationLine(activation)],
    [
      'rules',
      lines(verdict.rules.map((one) => `${state(io, one.decision)} ${one.rule} (${one.stage}): ${one.reason}`)),
    ],
  ];
}

function activationLine({ seq, at, who, sources }: NonNullable<WhyView['policy']>): string {
  const files = sources.map(({ file, counter }) => (counter === null ? file : `${file} version ${counter}`)).join(', ');
  return `${files}, in force since ${time(at)} by ${who}, row ${seq}`;
}

/** What was sent, what was answered, what was found afterwards. */
function effects(io: Io, { receipt, intents, others }: WhyView): readonly Fact[] {
  const { timeline, device_response: response, readback } = receipt;
  const earlier = intents.slice(0, -1).map((one) => `attempt ${one.attempt} at ${instant(one.at)}, row ${one.seq}`);
  const steps = [
    ['intent durable', timeline.intent_at],
    ['sent', timeline.sent_at],
    ['answered', timeline.answered_at],
  ].flatMap(([name, at]) => (at ? [`${name} ${instant(at)}`] : []));
  return [
    ['before', points(receipt.baseline)],
    ['target', points(receipt.target)],
    ['earlier', lines(earlier)],
    ['attempt', steps.length === 0 ? null : `${receipt.attempt}: ${steps.join(', ')}`],
    ['request', response && (response.request ?? 'not recorded')],
    [
      'response',
      response &&
        `${response.reply ?? 'none'}  (${response.protocol} ${response.code}, ${Math.round(response.latency_ms)} ms)`,
    ],
    [
      'read back',
      lines(
        readback.map((one) => `${one.point} = ${value(one.value)}, ${state(io, one.quality)}, at ${instant(one.at)}`),
      ),
    ],
    ['outcome', [state(io, receipt.outcome), receipt.reason_code, receipt.reason].filter(Boolean).join(': ')],
    [
      'since',
      lines(
        others
          .filter(({ type }) => type !== 'approval/1')
          .map((row) => `row ${row.seq}, ${time(row.at)}: ${row.type}${outcomeOf(row)}`),
      ),
    ],
    ['refers to', receipt.refers_to.join(' ') || null],
  ];
}

function proof(io: Io, { receipt, chain, checkpoint, sync }: WhyView): readonly Fact[] {
  const holds = chain.fault === null ? state(io, 'proved') : `${state(io, 'tampered')}: ${chain.fault}`;
  return [
    ['key', receipt.idempotency_key],
    ['chain', `seq ${chain.seq}, epoch ${receipt.epoch}, ${holds}\nhash ${chain.hash}\nprev ${chain.prev}`],
    ['signed', signing(chain.seq, checkpoint)],
    ['upstream', delivery(sync)],
  ];
}

function signing(seq: number, { signed, cosigned }: WhyView['checkpoint']): string {
  if (cosigned >= seq) return `up to row ${cosigned}, and cosigned by a witness`;
  if (signed >= seq) return `up to row ${signed}; no witness has cosigned it`;
  return signed === 0 ? 'not yet' : `up to row ${signed}: this one waits for the next checkpoint`;
}

function delivery(sync: WhyView['sync']): string {
  switch (sync.state) {
    case 'off':
      return 'none: nothing is sent anywhere';
    case 'acknowledged':
      return 'has it';
    case 'waiting':
      return `does not have it yet; ${count(sync.behind, 'row')} before it wait too`;
    case 'refused':
      return `refused it at ${time(sync.at)}: ${sync.code}: ${sync.reason}`;
  }
}

/** What persons said to it, in the order of the rows. */
function approvals(others: WhyView['others']): string | null {
  const said = others.flatMap((row) => (row.type === 'approval/1' ? [row] : []));
  return lines(
    said.map(({ seq, at, decision, who, effect, method, reason }) => {
      const late = effect === 'late' ? ', too late' : '';
      return `${decision} by ${who}${late}, row ${seq}, ${time(at)}, by ${method}${reason === null ? '' : `: ${reason}`}`;
    }),
  );
}

function reading(io: Io, { point, value: seen, unit, quality, provenance, age_ms }: Evidence): string {
  return `${point} = ${value(seen, unit)}, ${state(io, quality)}, ${provenance}, ${formatDuration(age_ms)} old`;
}

function points(states: Receipt['baseline']): string | null {
  return states.map(({ point, value: at }) => `${point} = ${value(at)}`).join(', ') || null;
}

function lines(all: readonly string[]): string | null {
  const more = all.length > LINES ? [`and ${all.length - LINES} more; --json has them all`] : [];
  return [...all.slice(0, LINES), ...more].join('\n') || null;
}

function outcomeOf(row: WhyView['others'][number]): string {
  if (row.type === 'receipt/1') return ` ${row.outcome}`;
  return row.type === 'correction/1' ? ` ${correctionText(row)}` : '';
}

/** The time of day with its milliseconds. */
const instant = (at: string): string => at.slice(11).replace('Z', '');
const short = (hash: string): string => hash.slice(0, 12);
