/** The running commentary: what the gateway sees, plans and does, in a line each, in site time. */
import { sayLocalTime } from './local-time.ts';
import { counted } from './text.ts';
import type { GatewayClient, PlanRow, PointRow, ReceiptRow } from './gateway-client.ts';

export interface FeedOptions {
  readonly client: GatewayClient;
  readonly timezone: string;
  readonly say: (line: string) => void;
}

/** Lines that are printed one by one in a round; beyond that, their number. */
const LINES_A_ROUND = 30;

/** As much of a plan's reasoning as fits beside the rest. */
const REASON_CHARS = 160;

function time(rfc3339: string, timezone: string): string {
  return sayLocalTime(Temporal.Instant.from(rfc3339).epochMilliseconds, timezone);
}

function shown(value: unknown): string {
  if (value === null) return '?';
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '?');
}

/** `zone:412  hvac.setpoint  17 → 21.5  applied  (rule)`; what was not applied says why. */
export function receiptLine(receipt: ReceiptRow): string {
  const before = receipt.baseline[0]?.value;
  const after =
    receipt.readback.at(-1)?.value ?? receipt.target[0]?.value ?? receipt.args['celsius'] ?? receipt.args['scene'];
  const change = before === undefined && after === undefined ? '' : `  ${shown(before)} → ${shown(after)}`;
  const rule = receipt.policy.rule === null ? '' : `  (${receipt.policy.rule})`;
  const why = receipt.outcome === 'applied' || receipt.reason === null ? '' : `  ${receipt.reason}`;
  const entity = (receipt.entity_key ?? '-').padEnd(15);
  return `receipt   ${entity} ${receipt.capability}${change}  ${receipt.outcome}${rule}${why}`;
}

/** The whole reasoning is in the journal: `fibric plans show`. */
function shortened(text: string): string {
  return text.length <= REASON_CHARS ? text : `${text.slice(0, REASON_CHARS).trimEnd()} …`;
}

export function planLine(plan: PlanRow): string {
  const reason = shortened(plan.reasoning ?? 'no reason given');
  return `plan      ${plan.operator}: ${reason} (${counted(plan.actions.length, 'action')}, ${plan.status})`;
}

/** What the site looks like now, from the points that are good. */
export function readingsLine(points: readonly PointRow[], events: number): string {
  const good = points.filter((point) => point.quality === 'good');
  const temperatures = good
    .filter((point) => point.point === 'temperature' && typeof point.value === 'number')
    .map((point) => point.value as number);
  const on = (name: string): number => good.filter((point) => point.point === name && point.value === true).length;
  const parts = [
    temperatures.length === 0
      ? 'no temperature yet'
      : `${counted(temperatures.length, 'temperature')} ${Math.min(...temperatures).toFixed(1)}–${Math.max(...temperatures).toFixed(1)} °C`,
    `motion in ${on('motion')}`,
    ...(on('window') > 0 ? [counted(on('window'), 'window') + ' open'] : []),
    good.length === points.length ? 'all good' : `${points.length - good.length} of ${points.length} points not good`,
    counted(events, 'event'),
  ];
  return `readings  ${parts.join(' · ')}`;
}

export class Feed {
  readonly #options: FeedOptions;
  #receipts = 0;
  #plans = 0;
  #quiet = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Passes over what an earlier run left. */
  async begin(): Promise<void> {
    const { journal_head } = await this.#options.client.status();
    this.#receipts = journal_head;
    this.#plans = journal_head;
  }

  /** Says what is new among plans and receipts, in order of time. */
  async news(): Promise<void> {
    const plans = await this.#newPlans();
    const receipts: ReceiptRow[] = [];
    for await (const receipt of this.#options.client.receiptsAfter(this.#receipts)) receipts.push(receipt);
    this.#receipts = receipts.at(-1)?.seq ?? this.#receipts;
    const lines = [
      ...plans.map((plan) => ({ at: plan.at, seq: plan.seq, line: planLine(plan) })),
      ...receipts.map((receipt) => ({ at: receipt.at, seq: receipt.seq, line: receiptLine(receipt) })),
    ].sort((a, b) => a.seq - b.seq);
    for (const { at, line } of lines.slice(0, LINES_A_ROUND)) this.#say(at, line);
    const rest = lines.slice(LINES_A_ROUND);
    const last = rest.at(-1);
    if (last !== undefined) this.#say(last.at, `          … and ${rest.length} more plans and receipts`);
  }

  /** Says what the site looks like. */
  async readings(): Promise<void> {
    const { client } = this.#options;
    const [points, status] = await Promise.all([client.points(), client.status()]);
    const quiet = this.#quiet === 0 ? '' : ` · ${counted(this.#quiet, 'run')} with nothing to do`;
    this.#quiet = 0;
    this.#say(status.site_time, readingsLine(points, status.events_head) + quiet);
  }

  /** Plans that want something; the others are counted. */
  async #newPlans(): Promise<PlanRow[]> {
    const fresh: PlanRow[] = [];
    const known = this.#plans;
    for await (const plan of this.#options.client.plans()) {
      if (plan.seq <= known) break;
      this.#plans = Math.max(this.#plans, plan.seq);
      if (plan.actions.length === 0) this.#quiet += 1;
      else fresh.unshift(plan);
    }
    return fresh;
  }

  #say(at: string, line: string): void {
    this.#options.say(`${time(at, this.#options.timezone)}  ${line}`);
  }
}
