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
    /** Some points at the one and some at the other; `ours` are those that are still as they were written. */
    | 'partly'
    /** At neither. */
    | 'theirs'
    /** The device itself says that somebody has taken it over. */
    | 'hand'
    | 'unreadable';
  readonly ours: readonly PointState[];
  /** The written points, freshly read. */
  readonly before: Before;
  /** The points that tell. */
  readonly readings: readonly Reading[];
  /** Why it is unreadable. */
  readonly fault: Before['fault'];
}

/** What `readings` say of a lease that goes back to `back`. */
function said(
  job: Job,
  lease: Lease,
  readings: readonly Reading[],
  goesTo: readonly PointState[],
): Pick<Standing, 'kind' | 'ours'> {
  const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
  const at =
    (wanted: readonly PointState[]) =>
    ({ point, value }: Reading): boolean => {
      const written = lease.watch.find((watch) => watch.point === point)?.written;
      const there = wanted.find((state) => state.point === written);
      return there !== undefined && equals(value, there.value, tolerance);
    };
  const [ours, first, last] = [at(lease.ours), at(lease.baseline), at(goesTo)];
  const still = lease.watch.filter(({ point }) => readings.some((reading) => reading.point === point && ours(reading)));
  const as = (kind: Standing['kind']) => ({
    kind,
    ours: lease.ours.filter(({ point }) => still.some(({ written }) => written === point)),
  });
  if (readings.some(({ quality_reason }) => quality_reason === 'local_override')) return as('hand');
  if (readings.every(ours)) return as('ours');
  const back = (reading: Reading): boolean => first(reading) || last(reading);
  if (readings.every(back)) return as('back');
  return as(readings.every((reading) => ours(reading) || back(reading)) ? 'partly' : 'theirs');
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
  return { ...(fault ? { kind: 'unreadable', ours: [] } : said(job, lease, readings, back)), before, readings, fault };
}
