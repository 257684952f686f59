/** What is there before a write: read fresh from the device, so that the decision and the baseline are about the present. */
import { badReading, type Driver, type PointState, type Provenance, type Reading } from '@fibric/sdk';
import type { Journal } from '../journal/journal.ts';
import type { Points } from '../kernel.ts';
import type { Job } from './job.ts';
import { equals } from './verify.ts';

export interface BeforeSources {
  readonly journal: Journal;
  readonly real: Provenance;
  readonly driver: (connection: string) => Driver;
  readonly points: Points;
}

export interface Before {
  readonly baseline: readonly PointState[];
  readonly readings: readonly Reading[];
  readonly current: Reading | undefined;
  /** Why the device cannot be written to now: not of this world, or not readable. */
  readonly fault: {
    readonly outcome: 'blocked' | 'failed';
    readonly reason_code: string;
    readonly reason: string;
  } | null;
}

export function faultOf(readings: readonly Reading[], real: Provenance): Before['fault'] {
  const other = readings.find((r) => r.quality !== 'bad' && r.provenance !== real);
  if (other) {
    const reason = `${other.device}/${other.point} is ${other.provenance}; only ${real} devices are written to in this site`;
    return { outcome: 'blocked', reason_code: 'not_live', reason };
  }
  const bad = readings.find((r) => r.quality !== 'good');
  if (!bad) return null;
  const why = bad.quality_reason ? `${bad.quality} (${bad.quality_reason})` : bad.quality;
  return {
    outcome: 'failed',
    reason_code: 'device_unreadable',
    reason: `nothing was sent: ${bad.device}/${bad.point} reads ${why}`,
  };
}

/** The last reading: all that a shadow may look at, and all there is of a device that speaks by itself. */
function lastReading(sources: BeforeSources, device: string, point: string): Reading {
  const known = sources.points.get(device, point);
  return known ?? badReading({ device, point }, 'stale', sources.real);
}

/** The points of a device, fresh from it; `known`, or a device that speaks by itself: as they were last heard of. */
export async function readNow(
  sources: BeforeSources,
  { device, connection, tool }: Job['resolution'],
  names: readonly string[],
  known = false,
): Promise<readonly Reading[]> {
  const refs = names.map((point) => ({ device: device.id, point }));
  return known || connection.driver.unsolicited
    ? refs.map((ref) => lastReading(sources, ref.device, ref.point))
    : sources.journal.gather(sources.driver(connection.id).read(refs, tool.timeout_ms));
}

/** Reads what is about to be written, and the proof counter, fresh from the device. */
export async function readBefore(sources: BeforeSources, job: Job): Promise<Before> {
  const { tool, device } = job.resolution;
  const readable = tool.writes
    .map(({ point }) => point)
    .filter((name) => device.points.find((p) => p.name === name)?.access !== 'write');
  const names = tool.proof ? [...readable, tool.proof.point] : readable;
  if (names.length === 0) return { baseline: [], readings: [], current: undefined, fault: null };
  const { unsolicited = false } = job.resolution.connection.driver;
  const readings = await readNow(sources, job.resolution, names, job.origin.mode === 'shadow');
  const current = readings.find((r) => r.point === job.action.target[0]?.point);
  const baseline = readings.map(({ point, value, quality }) => ({ point, value: quality === 'good' ? value : null }));
  const fault = faultOf(readings, sources.real);
  // A device that has not spoken yet may still be spoken to; one of another world may not.
  return { baseline, readings, current, fault: unsolicited && fault?.outcome === 'failed' ? null : fault };
}

/** The device already is where the action wants it. */
export function isThere(job: Job, before: Before): boolean {
  const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
  return job.action.target.every(({ point, value }) =>
    before.baseline.some((state) => state.point === point && equals(state.value, value, tolerance)),
  );
}

/** Somebody else has been at the device between two attempts: a point that was known reads otherwise now. */
export function wasMoved(job: Job, first: Before, now: Before): boolean {
  const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
  return now.baseline.some(({ point, value }) => {
    const before = first.baseline.find((state) => state.point === point)?.value ?? null;
    return before !== null && value !== null && !equals(value, before, tolerance);
  });
}
