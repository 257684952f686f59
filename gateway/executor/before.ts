/**
 * What is there before a write: read fresh from the device, so that the decision and the baseline are about the present.
 *
 * W1 A device that says it is another one than the site file means is not written to (rows 64, 71).
 * W2 What cannot be what is there is no ground to write on: words in the wrong order, a scale that is off (row 65).
 */
import { badReading, type Clock, type Driver, type PointState, type Provenance, type Reading } from '@fibric/sdk';
import type { Journal } from '../journal/journal.ts';
import type { Points } from '../kernel.ts';
import { isOutside } from '../observe/plausible.ts';
import { type DeviceTool, leadingPoint } from '../config/site.ts';
import type { Job } from './job.ts';
import { equals } from './verify.ts';

export interface BeforeSources {
  readonly journal: Journal;
  readonly real: Provenance;
  readonly driver: (connection: string) => Driver;
  readonly points: Points;
  /** Real time. */
  readonly ioClock: Clock;
}

export interface Before {
  /** When the device was asked, on both clocks: what it said then may be long past when a process that stood still reads it. */
  readonly asked: { readonly mono: number; readonly wall: number };
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

/** Why what was read shows that this is not the device, or not the register, that is meant; null when nothing does. */
function strangeness(
  { device, connection }: Job['resolution'],
  readings: readonly Reading[],
  written: readonly string[],
): Before['fault'] {
  const blocked = (reason_code: string, reason: string): Before['fault'] => ({
    outcome: 'blocked',
    reason_code,
    reason,
  });
  for (const { point, value } of device.identity) {
    const said = readings.find((reading) => reading.point === point);
    if (said?.quality === 'good' && equals(said.value, value, 0)) continue;
    // What cannot be read at all is a fault of its own; a device that speaks by itself has to have said who it is.
    if (said?.quality !== 'good' && !connection.driver.unsolicited) continue;
    const says = said?.quality === 'good' ? `says ${String(said.value)}` : 'has not said who it is';
    const reason = `${device.id}/${point} ${says}, and ${String(value)} is meant: another device, or registers that moved; nothing is written to it until that is right`;
    return blocked('identity_mismatch', reason);
  }
  const outside = readings.find(({ point, value, quality }) => {
    const known = device.points.find(({ name }) => name === point);
    return quality === 'good' && written.includes(point) && known !== undefined && isOutside(known, value);
  });
  if (outside === undefined) return null;
  const reason = `${device.id}/${outside.point} reads ${String(outside.value)}, which is outside the range of its profile: check its type, word order, scale and address before anything is written there`;
  return blocked('implausible_current', reason);
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

/** Points that show what was written elsewhere: a fan's feedback, a valve's position. */
const statusPoints = ({ writes, verify }: DeviceTool): readonly string[] =>
  (verify?.read ?? []).map(({ point }) => point).filter((name) => writes.every(({ point }) => point !== name));

/** Reads what is about to be written, what shows it, and the proof counter, fresh from the device. */
export async function readBefore(sources: BeforeSources, job: Job): Promise<Before> {
  const { tool, device, connection } = job.resolution;
  const readable = tool.writes
    .map(({ point }) => point)
    .filter((name) => device.points.find((p) => p.name === name)?.access !== 'write');
  const statuses = statusPoints(tool);
  const known = [...readable, ...(tool.proof ? [tool.proof.point] : []), ...statuses];
  const names = [...new Set([...known, ...device.identity.map(({ point }) => point)])];
  const asked = { mono: sources.ioClock.monoMs(), wall: sources.ioClock.wallMs() };
  if (names.length === 0) return { asked, baseline: [], readings: [], current: undefined, fault: null };
  const read = await readNow(sources, job.resolution, names, job.origin.mode === 'shadow');
  const readings = read.filter(({ point }) => known.includes(point));
  const current = readings.find(({ point }) => point === leadingPoint(tool));
  const baseline = readings.map(({ point, value, quality }) => ({ point, value: quality === 'good' ? value : null }));
  // A status that cannot be read is no reason not to write: it is missed when the write is read back.
  const fault = faultOf(
    read.filter(({ point }) => !statuses.includes(point)),
    sources.real,
  );
  // A device that has not spoken yet may still be spoken to; one of another world may not.
  const lasting = connection.driver.unsolicited && fault?.outcome === 'failed' ? null : fault;
  return { asked, baseline, readings, current, fault: lasting ?? strangeness(job.resolution, read, readable) };
}

/** The device already is where the action wants it. */
export const isThere = (job: Job, before: Before): boolean =>
  job.action.target.every((wanted) => reads(job, before, wanted));

/** A point that is written, and what shows it, read this. */
export function reads({ resolution }: Pick<Job, 'resolution'>, { baseline }: Before, wanted: PointState): boolean {
  const { verify } = resolution.tool;
  const shown = verify?.read.filter(({ written }) => written === wanted.point) ?? [];
  return [wanted, ...shown].every(({ point: name }) =>
    baseline.some(({ point, value }) => point === name && equals(value, wanted.value, verify?.tolerance ?? 0)),
  );
}

/**
 * Somebody else has been at the device between two attempts: a point reads neither what it did before the first, nor what was sent. A
 * status follows in its own time.
 */
export function wasMoved(job: Job, first: Before, now: Before): boolean {
  const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
  const statuses = statusPoints(job.resolution.tool);
  return now.baseline.some(({ point, value }) => {
    if (statuses.includes(point)) return false;
    const before = first.baseline.find((state) => state.point === point)?.value ?? null;
    const sent = job.action.target.find((state) => state.point === point)?.value ?? null;
    if (before === null || value === null) return false;
    return !equals(value, before, tolerance) && !equals(value, sent, tolerance);
  });
}
