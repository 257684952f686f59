/**
 * `every` triggers: ticks as envelopes, on the site's clock.
 *
 * C1 The n-th tick is due n intervals after the start, however late the ones before it were handled.
 * C2 After a pause the missed ticks are skipped and counted, never caught up with.
 */
import {
  type Clock,
  type Envelope,
  formatDuration,
  type Identity,
  isoTime,
  makeEnvelope,
  type Timer,
} from '@fibric/sdk';
import type { Ids } from './ids.ts';

export interface ScheduleOptions {
  readonly identity: Identity;
  /** Site time. */
  readonly clock: Clock;
  readonly ids: Ids;
  /** Records a tick, and routes it like any other envelope. */
  readonly emit: (envelope: Envelope) => void;
}

export interface Schedule {
  /** Before `start`: calls `handler` with a `cron.tick` every so often. Those who ask for the same interval share the tick. */
  every(intervalMs: number, handler: (tick: Envelope) => void): void;
  start(): void;
  stop(): void;
}

export function createSchedule(options: ScheduleOptions): Schedule {
  const { clock, identity, ids, emit } = options;
  const handlers = new Map<number, ((tick: Envelope) => void)[]>();
  const timers = new Map<number, Timer>();

  function arm(intervalMs: number, startedMs: number, n: number): void {
    const dueMs = startedMs + n * intervalMs;
    timers.set(
      intervalMs,
      clock.after(dueMs - clock.monoMs(), () => {
        const due = Math.max(n, Math.floor((clock.monoMs() - startedMs) / intervalMs));
        arm(intervalMs, startedMs, due + 1);
        tick(intervalMs, due - n);
      }),
    );
  }

  function tick(intervalMs: number, skipped: number): void {
    const envelope = makeEnvelope(identity, {
      event_id: ids.uuid(),
      source: 'cron',
      event_type: 'cron.tick',
      payload: { every: formatDuration(intervalMs), at: isoTime(clock.wallMs()), skipped },
    });
    emit(envelope);
    for (const handler of handlers.get(intervalMs) ?? []) handler(envelope);
  }

  return {
    every(intervalMs, handler) {
      if (!(intervalMs > 0)) throw new Error(`not an interval: ${intervalMs} ms`);
      handlers.set(intervalMs, [...(handlers.get(intervalMs) ?? []), handler]);
    },
    start() {
      for (const intervalMs of handlers.keys()) arm(intervalMs, clock.monoMs(), 1);
    },
    stop() {
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
    },
  };
}
