/** What keys need to know of what was, from the journal and from the devices' present state. */
import type { Clock, PointValue } from '@fibric/sdk';
import type { Journal } from '../journal/journal.ts';
import type { Points, PointStatus } from '../kernel.ts';
import type { Elapsed } from './elapsed.ts';
import type { KeyMemory } from './keys.ts';
import { equals } from './verify.ts';

export interface KeySources {
  readonly journal: Journal;
  readonly points: Points;
  readonly clock: Clock;
}

export function keyMemory({ journal, points, clock }: KeySources, elapsed: Elapsed): KeyMemory {
  return {
    episode: (intentKey) => journal.projection.episodes.rows.get(intentKey) ?? null,
    consumed: (key) => journal.consumed(key),
    movedMs({ device, effective }) {
      const moved = effective.flatMap(({ point, value }) => movedTo(points.get(device, point), value));
      // Nothing is known before it was first read: that is when it was moved, at the latest.
      return moved.length === 0 ? null : Math.min(...moved.map((status) => clock.monoMs() - status.changed_mono_ms));
    },
    agoMs: (mark) => elapsed.atLeast(mark),
  };
}

/** A good reading that differs from what we left the point at: somebody else has been there. */
function movedTo(now: PointStatus | null, left: PointValue): readonly PointStatus[] {
  return now !== null && now.quality === 'good' && !equals(now.value, left, 0) ? [now] : [];
}
