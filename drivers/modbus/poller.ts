/**
 * Polls the points that have an interval, unit by unit.
 *
 * M9 A group is never asked for again before it was answered; the times that went by are counted.
 * M10 An outage is delivered once and its end again (D6), and nothing after the stop (D5).
 */
import { badReading, type Clock, type Provenance, type Reading, type Timer } from '@fibric/sdk';
import type { Decoded } from './codec.ts';
import type { UnitHealth } from './health.ts';
import { type Block, type Item, planBlocks } from './plan.ts';
import { type BlockReading, readBlock } from './read.ts';
import { NEVER, RANK, type Session } from './session.ts';

export interface PolledItem {
  readonly item: Item;
  readonly pollMs: number;
}

export interface PollerOptions {
  readonly session: Session;
  readonly health: UnitHealth;
  readonly clock: Clock;
  readonly provenance: () => Provenance;
  readonly deliver: (batch: readonly Reading[]) => void;
  /** A unit fell silent or spoke again. */
  readonly onHealth: () => void;
}

/** The points of one unit with one interval. */
interface Group {
  readonly unit: number;
  readonly intervalMs: number;
  blocks: readonly Block[];
  dueMs: number;
  timer: Timer | null;
  running: boolean;
  /** Asked for while it ran: run again at once. */
  again: boolean;
  well: boolean;
}

/** Losing the device is one outage, whatever it looks like from one poll to the next. */
const OUTAGE: readonly string[] = ['timeout', 'disconnected', 'device_error', 'malformed'];

export class Poller {
  readonly #options: PollerOptions;
  readonly #groups: readonly Group[];
  /** What each point was last delivered as bad for. */
  readonly #bad = new Map<Item, string>();
  #stopped = false;
  #skipped = 0;

  constructor(items: readonly PolledItem[], options: PollerOptions) {
    this.#options = options;
    this.#groups = groupsOf(items);
  }

  /** Polls left out because the one before was not over. */
  get skipped(): number {
    return this.#skipped;
  }

  start(): void {
    for (const group of this.#groups) this.#schedule(group, this.#options.clock.monoMs() + group.intervalMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const group of this.#groups) group.timer?.cancel();
  }

  /** Polls now what has no good value: the link came up, or is known to be lost. */
  refresh(which: 'unwell' | 'all'): void {
    for (const group of this.#groups) if (which === 'all' || !group.well) this.#now(group);
  }

  /** A unit spoke. If it had been silent, its other points need not wait either. */
  heard(unit: number): void {
    if (!this.#options.health.answered(unit)) return;
    for (const group of this.#groups) if (group.unit === unit && !group.well) this.#now(group);
    this.#options.onHealth();
  }

  #now(group: Group): void {
    if (group.running) group.again = true;
    else this.#schedule(group, this.#options.clock.monoMs());
  }

  #schedule(group: Group, dueMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#options;
    group.timer?.cancel();
    group.dueMs = dueMs;
    group.timer = clock.after(Math.max(0, dueMs - clock.monoMs()), () => void this.#tick(group));
  }

  async #tick(group: Group): Promise<void> {
    const { clock, health, session } = this.#options;
    const retryMs = health.retryAtMs(group.unit);
    if (retryMs > clock.monoMs() && session.state.kind === 'up') return this.#schedule(group, retryMs);
    group.running = true;
    await this.#poll(group);
    group.running = false;
    const late = Math.max(0, Math.floor((clock.monoMs() - group.dueMs) / group.intervalMs));
    this.#skipped += late;
    const again = group.again;
    group.again = false;
    this.#schedule(group, again ? clock.monoMs() : group.dueMs + (late + 1) * group.intervalMs);
  }

  async #poll(group: Group): Promise<void> {
    const values = new Map<Item, Decoded>();
    const blocks: Block[] = [];
    let last: BlockReading | null = null;
    for (const block of group.blocks) {
      // A unit that was just silent is not asked for the rest.
      if (last?.presence !== 'silent') last = await readBlock(this.#options.session, block, RANK.poll, NEVER);
      blocks.push(...(last.presence === 'silent' ? [block] : last.blocks));
      for (const item of block.items) values.set(item, last.values.get(item) ?? { value: null, reason: 'timeout' });
      if (last.dropped) return;
    }
    group.blocks = blocks;
    group.well = last?.presence === 'answered';
    if (last !== null) this.#note(group.unit, last);
    this.#deliver(values);
  }

  #note(unit: number, reading: BlockReading): void {
    if (reading.presence === 'answered') this.heard(unit);
    if (reading.presence !== 'silent') return;
    this.#options.health.failed(unit, reading.trouble ?? `unit ${unit} does not answer`);
    this.#options.onHealth();
  }

  #deliver(values: ReadonlyMap<Item, Decoded>): void {
    if (this.#stopped) return;
    const provenance = this.#options.provenance();
    const news = [...values].filter(([item, decoded]) => this.#isNews(item, decoded));
    if (news.length > 0) this.#options.deliver(news.map(([item, decoded]) => readingOf(item, decoded, provenance)));
  }

  #isNews(item: Item, decoded: Decoded): boolean {
    const before = this.#bad.get(item);
    if (decoded.reason === null) {
      this.#bad.delete(item);
      return true;
    }
    const kind = OUTAGE.includes(decoded.reason) ? 'outage' : decoded.reason;
    this.#bad.set(item, kind);
    return kind !== before;
  }
}

export function readingOf(item: Item, decoded: Decoded, provenance: Provenance): Reading {
  if (decoded.reason !== null) return badReading(item, decoded.reason, provenance);
  const { device, point } = item;
  return { device, point, value: decoded.value, quality: 'good', quality_reason: null, provenance, observed_at: null };
}

function groupsOf(items: readonly PolledItem[]): Group[] {
  const groups = Map.groupBy(items, ({ item, pollMs }) => `${item.unit} ${pollMs}`);
  return [...groups.values()].map((members) => ({
    unit: members[0]?.item.unit ?? 0,
    intervalMs: members[0]?.pollMs ?? 0,
    blocks: planBlocks(members.map(({ item }) => item)),
    dueMs: 0,
    timer: null,
    running: false,
    again: false,
    well: false,
  }));
}
