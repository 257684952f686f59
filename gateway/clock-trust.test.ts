import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { scratchDir } from '../test/support/scratch.ts';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { type ClockSigns, type ClockWatch, watchClock } from './clock-trust.ts';
import type { ClockEntry } from './journal/entries.ts';

const NOW = Date.parse('2026-07-01T08:00:00Z');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

interface Box {
  readonly watch: ClockWatch;
  readonly dir: string;
  readonly events: ClockEntry[];
  readonly told: string[];
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  jump(ms: number): void;
  sleep(ms: number): void;
  sync(): void;
  readonly state: string;
}

/** A machine with a wall clock that can be set, and a monotonic one that stands still while it sleeps. */
function box(options: { wall?: number; rtc?: boolean; dir?: string; synced?: boolean } = {}): Box {
  const { wall = NOW, rtc = false, dir = scratchDir() } = options;
  const base = new VirtualClock(wall);
  const off = { wall: 0, asleep: 0, noticed: 0 };
  const clock: Clock = {
    wallMs: () => base.wallMs() + off.wall,
    monoMs: () => base.monoMs() + off.noticed,
    after: (ms, fn) => base.after(ms, fn),
  };
  let synced_ms: number | null = options.synced ? wall : null;
  const signs = (): ClockSigns => ({ synced_ms, has_rtc: rtc, up_ms: base.monoMs() + off.asleep });
  const events: ClockEntry[] = [];
  const told: string[] = [];
  const warn = (_: unknown, message: string): void => void told.push(message);
  const watch = watchClock({
    dataDir: dir,
    clock,
    signs,
    slept: (ms) => void (off.noticed += ms),
    log: { info: warn, warn, error: warn },
    onEvent: (entry) => events.push(entry),
    alert: (words) => void told.push(`alert: ${words}`),
  });
  watch.start();
  return {
    watch,
    dir,
    events,
    told,
    pass: (ms) => base.advance(ms),
    jump: (ms) => void (off.wall += ms),
    sleep(ms) {
      off.asleep += ms;
      off.wall += ms;
    },
    sync: () => void (synced_ms = clock.wallMs()),
    get state() {
      return watch.trust().state;
    },
  };
}

describe('trust in the clock', () => {
  it.each([
    ['synchronised', { synced: true }, 'trusted', 1_000],
    ['a clock of its own', { rtc: true }, 'holdover', 1_000],
    ['neither', {}, 'untrusted', null],
    ['a clock of its own that shows 1970 (row 91)', { rtc: true, wall: 3_600_000 }, 'untrusted', null],
  ] as const)('T1 with %s', (_, options, state, uncertainty_ms) => {
    const { watch } = box(options);
    expect(watch.trust()).toEqual({ state, uncertainty_ms });
  });

  it('T1 wears off: a day after the last synchronisation it is holdover, after 69 days nothing', async () => {
    const one = box({ synced: true });
    await one.pass(DAY - 5_000);
    expect(one.state).toBe('trusted');
    await one.pass(10_000);
    expect(one.watch.trust()).toEqual({ state: 'holdover', uncertainty_ms: 5_320 });
    one.sync();
    await one.pass(1_000);
    expect(one.state).toBe('trusted');
    expect(one.events.map(({ event, state }) => `${event} ${state}`)).toEqual(['state holdover', 'state trusted']);
  });

  it('T1 a clock that shows less than it did is not trusted, until it is synchronised', async () => {
    const first = box({ synced: true });
    await first.pass(HOUR);
    first.watch.stop();
    const second = box({ dir: first.dir, rtc: true, wall: NOW });
    expect([second.state, second.told[0]]).toEqual([
      'untrusted',
      expect.stringContaining('the clock shows 2026-07-01T08:00:00.000Z, this box has seen 2026-07-01T09:00:00.000Z'),
    ]);
    second.sync();
    await second.pass(1_000);
    expect(second.state).toBe('trusted');
  });

  it('T1 remembers the time every minute, but not one that it does not believe', async () => {
    const one = box({ synced: true });
    const saved = (): string => readFileSync(join(one.dir, 'clock'), 'utf8').trim();
    await one.pass(61_000);
    expect(saved()).toBe('2026-07-01T08:01:00.000Z');
    one.jump(10 * YEAR);
    await one.pass(120_000);
    one.watch.stop();
    expect([one.state, saved()]).toEqual(['untrusted', '2026-07-01T08:01:00.000Z']);
  });

  it('T1 a file that cannot be read is no memory', () => {
    const dir = scratchDir();
    writeFileSync(join(dir, 'clock'), 'half past');
    expect(box({ dir, rtc: true }).state).toBe('holdover');
  });

  it.each([
    ['ten years', 10 * YEAR],
    ['minus one hour', -HOUR],
    ['three seconds', 3_000],
  ])('T2 a jump of %s is journaled, and not believed unless somebody synchronised (row 92)', async (_, by) => {
    const one = box({ rtc: true });
    one.jump(by);
    await one.pass(1_000);
    expect(one.events).toMatchObject([{ type: 'clock/1', event: 'jump', by_ms: by, state: 'untrusted' }]);
    const other = box({ rtc: true });
    other.jump(by);
    other.sync();
    await other.pass(1_000);
    expect(other.events).toMatchObject([{ event: 'jump', by_ms: by, state: 'trusted' }]);
  });

  it('T2 a step every minute is a row every minute (row 92)', async () => {
    const one = box({ synced: true });
    for (let minute = 0; minute < 5; minute++) {
      one.jump(minute % 2 ? 5_000 : -5_000);
      await one.pass(60_000);
    }
    expect(one.events.filter(({ event }) => event === 'jump').map(({ by_ms }) => by_ms)).toEqual([
      -5_000, 5_000, -5_000, 5_000, -5_000,
    ]);
  });

  it('T2 drift is no jump', async () => {
    const one = box({ synced: true });
    for (let second = 0; second < 60; second++) {
      one.jump(500);
      await one.pass(1_000);
    }
    expect(one.events).toEqual([]);
  });

  it('T3 sleep is no jump: it has passed, also on the monotonic clock (row 93)', async () => {
    const one = box({ synced: true });
    await one.pass(1_000);
    one.sleep(8 * HOUR);
    one.watch.look();
    expect(one.events).toMatchObject([{ event: 'suspend', by_ms: 8 * HOUR, state: 'trusted' }]);
    expect(one.watch.trust().uncertainty_ms).toBeGreaterThan(2_000);
    await one.pass(10_000);
    expect(one.events).toHaveLength(1);
  });
});
