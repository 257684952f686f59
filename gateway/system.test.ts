import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchDir } from '../test/support/scratch.ts';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import {
  clockSigns,
  environment,
  giveBackMemory,
  newBootId,
  parseTime,
  randomBytes,
  simulatedClock,
  systemClock,
  systemRandom,
} from './system.ts';

it('gives memory back that nobody needs any more', () => {
  let rubbish: unknown = Array.from({ length: 500_000 }, (_, n) => ({ n }));
  const before = process.memoryUsage().heapUsed;
  rubbish = null;
  giveBackMemory();
  expect(rubbish).toBeNull();
  expect(before - process.memoryUsage().heapUsed).toBeGreaterThan(8 * 1024 * 1024);
});

it('draws bytes that are never drawn twice, however many at once', () => {
  const drawn = [16, 16, 5_000, 16, 32].map((bytes) => randomBytes(bytes));
  expect(drawn.map(({ length }) => length)).toEqual([16, 16, 5_000, 16, 32]);
  const many = Array.from({ length: 2_000 }, () => randomBytes(16).toString('hex'));
  expect(new Set(many).size).toBe(2_000);
});

describe('the clock of an accelerated world', () => {
  const epoch = 1_000_000;

  it('stands at its epoch when it was started, and runs so many times as fast', async () => {
    const base = new VirtualClock(50_000);
    const site = simulatedClock({ world: 'w', speed: 60, epoch_ms: epoch, started_ms: 50_000 }, base);
    expect(site.wallMs()).toBe(epoch);
    await base.advance(1_000);
    expect(site.wallMs()).toBe(epoch + 60_000);
    expect(site.monoMs()).toBe(60_000);
  });

  it('waits in its own time', async () => {
    const base = new VirtualClock(0);
    const site = simulatedClock({ world: 'w', speed: 60, epoch_ms: epoch, started_ms: 0 }, base);
    let fired = 0;
    site.after(60_000, () => fired++);
    await base.advance(999);
    expect(fired).toBe(0);
    await base.advance(1);
    expect(fired).toBe(1);
  });
});

describe('the system clock', () => {
  it('S1 keeps no process alive with its timers', () => {
    const before = process.getActiveResourcesInfo().length;
    const timer = systemClock().after(1_000_000, () => undefined);
    expect(process.getActiveResourcesInfo()).toHaveLength(before);
    timer.cancel();
    timer.cancel();
  });

  it('S4 counts time that the machine slept as passed, for timers too (row 93)', async () => {
    const clock = systemClock();
    const before = clock.monoMs();
    const fired: string[] = [];
    const lease = new Promise<void>((resolve) => {
      const keepsAlive = setInterval(() => undefined, 1_000);
      clock.after(4 * 3_600_000, () => {
        clearInterval(keepsAlive);
        fired.push('lease');
        resolve();
      });
    });
    const later = clock.after(12 * 3_600_000, () => fired.push('later'));
    clock.slept(8 * 3_600_000);
    expect(clock.monoMs() - before).toBeGreaterThanOrEqual(8 * 3_600_000);
    await lease;
    expect(fired).toEqual(['lease']);
    later.cancel();
  });

  it('says what the machine knows of its clocks', () => {
    const { up_ms, has_rtc } = clockSigns();
    expect(typeof has_rtc).toBe('boolean');
    if (process.platform === 'linux') expect(up_ms).toBeGreaterThan(0);
  });

  it('does not fire a timer of forty days at once', async () => {
    const clock = systemClock();
    const fired: string[] = [];
    const far = clock.after(40 * 86_400_000, () => fired.push('far'));
    await new Promise<void>((resolve) => {
      const keepsAlive = setInterval(() => undefined, 1_000);
      clock.after(5, () => {
        clearInterval(keepsAlive);
        fired.push('near');
        resolve();
      });
    });
    far.cancel();
    expect(fired).toEqual(['near']);
  });

  it('S2 never goes back', () => {
    const clock = systemClock();
    const seen = Array.from({ length: 1_000 }, () => clock.monoMs());
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });
});

it('draws numbers in [0, 1) that do not repeat', () => {
  const random = systemRandom();
  const drawn = Array.from({ length: 5_000 }, () => random.next());
  expect(drawn.every((n) => n >= 0 && n < 1)).toBe(true);
  expect(new Set(drawn).size).toBe(drawn.length);
});

it('names every boot differently', () => {
  expect(newBootId()).not.toBe(newBootId());
});

it('reads RFC 3339 times and nothing else', () => {
  expect(parseTime('2026-01-05T06:00:00Z')).toBe(1_767_592_800_000);
  expect(parseTime('yesterday')).toBe(null);
});

describe('a secret slot', () => {
  it('S3 is read at each call: from the variable, else its file, else the credentials folder', () => {
    const dir = scratchDir();
    const named = join(dir, 'named');
    mkdirSync(join(dir, 'credentials'));
    writeFileSync(join(dir, 'credentials', 'KEY'), 'from systemd\n');
    const variables: Record<string, string | undefined> = { CREDENTIALS_DIRECTORY: join(dir, 'credentials') };
    const { secret } = environment(variables);
    expect(secret('KEY')).toBe('from systemd');
    writeFileSync(named, 'from a file\n');
    variables['KEY_FILE'] = named;
    expect(secret('KEY')).toBe('from a file');
    writeFileSync(named, 'rotated');
    expect(secret('KEY')).toBe('rotated');
    variables['KEY'] = 'direct';
    expect(secret('KEY')).toBe('direct');
  });

  it('is empty when there is no such variable, file or folder, or the file is no plain file of a sensible size', () => {
    const dir = scratchDir();
    const { secret } = environment({ A_FILE: join(dir, 'none'), B_FILE: dir, C_FILE: join(dir, 'huge') });
    writeFileSync(join(dir, 'huge'), 'x'.repeat(70_000));
    expect([secret('A'), secret('B'), secret('C'), secret('D')]).toEqual([null, null, null, null]);
  });
});
