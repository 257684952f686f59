/** Site time: faster than real time in a running world, moved by hand in a test. */
import type { Clock, Timer } from '@fibric/sdk';

/** Site time is `epochMs` at the wall time `startedMs` and runs `speed` times as fast: what a site file says under `simulation`. */
export interface Timeline {
  readonly epochMs: number;
  readonly startedMs: number;
  readonly speed: number;
}

/** Site time at the wall time `wallMs`. Before the start it is before the epoch. */
export function siteTime(timeline: Timeline, wallMs: number): number {
  return timeline.epochMs + (wallMs - timeline.startedMs) * timeline.speed;
}

/** A clock of site time on top of the real one. Delays are site time as well. */
export function acceleratedClock(real: Clock, timeline: Timeline): Clock {
  return {
    wallMs: () => siteTime(timeline, real.wallMs()),
    monoMs: () => real.monoMs() * timeline.speed,
    after: (delayMs, fn) => real.after(delayMs / timeline.speed, fn),
  };
}

/** A clock that stands still until `advance` is called; timers fire in order of their time. */
export class VirtualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #waiting = new Map<number, { readonly atMs: number; readonly fn: () => void }>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  monoMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const id = this.#order++;
    this.#waiting.set(id, { atMs: this.#nowMs + Math.max(0, delayMs), fn });
    return { cancel: () => this.#waiting.delete(id) };
  }

  /** Moves time by `ms`, firing what falls due on the way, timers that those start included. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let due = this.#next(untilMs); due !== null; due = this.#next(untilMs)) {
      this.#nowMs = due.atMs;
      this.#waiting.delete(due.id);
      due.fn();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): { id: number; atMs: number; fn: () => void } | null {
    let first: { id: number; atMs: number; fn: () => void } | null = null;
    for (const [id, timer] of this.#waiting) {
      if (timer.atMs <= untilMs && (first === null || timer.atMs < first.atMs)) first = { id, ...timer };
    }
    return first;
  }
}
