/**
 * How many actions of a capability an operator has had sent lately, for rules that ration them (P4). Counted as intents are written;
 * what was sent before this start is counted from the receipts.
 */
import { rationsRates } from '@fibric/policy';
import { type Clock, LIMITS, type Receipt } from '@fibric/sdk';
import type { RulesNow } from './rules-now.ts';

export interface Sent {
  /** Counts what was sent before `epoch` as well; once. `recent` gives the receipts. */
  recall(recent: RecentReceipts, epoch: number): void;
  /** One more is sent now; returns when that is, by the monotonic clock. */
  add(operator: string, capability: string): number;
  /**
   * In the last `windowMs`, but for the one of `ownMs`; infinitely many where that reaches further back than is known, so that a cap
   * errs on the safe side.
   */
  within(operator: string, capability: string, windowMs: number, ownMs: number | null): number;
}

/** Receipts from the newest on, in pages. */
export type RecentReceipts = (before: number | undefined, limit: number) => readonly Receipt[];

const PAGE = 500;

const keyOf = (operator: string, capability: string): string => `${operator}\n${capability}`;

class SentMemory implements Sent {
  readonly #clock: Clock;
  /** Oldest first, by this boot's monotonic clock; from before it they are negative. */
  readonly #times = new Map<string, number[]>();
  /** Since when everything is known; null while nobody has asked. */
  #knownSinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  recall(recent: RecentReceipts, epoch: number): void {
    this.#knownSinceMs ??= this.#recall(recent, epoch);
  }

  add(operator: string, capability: string): number {
    const now = this.#clock.monoMs();
    this.#of(operator, capability).push(now);
    return now;
  }

  within(operator: string, capability: string, windowMs: number, ownMs: number | null): number {
    const now = this.#clock.monoMs();
    if (now - windowMs < (this.#knownSinceMs ?? Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    const times = this.#of(operator, capability);
    const forgotten = times.findIndex((time) => now - time < LIMITS.sentWindowMs);
    times.splice(0, forgotten < 0 ? times.length : forgotten);
    const own = ownMs !== null && ownMs > now - windowMs ? 1 : 0;
    return times.length - firstAfter(times, now - windowMs) - own;
  }

  #of(operator: string, capability: string): number[] {
    const key = keyOf(operator, capability);
    const times = this.#times.get(key) ?? [];
    this.#times.set(key, times);
    return times;
  }

  /** Across a restart only the wall clock is left; one that went back makes things younger, never older. */
  #recall(recent: RecentReceipts, current: number): number {
    const [wall, mono] = [this.#clock.wallMs(), this.#clock.monoMs()];
    let before: number | undefined;
    let read = 0;
    for (;;) {
      const page = recent(before, PAGE);
      for (const { at, attempt, operator, capability, seq, epoch } of page) {
        const ago = Math.max(0, wall - Date.parse(at));
        if (ago >= LIMITS.sentWindowMs) return Number.NEGATIVE_INFINITY;
        // What this process sent it has counted itself.
        if (attempt > 0 && epoch < current) this.#of(operator, capability).unshift(mono - ago);
        before = seq;
        read += 1;
        if (read >= LIMITS.sentReceipts) return mono - ago;
      }
      if (page.length < PAGE) return Number.NEGATIVE_INFINITY;
    }
  }
}

/** The first of `times`, sorted, that is later than `since`. */
function firstAfter(times: readonly number[], since: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) > since) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function createSent(clock: Clock): Sent {
  return new SentMemory(clock);
}

/** Only rules that ration ask what was sent before: then it is read once, and not while something is being decided. */
export function recallSent(
  sent: Sent,
  sources: { readonly policies: RulesNow; readonly recentReceipts: RecentReceipts },
  epoch: number,
): void {
  if (sources.policies.all().some(({ policy }) => rationsRates(policy))) sent.recall(sources.recentReceipts, epoch);
}
