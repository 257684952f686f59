/**
 * Time and randomness as arguments. Nothing in the house reads a clock, starts a timer or draws a number by itself.
 */

/** How far the wall clock may be believed: synchronised, running on by itself since, or neither. */
export const CLOCK_STATES = ['trusted', 'holdover', 'untrusted'] as const;
export type ClockState = (typeof CLOCK_STATES)[number];

/** A running timer. Cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

/** Two clocks in one: `wallMs` is a label for people, `monoMs` is what durations are measured by. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. Never used for order or durations. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monoMs(): number;
  /** Calls `fn` once, `delayMs` of this clock later. The timer does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer;
}

/** A source of random numbers. Seeded in simulators and tests. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** Resolves `delayMs` of `clock` later, or at once when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const timer = clock.after(delayMs, done);
    function done(): void {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** The wall clock as RFC 3339 UTC. */
export function isoTime(wallMs: number): string {
  // What happens together is stamped alike, a dozen times.
  if (wallMs !== last.ms) last = { ms: wallMs, text: new Date(wallMs).toISOString() };
  return last.text;
}

let last = { ms: 0, text: '1970-01-01T00:00:00.000Z' };

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the Unix epoch of an RFC 3339 time, or null when `text` is not one. */
export function parseTime(text: string): number | null {
  const ms = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}
