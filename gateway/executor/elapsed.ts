/**
 * How long ago something journaled was. Within one boot the monotonic clock says; across boots only the wall clock is left, and it is
 * believed only as long as it has not gone back (G-CL-5).
 */
import type { Clock } from '@fibric/sdk';
import type { Mark } from '../journal/leases.ts';

export interface Elapsed {
  /** Milliseconds of the site's time since `mark`; null when they cannot be told. */
  since(mark: Mark): number | null;
  /** The same, but never more than can be proved: since the start of this process when nothing else is certain. */
  atLeast(mark: Mark): number;
}

/** `resumedMs`: wall time of the last row of the boot before. Call once, at the start: the wall is read now and not again. */
export function createElapsed(clock: Clock, bootId: string, resumedMs: number | null): Elapsed {
  const startWallMs = clock.wallMs();
  const startMonoMs = clock.monoMs();
  const wentBack = resumedMs !== null && startWallMs < resumedMs;

  function since(mark: Mark): number | null {
    if (mark.boot_id === bootId) return Math.max(0, clock.monoMs() - mark.mono_ms);
    const asleep = startWallMs - mark.wall_ms;
    return wentBack || asleep < 0 ? null : asleep + clock.monoMs() - startMonoMs;
  }
  return { since, atLeast: (mark) => since(mark) ?? clock.monoMs() - startMonoMs };
}
