/**
 * Points that were written and not read since. What was read before the write says nothing of them any more: to another action's
 * interlocks and pairs they are uncertain until the device is heard of again (execution §2.12, "evidence").
 */
import type { Clock, Outcome } from '@fibric/sdk';
import { movedBy } from '../bindings.ts';
import type { Job } from './job.ts';

export interface Unseen {
  /** An action has ended; after some endings nobody has read what it left behind. */
  ended(job: Pick<Job, 'resolution'>, outcome: Outcome): void;
  /** Whether a reading of that age, of a point as `entity/point`, is from before the write. */
  isOutdated(ref: string, ageMs: number): boolean;
}

const UNREAD: ReadonlySet<Outcome> = new Set(['applied_unverified', 'unknown']);

/** `clock`: the site's, by which readings age. */
export function createUnseen(clock: Clock): Unseen {
  const writtenMs = new Map<string, number>();
  return {
    ended({ resolution: { device, tool } }, outcome) {
      if (!UNREAD.has(outcome)) return;
      for (const point of movedBy(tool))
        writtenMs.set(`${device.entity.kind}:${device.entity.id}/${point}`, clock.monoMs());
    },
    isOutdated(ref, ageMs) {
      const written = writtenMs.get(ref);
      return written !== undefined && clock.monoMs() - ageMs < written;
    },
  };
}
