/**
 * X2 One effect in flight per entity and per physical point, whoever proposes it (execution §2.8).
 * A lane set is taken whole or not at all, first come first served, so nothing can deadlock. What is only looked at may be looked at by
 * many, while nobody moves it. What waits may give its place to a newer wish for the same (G-SF-4).
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

/** `alone`: lanes that nobody else may have. `beside`: lanes that others may have in the same way, but nobody alone. */
export interface LaneSet {
  readonly alone: readonly string[];
  readonly beside: readonly string[];
}

/** What an action does that finds its lanes taken; left out: it waits. */
export type Conflict =
  | { readonly kind: 'refuse' }
  /** Takes the place of one that waits for the same `wish` at an earlier revision; `name` is who is said to have taken it. */
  | { readonly kind: 'coalesce'; readonly wish: string; readonly revision: number; readonly name: string };

interface Waiter {
  readonly conflict: Conflict | undefined;
  readonly asked: LaneSet;
  readonly grant: (hold: Hold) => void;
  readonly timer: Timer;
}

/** How often each lane is asked for, in either way. */
class Tally {
  readonly #alone = new Map<string, number>();
  readonly #beside = new Map<string, number>();

  count({ alone, beside }: LaneSet, by: 1 | -1): void {
    for (const key of alone) counted(this.#alone, key, by);
    for (const key of beside) counted(this.#beside, key, by);
  }

  /** How many ask for this lane alone. */
  alone(key: string): number {
    return this.#alone.get(key) ?? 0;
  }

  /** Whether `asked` cannot be had together with all that is counted. */
  conflicts({ alone, beside }: LaneSet): boolean {
    return (
      alone.some((key) => this.#alone.has(key) || this.#beside.has(key)) || beside.some((key) => this.#alone.has(key))
    );
  }
}

function counted(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}

export class Lanes {
  readonly #clock: Clock;
  readonly #held = new Tally();
  readonly #waiting = new Tally();
  #queue: Waiter[] = [];

  /** `clock` is real time: a lane is held by a real device. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  acquire({ alone, beside }: LaneSet, conflict?: Conflict): Promise<Hold> {
    const own = new Set(alone);
    const asked: LaneSet = { alone: [...own], beside: [...new Set(beside)].filter((key) => !own.has(key)) };
    if (!this.#held.conflicts(asked) && !this.#waiting.conflicts(asked)) return Promise.resolve(this.#hold(asked));
    if (conflict?.kind === 'refuse') return Promise.resolve({ kind: 'full' });
    const place = this.#overtaken(conflict);
    if (
      this.#queue.length >= LIMITS.lanesWaiting ||
      asked.alone.some((key) => this.#waiting.alone(key) >= LIMITS.laneWaiting)
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
      const waiter: Waiter = { conflict, asked, grant, timer };
      this.#queue.splice(place ?? this.#queue.length, 0, waiter);
      this.#waiting.count(asked, 1);
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

  #hold(asked: LaneSet): Hold {
    this.#held.count(asked, 1);
    let held = true;
    return {
      kind: 'held',
      release: () => {
        if (!held) return;
        held = false;
        this.#held.count(asked, -1);
        this.#serve();
      },
    };
  }

  #drop(waiter: Waiter): void {
    waiter.timer.cancel();
    this.#queue = this.#queue.filter((other) => other !== waiter);
    this.#waiting.count(waiter.asked, -1);
  }

  /** In order of arrival; a waiter may not be overtaken on any of its lanes. */
  #serve(): void {
    const passed = new Tally();
    for (const waiter of [...this.#queue]) {
      if (!this.#held.conflicts(waiter.asked) && !passed.conflicts(waiter.asked)) {
        this.#drop(waiter);
        waiter.grant(this.#hold(waiter.asked));
      } else passed.count(waiter.asked, 1);
    }
  }
}
