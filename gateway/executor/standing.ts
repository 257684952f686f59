/** Where a leased device stands: still at what was written, back where it belongs, or in somebody else's hand. */
import type { PointState, Reading } from '@fibric/sdk';
import type { Lease } from '../journal/leases.ts';
import { type Before, type BeforeSources, faultOf, readBefore, readNow } from './before.ts';
import type { Job } from './job.ts';
import { fallbackOf } from './lease.ts';
import { equals } from './verify.ts';

export interface Standing {
  readonly kind: /** At what was written last; also when the device cannot be asked by its nature. */
    | 'ours'
    /** At the baseline, or where the lease goes back to. */
    | 'back'
    /** Some points at the one and some at the other. */
    | 'partly'
    /** At neither. */
    | 'theirs'
    /** The device itself says that somebody has taken it over. */
    | 'hand'
    | 'unreadable';
  /** The written points, freshly read. */
  readonly before: Before;
  /** The points that tell. */
  readonly readings: readonly Reading[];
  /** Why it is unreadable. */
  readonly fault: Before['fault'];
}

/** What `readings` say of a lease that goes back to `back`. */
function kindOf(job: Job, lease: Lease, readings: readonly Reading[], back: readonly PointState[]): Standing['kind'] {
  if (readings.some(({ quality_reason }) => quality_reason === 'local_override')) return 'hand';
  const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
  const at =
    (wanted: readonly PointState[]) =>
    ({ point, value }: Reading): boolean => {
      const written = lease.watch.find((watch) => watch.point === point)?.written;
      const there = wanted.find((state) => state.point === written);
      return there !== undefined && equals(value, there.value, tolerance);
    };
  const [ours, first, last] = [at(lease.ours), at(lease.baseline), at(back)];
  if (readings.every(ours)) return 'ours';
  if (readings.every(first) || readings.every(last)) return 'back';
  return readings.every((reading) => ours(reading) || first(reading) || last(reading)) ? 'partly' : 'theirs';
}

/** Reads the device and says. `known`: what was read under this hold of the lane already. */
export async function standing(
  sources: BeforeSources,
  job: Job,
  lease: Lease,
  known: Before | null = null,
  back: readonly PointState[] = fallbackOf(lease, lease.ours),
): Promise<Standing> {
  const before = known ?? (await readBefore(sources, job));
  const { points } = job.resolution.device;
  const names = lease.watch
    .map(({ point }) => point)
    .filter((name) => points.find((one) => one.name === name)?.access !== 'write');
  const read = before.readings.filter(({ point }) => names.includes(point));
  const missing = names.filter((name) => !read.some(({ point }) => point === name));
  const readings = missing.length === 0 ? read : [...read, ...(await readNow(sources, job.resolution, missing))];
  const fault = before.fault ?? faultOf(readings, sources.real);
  return { kind: fault ? 'unreadable' : kindOf(job, lease, readings, back), before, readings, fault };
}
