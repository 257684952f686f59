/**
 * Is a value believable? Implausible values are marked, never dropped and never replaced.
 *
 * P1 Outside the range: bad, whatever came before.
 * P2 A jump is bad until as many samples in a row as the profile asks for agree on the new level; when the last believed value
 *    is past its time, there is nothing to jump from and the first sample is the new level.
 * P3 Unchanged to the last bit for too long: bad.
 */
import type { PointValue, QualityReason } from '@fibric/sdk';
import type { Point } from '../config/site.ts';

/** What the spike rule remembers of one point. */
export interface SpikeMemory {
  /** The last believed value and when it arrived; null before the first one. */
  level: number | null;
  levelMs: number;
  /** The last sample of a jump that is not believed yet, and how many in a row agreed. */
  candidate: number;
  agreed: number;
}

export function emptyMemory(): SpikeMemory {
  return { level: null, levelMs: 0, candidate: 0, agreed: 0 };
}

/** Why `value`, arriving at `nowMs` and the same since `sinceMs`, is not to be believed; null when it is. */
export function implausible(
  point: Pick<Point, 'plausibility' | 'stale_ms'>,
  memory: SpikeMemory,
  value: PointValue,
  nowMs: number,
  sinceMs: number,
): QualityReason | null {
  const { spike, stuck_ms } = point.plausibility;
  if (isOutside(point, value)) return 'out_of_range';
  if (typeof value === 'number' && spike !== null) {
    if (nowMs - memory.levelMs > point.stale_ms) memory.level = null;
    if (isSpike(spike, memory, value, nowMs)) return 'spike';
  }
  return stuck_ms !== null && nowMs - sinceMs >= stuck_ms ? 'stuck' : null;
}

export function isOutside({ plausibility: { range } }: Pick<Point, 'plausibility'>, value: PointValue): boolean {
  return typeof value === 'number' && range !== null && (value < range.min || value > range.max);
}

function isSpike(
  rule: { readonly delta: number; readonly confirm: number },
  memory: SpikeMemory,
  value: number,
  nowMs: number,
): boolean {
  if (memory.level !== null && Math.abs(value - memory.level) > rule.delta) {
    const agrees = memory.agreed > 0 && Math.abs(value - memory.candidate) <= rule.delta;
    memory.agreed = agrees ? memory.agreed + 1 : 1;
    memory.candidate = value;
    if (memory.agreed < rule.confirm) return true;
  }
  memory.level = value;
  memory.levelMs = nowMs;
  memory.agreed = 0;
  return false;
}
