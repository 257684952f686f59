/**
 * What is to be known of a lease without touching a device: when it ends, whose it is, where it goes back to.
 *
 * K2 The way back is journaled before the first write of an excursion, and not learnt again while it lasts.
 */
import type { LeaseState, Outcome, PointState, PointValue, ReceiptLease } from '@fibric/sdk';
import { type Action, idAt, type HoldTerms, type LeaseGrant, type RefusedAction } from '../journal/entries.ts';
import { type Lease, leavesOurs, RELEASED } from '../journal/leases.ts';
import type { Projection } from '../journal/projection.ts';
import { leadingPoint, PERSON } from '../config/site.ts';
import type { Before } from './before.ts';
import type { Elapsed } from './elapsed.ts';
import type { Ending, Job } from './job.ts';

const sharesOutput = (lease: Lease, physicalPoints: readonly string[]): boolean =>
  lease.physical_points.some((point) => physicalPoints.includes(point));

/** The leases on what the job writes, under whatever names; the one that it takes back is not among them. */
export function leasesOn(
  { leases }: Pick<Projection, 'leases'>,
  { action, resolution }: Pick<Job, 'action' | 'resolution'>,
): readonly Lease[] {
  return [...leases.rows.values()].filter(
    (lease) => action.releases !== lease.lease_id && sharesOutput(lease, resolution.tool.physical_points),
  );
}

/** The lease that the job's own wish has already; null when there is none. */
export const leaseOfWish = (projection: Projection, job: Job): Lease | null =>
  leasesOn(projection, job).find(({ action }) => action.intent_key === job.action.intent_key) ?? null;

/** Site time until it ends; 0 or less when it has, also when nobody can tell (G-CL-5). Infinity: it does not end by itself. */
export function remainingMs(lease: Lease, elapsed: Elapsed): number {
  const { ttl_ms, max_hold_ms } = lease;
  if (ttl_ms === null) return Number.POSITIVE_INFINITY;
  const sinceRenewed = elapsed.since(lease.renewed);
  const sinceGranted = elapsed.since(lease.granted);
  if (sinceRenewed === null || sinceGranted === null) return 0;
  return Math.min(ttl_ms - sinceRenewed, (max_hold_ms ?? Number.POSITIVE_INFINITY) - sinceGranted);
}

/** How a job's rules want a hand to be left alone; null when they do not look out for one. */
export function holdTerms({ terms: { override } }: Job): HoldTerms | null {
  if (override === null) return null;
  const hold_ms = override.release_by.includes('timer') ? override.hold : null;
  return { hold_ms, by_person: override.release_by.includes('operator') };
}

/**
 * What the intent of a job is granted; null when its rules ask for no lease. `seq`: the place of that intent in the journal. `ttl_ms`
 * is null for a rule that only looks out for a hand: such a lease has no end of its own, and nothing is taken back.
 */
export function grantOf(
  projection: Projection,
  job: Job,
  before: Before,
  seq: number,
  ttl_ms: number | null,
): LeaseGrant | null {
  const { terms, action, resolution } = job;
  const hold = holdTerms(job);
  if ((terms.lease === null && hold === null) || action.effect_class !== 'absolute_set') return null;
  const { tool } = resolution;
  return {
    lease_id: leaseOfWish(projection, job)?.lease_id ?? idAt('ls', seq),
    ttl_ms,
    max_hold_ms: terms.lease?.max_hold ?? null,
    fallback: terms.lease?.fallback ?? 'baseline',
    leading: leadingPoint(tool),
    hold,
    baseline: wayBack(leasesOn(projection, job), job, before),
    watch: tool.verify?.read ?? tool.writes.map(({ point }) => ({ point, written: point })),
    physical_points: tool.physical_points,
  };
}

/**
 * Where each point was before any lease: what a lease found, else what is there now. Nobody knows of an output that is leased under
 * another name: what that lease found is in the terms of that name.
 */
function wayBack(leases: readonly Lease[], { action, resolution }: Job, before: Before): readonly PointState[] {
  return action.target.map(({ point }, i) => {
    const output = resolution.tool.physical_points[i] ?? '';
    const lease = leases.find(({ physical_points }) => physical_points.includes(output));
    if (lease && lease.action.device !== action.device) return { point, value: null };
    return { point, value: valueAt(lease?.baseline ?? before.baseline, point) };
  });
}

const valueAt = (states: readonly PointState[], point: string): PointValue =>
  states.find((state) => state.point === point)?.value ?? null;

/** A lease that could not be taken back is not granted (P9). */
export function ungrantable(projection: Projection, job: Job, before: Before): Ending | null {
  const { terms, action } = job;
  if (terms.lease === null) return null;
  const grant = grantOf(projection, job, before, 0, terms.lease.ttl);
  const unknown = grant && fallbackOf(grant, action.target).find(({ value }) => value === null);
  if (!unknown) return null;
  const reason = `what ${action.device}/${unknown.point} was before is not known, so there is no way back`;
  return { outcome: 'blocked', stage: 'lease', reason_code: 'no_baseline', reason };
}

