import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { scratchDir } from '../test/support/scratch.ts';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { waitFor } from '../test/support/wait.ts';
import { createSpaceGuard, type Space, spaceOf } from './space.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

interface Bench {
  space: Space;
  wal: number;
  /** Ends when telemetry has given up everything. */
  telemetry: number;
  readonly told: string[];
}

function open(free: number, total = GIB, dir = scratchDir()) {
  const bench: Bench = { space: { free_bytes: free, total_bytes: total }, wal: 0, telemetry: 64 * MIB, told: [] };
  const tell = (_: unknown, message: string): void => void bench.told.push(message);
  const clock = new VirtualClock();
  const guard = createSpaceGuard({
    dir,
    clock,
    log: { info: tell, warn: tell, error: tell },
    alert: (words) => void bench.told.push(`alert: ${words}`),
    spaceOf: () => bench.space,
    shrink(bytes) {
      const gone = Math.min(bytes, bench.telemetry);
      bench.telemetry -= gone;
      return gone;
    },
    walBytes: () => bench.wal,
    ballastBytes: 2 * MIB,
  });
  onTestFinished(() => guard.stop());
  guard.start();
  const ballast = join(dir, 'ballast');
  return { bench, guard, clock, ballast, made: () => waitFor('the reserve', () => existsSync(ballast)) };
}

describe('disk space', () => {
  it('F1 makes telemetry give way below 15 %, a little at a time, and tells it once', async () => {
    const { bench, guard, clock } = open(0.14 * GIB);
    await clock.advance(3 * LIMITS.spaceCheckMs);
    expect(bench.telemetry).toBe(64 * MIB - 4 * LIMITS.spaceShrinkBytes);
    expect(bench.told).toEqual(['alert: disk: 143 MiB of 1024 MiB are free; the oldest telemetry goes']);
    expect(guard.refusal()).toBeNull();
    bench.space = { free_bytes: 0.5 * GIB, total_bytes: GIB };
    await clock.advance(LIMITS.spaceCheckMs);
    const left = bench.telemetry;
    await clock.advance(3 * LIMITS.spaceCheckMs);
    expect([bench.telemetry, bench.told.length]).toEqual([left, 2]);
  });

  it('F4 tells once of a write-ahead log that a reader keeps from being emptied, and when it is again (row 102)', async () => {
    const { bench, clock } = open(0.5 * GIB);
    bench.wal = LIMITS.walStuckBytes;
    await clock.advance(3 * LIMITS.spaceCheckMs);
    bench.wal = 0;
    await clock.advance(3 * LIMITS.spaceCheckMs);
    expect(bench.told).toEqual([
      "alert: the journal's write-ahead log has grown to 256 MiB: another program reads journal.db and does not come to an end; end that program (nothing is lost)",
      "the journal's write-ahead log is emptied again",
    ]);
  });

  it('F2 holds room that it found for a tenth of a second, and no longer', async () => {
    const { bench, clock, guard } = open(5 * GIB);
    expect(guard.refusal()).toBeNull();
    bench.space = { free_bytes: MIB, total_bytes: 10 * GIB };
    await clock.advance(100);
    expect(guard.refusal()).toMatch(/MiB are free$/);
  });

  it.each([
    ['5 %', 0.049 * 10 * GIB, 10 * GIB],
    ['64 MiB', 63 * MIB, GIB / 4],
  ])('F2 admits no new plan below %s, and again as soon as there is more', (_, free, total) => {
    const { bench, guard } = open(free, total);
    expect(guard.refusal()).toMatch(/MiB are free$/);
    bench.space = { free_bytes: total / 2, total_bytes: total };
    expect(guard.refusal()).toBeNull();
  });

  it('F3 gives its reserve up once, admits nothing meanwhile, and makes it again when there is room', async () => {
    const { bench, guard, clock, ballast, made } = open(0.5 * GIB);
    await made();
    expect(statSync(ballast).size).toBe(2 * MIB);
    bench.space = { free_bytes: 0, total_bytes: GIB };
    expect(guard.release()).toBe(true);
    expect(existsSync(ballast)).toBe(false);
    expect(guard.release()).toBe(false);
    bench.space = { free_bytes: 0.5 * GIB, total_bytes: GIB };
    expect(guard.refusal()).toContain('the reserve was given up');
    await clock.advance(LIMITS.spaceCheckMs);
    await made();
    await waitFor('admission', () => guard.refusal() === null);
  });

  it('F3 admits nothing where no reserve can be made: no inodes, a quota, a file system that is read-only (row 96)', async () => {
    const { guard } = open(0.5 * GIB, GIB, '/proc/self');
    await waitFor('the refusal', () => guard.refusal() !== null);
    expect(guard.refusal()).toMatch(/^no reserve can be made on the disk: E/);
  });

  it('reads what the file system of a folder has', () => {
    const { free_bytes, total_bytes } = spaceOf(scratchDir());
    expect(free_bytes).toBeGreaterThan(0);
    expect(total_bytes).toBeGreaterThanOrEqual(free_bytes);
  });
});
