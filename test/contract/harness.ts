/** What tests against a real far side need: a bounded wait for a condition, a clock that counts, a sink that remembers. */
import type { Clock, ConnectionStatus, DriverContext, DriverSink, PointRef, Reading, Timer, World } from '@fibric/sdk';
import { systemClock } from '@fibric/simulators/system';

const BOUND_MS = 15_000;

/** Resolves as soon as `condition` gives something true; rejects naming `what` when it never does. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const endMs = performance.now() + BOUND_MS;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > endMs) throw new Error(`waited ${BOUND_MS} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Real time, with a count of what it was asked for. */
export class CountingClock implements Clock {
  readonly #real = systemClock();
  /** Timers that wait. */
  live = 0;
  /** Timers that fired. */
  fired = 0;

  wallMs(): number {
    return this.#real.wallMs();
  }

  monoMs(): number {
    return this.#real.monoMs();
  }

  after(delayMs: number, fn: () => void): Timer {
    let waiting = true;
    const ended = (): void => {
      if (waiting) this.live -= 1;
      waiting = false;
    };
    this.live += 1;
    const timer = this.#real.after(delayMs, () => {
      ended();
      this.fired += 1;
      fn();
    });
    return {
      cancel: () => {
        ended();
        timer.cancel();
      },
    };
  }
}

/** Remembers everything a driver delivered. */
export class RecordingSink implements DriverSink {
  readonly delivered: Reading[] = [];
  readonly statuses: { readonly status: ConnectionStatus; readonly detail: string }[] = [];

  readings(batch: readonly Reading[]): void {
    this.delivered.push(...batch);
  }

  status(status: ConnectionStatus, detail: string): void {
    this.statuses.push({ status, detail });
  }

  of(ref: PointRef): Reading[] {
    return this.delivered.filter((reading) => reading.device === ref.device && reading.point === ref.point);
  }

  /** The state last reported. */
  get now(): { readonly status: ConnectionStatus; readonly detail: string } | undefined {
    return this.statuses.at(-1);
  }
}

/** A log that keeps its lines. */
export class RecordingLog {
  readonly lines: {
    readonly level: string;
    readonly fields: Readonly<Record<string, unknown>>;
    readonly message: string;
  }[] = [];
  readonly info = this.#at('info');
  readonly warn = this.#at('warn');
  readonly error = this.#at('error');

  #at(level: string) {
    return (fields: Readonly<Record<string, unknown>>, message: string): void => {
      this.lines.push({ level, fields, message });
    };
  }
}

/** What a driver is given in tests. Randomness stands still at the middle. */
export function testContext(world: World, clock: Clock = systemClock(), stateDir = '/nonexistent'): DriverContext {
  return { clock, random: { next: () => 0.5 }, log: new RecordingLog(), world, secret: () => null, stateDir };
}