/**
 * Where a lease goes back to. Relinquishing needs a device with a priority array; others go to the baseline. A value is that of the
 * leading point, the others go to the baseline.
 */
export function fallbackOf(
  { fallback, leading, baseline }: Pick<LeaseGrant, 'fallback' | 'leading' | 'baseline'>,
  ours: readonly PointState[],
): readonly PointState[] {
  return ours.map(({ point }) => {
    const given = point === leading && typeof fallback === 'object';
    return { point, value: given ? fallback.value : valueAt(baseline, point) };
  });
}

/** With an interlock tripped a release may only go towards the baseline, never beyond what is there now. */
export function awayFromTrip(lease: Lease, towards: readonly PointState[]): readonly PointState[] {
  return towards.map(({ point, value }) => {
    const from = valueAt(lease.ours, point);
    const to = valueAt(lease.baseline, point);
    const between =
      typeof value === 'number' && typeof from === 'number' && typeof to === 'number'
        ? value >= Math.min(from, to) && value <= Math.max(from, to)
        : value === to;
    return { point, value: between ? value : to };
  });
}

export function leaseWord(
  lease: Pick<LeaseGrant, 'lease_id' | 'ttl_ms' | 'fallback'>,
  state: LeaseState,
): ReceiptLease {
  const { lease_id, ttl_ms, fallback } = lease;
  return { id: lease_id, ttl_s: ttl_ms === null ? null : ttl_ms / 1_000, fallback, state };
}

/** What an ending means for leases, before it is journaled: which ones it changes, and what the receipt says of its own. */
export interface LeaseEffect {
  readonly changed: readonly string[];
  readonly said: Pick<Ending, 'lease' | 'refers_to'>;
}

export function leaseEffect(projection: Projection, action: Action | RefusedAction, ending: Ending): LeaseEffect {
  if (ending.lease) return { changed: [ending.lease.id], said: {} };
  if (!('device' in action)) return { changed: [], said: {} };
  if (action.releases !== undefined) {
    const lease = projection.leases.rows.get(action.releases);
    const said = lease ? { lease: leaseWord(lease, releaseState(ending.outcome)), refers_to: receiptsOf([lease]) } : {};
    return { changed: [action.releases], said };
  }
  const grant = projection.open.rows.get(action.action_id)?.intent?.lease ?? null;
  if (grant === null || !leavesOurs(ending)) return { changed: [], said: {} };
  const others = [...projection.leases.rows.values()].filter(
    (lease) => lease.lease_id !== grant.lease_id && sharesOutput(lease, grant.physical_points),
  );
  const word = grant.ttl_ms === null ? {} : { lease: leaseWord(grant, 'active') };
  // The winner names whose lease it has taken over.
  const over = others.length === 0 ? {} : { refers_to: receiptsOf(others) };
  return { changed: [grant, ...others].map(({ lease_id }) => lease_id), said: { ...word, ...over } };
}

/** The receipts that opened or moved them, as far as this journal has them. */
export const receiptsOf = (leases: readonly Lease[]): readonly string[] =>
  leases.flatMap(({ receipt_id }) => receipt_id ?? []);

function releaseState(outcome: Outcome): LeaseState {
  if (RELEASED.has(outcome)) return 'released';
  return outcome === 'superseded_externally' ? 'yielded' : 'release_failed';
}

/** Why a lease on what a job writes stands in its way, or null when none does. */
export function leaseRefusal(projection: Projection, elapsed: Elapsed, job: Job): Ending | null {
  for (const lease of leasesOn(projection, job)) {
    const refusal = refusedFor(lease, elapsed, job);
    if (refusal !== null) return refusal;
  }
  return null;
}

function refusedFor(lease: Lease, elapsed: Elapsed, job: Job): Ending | null {
  if (lease.ttl_ms === null) return null;
  const { lease_id, origin } = lease;
  if (remainingMs(lease, elapsed) <= 0) {
    const reason = `the lease ${lease_id} has ended; the device is taken back to where it was first`;
    return { outcome: 'blocked', stage: 'lease', reason_code: 'release_pending', reason };
  }
  // What a person wants goes before what an operator wants; not what an operator wants and a person has said yes to.
  if (origin.operator_uid === job.origin.operator_uid || job.origin.operator === PERSON) return null;
  // Whose leases give way, and when, is that rule's to say.
  if (job.terms.authority !== null) return null;
  const reason = `${origin.operator} holds ${lease.action.device} by the lease ${lease_id}`;
  return { outcome: 'blocked', stage: 'authority', reason_code: 'leased', reason };
}
