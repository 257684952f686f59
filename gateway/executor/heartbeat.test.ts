import type { PointValue } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { Projection, type Stop } from '../journal/projection.ts';
import { createHeartbeat } from './heartbeat.ts';

const STOP: Stop = { who: 'duty-engineer', reason: null, release: false, at: '' };

async function beating(first: PointValue) {
  const clock = new VirtualClock();
  const device = new FakeDevice();
  device.values.set('ahu-1/watchdog', first);
  const journal = {
    failure: null as Error | null,
    projection: new Projection(),
    append: () => ({ row: { seq: 1 } }) as never,
  };
  const said: string[] = [];
  const tell = (_: unknown, message: string) => void said.push(message);
  const stood = { ms: 0 };
  const heartbeat = createHeartbeat({
    heartbeat: { device: 'ahu-1', connection: 'ahu', point: 'watchdog', period_ms: 1_000 },
    driver: () => device,
    journal,
    real: 'live',
    ioClock: { wallMs: () => 0, monoMs: () => clock.monoMs() + stood.ms, after: (ms, fn) => clock.after(ms, fn) },
    log: { info: tell, warn: tell, error: tell },
  });
  heartbeat.start();
  onTestFinished(() => heartbeat.stop());
  return { clock, device, journal, said, stood, heartbeat, now: () => device.values.get('ahu-1/watchdog') };
}

describe('the heartbeat', () => {
  it.each([
    ['counts up', 7, [8, 9, 10]],
    ['begins again behind the largest value', 32_766, [32_767, 0, 1]],
    ['toggles a switch', false, [true, false, true]],
  ])('%s', async (_, first, values) => {
    const { clock, device } = await beating(first);
    await clock.advance(3_500);
    expect(device.writes.map(({ writes }) => writes)).toEqual(values.map((value) => [{ point: 'watchdog', value }]));
  });

  it('K6 stops while everything is stopped, and goes on after that', async () => {
    const { clock, device, journal, said, now } = await beating(0);
    await clock.advance(1_500);
    journal.projection.stops.set('site', STOP);
    await clock.advance(10_000);
    expect(now()).toBe(1);
    expect(said).toEqual(['alert: the heartbeat pauses: everything is stopped; ahu-1 will go back by itself']);
    journal.projection.stops.delete('site');
    await clock.advance(1_000);
    expect([now(), device.writes.length]).toEqual([2, 2]);
  });

  it('K6 stops when the journal failed', async () => {
    const { clock, journal, now } = await beating(0);
    await clock.advance(1_500);
    journal.failure = new Error('disk');
    await clock.advance(10_000);
    expect(now()).toBe(1);
  });

  it('K6 leaves out the beat after the process stood still for longer than two periods (row 82)', async () => {
    const { clock, said, stood, now } = await beating(0);
    await clock.advance(1_500);
    stood.ms = 30_000;
    await clock.advance(1_000);
    expect(now()).toBe(1);
    expect(said[0]).toContain('the process stood still');
    await clock.advance(1_000);
    expect(now()).toBe(2);
  });

  it('reads the register again after a beat that did not come through, and writes none that is not real', async () => {
    const { clock, device, now } = await beating(0);
    device.behaviours = ['unplugged', 'obey'];
    await clock.advance(1_500);
    device.values.set('ahu-1/watchdog', 40);
    await clock.advance(1_000);
    expect(now()).toBe(41);
    device.behaviours = ['unplugged'];
    await clock.advance(1_000);
    device.behaviours = ['obey'];
    device.provenance = 'simulated';
    await clock.advance(2_000);
    expect(now()).toBe(41);
  });

  it('leaves no timer behind', async () => {
    const { clock, heartbeat } = await beating(0);
    await clock.advance(1_500);
    await heartbeat.stop();
    expect(clock.waiting).toBe(0);
  });
});
