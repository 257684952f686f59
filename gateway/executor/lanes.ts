/**
 * X2 One effect in flight per entity and per physical point, whoever proposes it (execution §2.8).
 * A lane set is taken whole or not at all, first come first served, so nothing can deadlock. What waits may give its place to a newer
 * wish for the same (G-SF-4).
 */
import { type Clock, LIMITS, type Timer } from '@fibric/sdk';

export type Hold =
  | { readonly kind: 'held'; readonly release: () => void }
  /** Too many wait already, for this lane or in all. */
  | { readonly kind: 'full' }
  /** Sent away by `withdraw`, to look whether it still may. */
  | { readonly kind: 'withdrawn' }
  /** Its place was taken over. */
  | { readonly kind: 'superseded'; readonly by: string }
  | { readonly kind: 'timeout'; readonly waited_ms: number };

/** What an action does that finds its lanes taken; left out: it waits. */
export type Conflict =
  | { readonly kind: 'refuse' }
  /** Takes the place of one that waits for the same `wish` at an earlier revision; `name` is who is said to have taken it. */
  | { readonly kind: 'coalesce'; readonly wish: string; readonly revision: number; readonly name: string };

interface Waiter {
  readonly conflict: Conflict | undefined;
  readonly keys: readonly string[];
  readonly grant: (hold: Hold) => void;
  readonly timer: Timer;
}

export class Lanes {
  readonly #clock: Clock;
  readonly #busy = new Set<string>();
  readonly #waiting = new Map<string, number>();
  #queue: Waiter[] = [];

  /** `clock` is real time: a lane is held by a real device. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  acquire(keys: readonly string[], conflict?: Conflict): Promise<Hold> {
    const wanted = [...new Set(keys)].sort();
    if (this.#isFree(wanted) && !wanted.some((key) => this.#waiting.get(key)))
      return Promise.resolve(this.#hold(wanted));
    if (conflict?.kind === 'refuse') return Promise.resolve({ kind: 'full' });
    const place = this.#overtaken(conflict);
    if (
      this.#queue.length >= LIMITS.lanesWaiting ||
      wanted.some((key) => (this.#waiting.get(key) ?? 0) >= LIMITS.laneWaiting)
    ) {
      return Promise.resolve({ kind: 'full' });
    }
    return new Promise((grant) => {
      const since = this.#clock.monoMs();
      const timer = this.#clock.after(LIMITS.laneWaitMs, () => {
        this.#drop(waiter);
        grant({ kind: 'timeout', waited_ms: Math.round(this.#clock.monoMs() - since) });
        this.#serve();
      });
      const waiter: Waiter = { conflict, keys: wanted, grant, timer };
      this.#queue.splice(place ?? this.#queue.length, 0, waiter);
      for (const key of wanted) this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1);
    });
  }

  /** Sends away whoever waits for the same with an earlier revision; returns the first place that it had. */
  #overtaken(newer: Conflict | undefined): number | null {
    if (newer?.kind !== 'coalesce') return null;
    const older = this.#queue.filter(
      ({ conflict }) =>
        conflict?.kind === 'coalesce' && conflict.wish === newer.wish && conflict.revision < newer.revision,
    );
    const [first] = older;
    if (!first) return null;
    const place = this.#queue.indexOf(first);
    for (const waiter of older) {
      this.#drop(waiter);
      waiter.grant({ kind: 'superseded', by: newer.name });
    }
    return place;
  }

  /** Sends all away that wait: what they wait for has been stopped. */
  withdraw(): void {
    for (const waiter of [...this.#queue]) {
      this.#drop(waiter);
      waiter.grant({ kind: 'withdrawn' });
    }
  }

  #isFree(keys: readonly string[]): boolean {
    return !keys.some((key) => this.#busy.has(key));
  }

  #hold(keys: readonly string[]): Hold {
    for (const key of keys) this.#busy.add(key);
    let held = true;
    return {
      kind: 'held',
      release: () => {
        if (!held) return;
        held = false;
        for (const key of keys) this.#busy.delete(key);
        this.#serve();
      },
    };
  }

  #drop(waiter: Waiter): void {
    waiter.timer.cancel();
    this.#queue = this.#queue.filter((other) => other !== waiter);
    for (const key of waiter.keys) {
      const left = (this.#waiting.get(key) ?? 1) - 1;
      if (left > 0) this.#waiting.set(key, left);
      else this.#waiting.delete(key);
    }
  }

  /** In order of arrival; a waiter may not be overtaken on any of its lanes. */
  #serve(): void {
    const passed = new Set<string>();
    for (const waiter of [...this.#queue]) {
      if (this.#isFree(waiter.keys) && !waiter.keys.some((key) => passed.has(key))) {
        this.#drop(waiter);
        waiter.grant(this.#hold(waiter.keys));
      } else {
        for (const key of waiter.keys) passed.add(key);
      }
    }
  }
}
