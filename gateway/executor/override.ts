/**
 * A hand on the device: seen twice, or said by the device itself, and then left alone (execution §2.12).
 *
 * K3 A value that a person set is not written over while it is left alone, not even to take a lease back.
 */
import { type Envelope, isoTime, type Reading, sleep } from '@fibric/sdk';
import type { HoldTerms, Origin, OverrideEntry } from '../journal/entries.ts';
import type { Hold, Lease } from '../journal/leases.ts';
import type { Before, BeforeSources } from './before.ts';
import type { ConcludeDeps } from './conclude.ts';
import type { Elapsed } from './elapsed.ts';
import type { Ending, Job } from './job.ts';
import type { Journal } from '../journal/journal.ts';
import { holdTerms, leasesOn } from './lease.ts';
import { standing } from './standing.ts';

export interface OverrideDeps extends BeforeSources, Pick<ConcludeDeps, 'ioClock' | 'stopping'> {
  readonly journal: Journal;
  readonly elapsed: Elapsed;
  /** Makes an envelope of the gateway's own and tells the site of it. */
  readonly announce: Announce;
}

/** `from`: whose doing it follows from; null when nobody's in particular. */
export type Announce = (
  eventType: string,
  payload: Envelope['payload'],
  from: Pick<Origin, 'correlation_id' | 'operator'> | null,
) => Envelope;

/** Site time that a hand on the device is still left alone; 0 or less when it is over, Infinity: until a person says so. */
export const holdLeftMs = ({ terms, since }: Hold, elapsed: Elapsed): number =>
  (terms.hold_ms ?? Number.POSITIVE_INFINITY) - elapsed.atLeast(since);

/** The journaled hold that stands in the way of the job, as an ending. */
export function heldBack({ journal, elapsed }: OverrideDeps, { action }: Job, nowMs: number): Ending | null {
  const hold = journal.projection.holds.rows.get(action.device);
  const leftMs = hold ? holdLeftMs(hold, elapsed) : 0;
  if (!hold || leftMs <= 0) return null;
  const set = hold.points.map(({ point, value }) => `${point} to ${String(value)}`).join(', ');
  const reason = `somebody set ${set} (seen ${hold.at}); left alone until ${Number.isFinite(leftMs) ? isoTime(nowMs + leftMs) : 'a person gives it back'}`;
  return { outcome: 'blocked', stage: 'authority', reason_code: 'manual_override', reason };
}

/** Journals that somebody took the device over. Durable when this resolves: only then may anything be concluded from it. */
export async function yieldTo(
  { journal, announce }: OverrideDeps,
  seen: OverrideEntry['seen'],
  at: { readonly job: Job; readonly lease: Lease | null; readonly hold: HoldTerms | null },
  readings: readonly Reading[],
): Promise<void> {
  const { job, lease, hold } = at;
  const ours = (point: string) => {
    const written = lease?.watch.find((watch) => watch.point === point)?.written;
    return lease?.ours.find((state) => state.point === written)?.value ?? null;
  };
  const { device, entity_key } = job.action;
  const points = readings.map(({ point, value }) => ({ point, value, ours: ours(point) }));
  const about = { device, entity_key, points, lease_id: lease?.lease_id ?? null, hold, seen };
  const refers_to = lease?.receipt_id ? [lease.receipt_id] : [];
  journal.append({ type: 'override/1', state: 'on', ...about, who: null, refers_to });
  await journal.durable();
  announce('device.overridden', about, job.origin);
}

/**
 * Looks a second time at a leased device that was seen where nobody of ours put it. True: it is in somebody's hand, and the lease
 * has yielded. Call it under the lane of the job only: then no write of ours is on its way.
 */
export async function confirmed(deps: OverrideDeps, job: Job, lease: Lease): Promise<boolean> {
  await sleep(deps.ioClock, job.resolution.tool.verify?.settle_ms ?? 0, deps.stopping);
  const now = await standing(deps, job, lease);
  if (now.kind !== 'theirs' && now.kind !== 'hand') return false;
  const seen = now.kind === 'hand' ? 'local_override' : 'readings';
  await yieldTo(deps, seen, { job, lease, hold: lease.hold }, now.readings);
  return true;
}

/** At the head of the lane, with the device freshly read: the ending of a job that would write over a hand. */
export async function overridden(deps: OverrideDeps, job: Job, before: Before): Promise<Ending | null> {
  // One under another name is looked at by that name.
  const leases = leasesOn(deps.journal.projection, job).filter(({ action }) => action.device === job.action.device);
  const blocked = (reason: string): Ending => ({
    outcome: 'blocked',
    stage: 'authority',
    reason_code: 'manual_override',
    reason,
    baseline: before.baseline,
  });
  if (before.readings.some(({ quality_reason }) => quality_reason === 'local_override')) {
    const hold = holdTerms(job);
    for (const lease of leases) await yieldTo(deps, 'local_override', { job, lease, hold }, before.readings);
    if (leases.length === 0 && hold) await yieldTo(deps, 'local_override', { job, lease: null, hold }, before.readings);
    return blocked(`${job.action.device} says that it is under local control`);
  }
  if (before.fault || job.origin.mode === 'shadow') return null;
  for (const lease of leases) {
    if ((await standing(deps, job, lease, before)).kind !== 'theirs') continue;
    if (!(await confirmed(deps, job, lease)) || lease.hold === null) continue;
    const since = lease.receipt_id ?? 'it was written';
    return blocked(`${job.action.device} was set by hand since ${since}; left alone for now`);
  }
  return null;
}
