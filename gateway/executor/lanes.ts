/**
 * X2 One effect in flight per entity and per physical point, whoever proposes it (execution §2.8).
 * A lane set is taken whole or not at all, first come first served, so nothing can deadlock.
 */
import { type Clock, LIMITS, type Timer } from '@fibric/sdk';

export type Hold =
  | { readonly kind: 'held'; readonly release: () => void }
  /** Too many wait already, for this lane or in all. */
  | { readonly kind: 'full' }
  /** Sent away by `withdraw`, to look whether it still may. */
  | { readonly kind: 'withdrawn' }
  | { readonly kind: 'timeout'; readonly waited_ms: number };

interface Waiter {
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

  acquire(keys: readonly string[]): Promise<Hold> {
    const wanted = [...new Set(keys)].sort();
    if (this.#isFree(wanted) && !wanted.some((key) => this.#waiting.get(key)))
      return Promise.resolve(this.#hold(wanted));
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
      const waiter: Waiter = { keys: wanted, grant, timer };
      this.#queue.push(waiter);
      for (const key of wanted) this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1);
    });
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
