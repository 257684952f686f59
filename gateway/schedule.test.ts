import type { Clock, Envelope } from '@fibric/sdk';
import { expect, it } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { createIds } from './ids.ts';
import { createSchedule, type Schedule } from './schedule.ts';

const identity = { tenant_id: 't', reseller_id: null, workspace_id: 'ws' };

function scheduleOn(clock: Clock): { readonly schedule: Schedule; readonly emitted: Envelope[] } {
  const emitted: Envelope[] = [];
  const ids = createIds(clock, { next: () => 0.5 });
  const schedule = createSchedule({ identity, clock, ids, emit: (envelope) => emitted.push(envelope) });
  return { schedule, emitted };
}

it('ticks as an envelope cron.tick from cron, once an interval, shared by all who asked for it', async () => {
  const clock = new VirtualClock(0);
  const { schedule, emitted } = scheduleOn(clock);
  const seen: Envelope[][] = [[], [], []];
  schedule.every(900_000, (tick) => seen[0]?.push(tick));
  schedule.every(900_000, (tick) => seen[1]?.push(tick));
  schedule.every(60_000, (tick) => seen[2]?.push(tick));
  schedule.start();
  await clock.advance(900_000);
  expect(seen.map((ticks) => ticks.length)).toEqual([1, 1, 15]);
  expect(seen[0]?.[0]).toBe(seen[1]?.[0]);
  expect(emitted).toHaveLength(16);
  expect(seen[0]?.[0]).toMatchObject({
    source: 'cron',
    event_type: 'cron.tick',
    workspace_id: 'ws',
    agent_id: null,
    payload: { every: '15m', at: '1970-01-01T00:15:00.000Z', skipped: 0 },
  });
});

it('C1 does not drift when ticks are handled late', async () => {
  const base = new VirtualClock(0);
  const late: Clock = { ...bound(base), after: (ms, fn) => base.after(ms + 7, fn) };
  const { schedule, emitted } = scheduleOn(late);
  schedule.every(1_000, () => undefined);
  schedule.start();
  await base.advance(100_500);
  expect(emitted).toHaveLength(100);
});

it('C2 skips what it missed, says how many, and keeps to its times', async () => {
  const base = new VirtualClock(0);
  let pauseMs = 0;
  const pausing: Clock = {
    ...bound(base),
    monoMs: () => base.monoMs() + pauseMs,
    wallMs: () => base.wallMs() + pauseMs,
  };
  const { schedule, emitted } = scheduleOn(pausing);
  schedule.every(1_000, () => undefined);
  schedule.start();
  await base.advance(1_000);
  pauseMs = 5_400;
  await base.advance(1_000);
  await base.advance(600);
  expect(emitted.map((tick) => tick.payload['skipped'])).toEqual([0, 5, 0]);
});

it('is silent after it was stopped, also by one of its own ticks', async () => {
  const clock = new VirtualClock(0);
  const { schedule, emitted } = scheduleOn(clock);
  schedule.every(1_000, () => schedule.stop());
  schedule.start();
  await clock.advance(10_000);
  expect(emitted).toHaveLength(1);
  expect(clock.waiting).toBe(0);
});

function bound(clock: VirtualClock): Clock {
  return { wallMs: () => clock.wallMs(), monoMs: () => clock.monoMs(), after: (ms, fn) => clock.after(ms, fn) };
}
