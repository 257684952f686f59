/**
 * Leases and holds as they follow from the rows: a write under a lease opens or moves it, `renewed` keeps it, a release ends it,
 * and a hand on the device makes it yield (execution §2.12).
 */
import type { LeaseFallback, Outcome, PointState } from '@fibric/sdk';
import type { Action, HoldTerms, LeaseGrant, Origin, OverrideEntry, ReceiptEntry, Row } from './entries.ts';
import type { OpenAction, Projection } from './projection.ts';

/** A moment that a duration is measured from: by the monotonic clock within one boot, across boots by the wall's. */
export interface Mark {
  readonly wall_ms: number;
  readonly mono_ms: number;
  readonly boot_id: string;
}

/** A write that is to be taken back. */
export interface Lease extends LeaseGrant {
  readonly origin: Origin;
  /** The action that wrote last. */
  readonly action: Action;
  readonly rule: string | null;
  /** What it left the written points at. */
  readonly ours: readonly PointState[];
  readonly granted: Mark;
  readonly renewed: Mark;
  /** The receipt of that write; null: it stands in a journal that is lost. */
  readonly receipt_id: string | null;
}

/** A value set by hand that is left alone. */
export interface Hold {
  readonly device: string;
  readonly entity_key: string;
  readonly points: OverrideEntry['points'];
  readonly since: Mark;
  readonly at: string;
  readonly terms: HoldTerms;
  readonly lease_id: string | null;
  readonly fallback: LeaseFallback | null;
  readonly operator: string | null;
  readonly capability: string | null;
}

/** After these, the device may be where the action sent it. */
const WRITTEN: ReadonlySet<Outcome> = new Set(['applied', 'applied_unverified', 'unknown']);
/** After these, a release has brought it back. */
export const RELEASED: ReadonlySet<Outcome> = new Set(['applied', 'applied_unverified', 'noop']);

export const markOf = (row: Row): Mark => ({
  wall_ms: Date.parse(row.at),
  mono_ms: row.clock.mono_ms,
  boot_id: row.clock.boot_id,
});

/** What was written stands on the device now, or may: also a value that the device made its own. */
export const leavesOurs = ({ outcome, reason_code }: Pick<ReceiptEntry, 'outcome' | 'reason_code'>): boolean =>
  WRITTEN.has(outcome) || (outcome === 'failed' && reason_code === 'device_altered');

/** The effect of one receipt. `open`: the action that it ends. */
export function leaseReceipt(
  projection: Projection,
  open: OpenAction,
  row: Row<ReceiptEntry>,
  receiptId: string,
): void {
  const { action, intent } = open;
  if (action.releases !== undefined) return releaseReceipt(projection, action.releases, row);
  const { leases } = projection;
  if (row.outcome === 'renewed') {
    const lease = row.lease && leases.rows.get(row.lease.id);
    const ttl_ms = row.lease?.ttl_s == null ? null : Math.round(row.lease.ttl_s * 1_000);
    if (lease) leases.set(lease.lease_id, { ...lease, ttl_ms, renewed: markOf(row) });
    return;
  }
  const grant = intent?.lease ?? null;
  if (row.outcome === 'superseded_externally') {
    for (const lease of overlapping(projection, action, grant)) yieldLease(projection, lease, row);
    if (grant?.hold) holdOf(projection, row, { ...grant, ...open, hold: grant.hold });
    return;
  }
  if (!leavesOurs(row)) return;
  const before = overlapping(projection, action, grant);
  for (const lease of before) takeOver(projection, lease, action, grant);
  if (!grant) return;
  const same = before.find((lease) => lease.lease_id === grant.lease_id);
  const mark = markOf(row);
  leases.set(grant.lease_id, {
    ...grant,
    origin: open.origin,
    action,
    rule: intent?.rule ?? null,
    ours: oursOf(grant, row),
    granted: same?.granted ?? mark,
    renewed: mark,
    receipt_id: receiptId,
  });
}

/** The written points as they are: as sent, unless the device took another value. */
function oursOf(grant: LeaseGrant, row: ReceiptEntry): readonly PointState[] {
  if (row.outcome !== 'failed') return row.target;
  return row.target.map(({ point, value }) => {
    const watched = grant.watch.find(({ written }) => written === point)?.point;
    return { point, value: row.readback.find((read) => read.point === watched)?.value ?? value };
  });
}

/** The leases on what an action writes. */
export function overlapping(projection: Projection, action: Action, grant: LeaseGrant | null): readonly Lease[] {
  const shares = (lease: Lease): boolean =>
    (lease.action.device === action.device &&
      lease.action.target.some(({ point }) => action.target.some((target) => target.point === point))) ||
    lease.physical_points.some((point) => grant?.physical_points.includes(point));
  return [...projection.leases.rows.values()].filter(shares);
}

/** A lease keeps, and takes back at its time, what an action has left of it; what was written over is its no longer. */
export function takeOver(
  { leases }: Projection,
  lease: Lease,
  { device, target }: Action,
  grant: LeaseGrant | null,
): void {
  const rest = asFarAs(lease, ({ point }, output) => {
    const here = lease.action.device === device && target.some((written) => written.point === point);
    return !here && grant?.physical_points.includes(output) !== true;
  });
  if (rest.ours.length === 0 || lease.lease_id === grant?.lease_id) leases.delete(lease.lease_id);
  else leases.set(lease.lease_id, rest);
}

/** The part of a lease that `holds` is true of, by what was written and the output behind it. */
export function asFarAs(lease: Lease, holds: (written: PointState, output: string) => boolean): Lease {
  const kept = lease.ours.map((written, i) => holds(written, lease.physical_points[i] ?? ''));
  const ours = lease.ours.filter((_, i) => kept[i]);
  return {
    ...lease,
    ours,
    watch: lease.watch.filter(({ written }) => ours.some(({ point }) => point === written)),
    physical_points: lease.physical_points.filter((_, i) => kept[i]),
  };
}

function releaseReceipt(projection: Projection, leaseId: string, row: Row<ReceiptEntry>): void {
  const lease = projection.leases.rows.get(leaseId);
  if (!lease) return;
  if (RELEASED.has(row.outcome)) yieldLease(projection, lease, row);
  if (row.outcome !== 'superseded_externally') return;
  yieldLease(projection, lease, row);
  if (lease.hold) holdOf(projection, row, { ...lease, hold: lease.hold });
}

/** A lease and its episode end. */
function yieldLease(projection: Projection, lease: Lease, row: Row): void {
  const { intent_key, occurrence } = lease.action;
  projection.leases.delete(lease.lease_id);
  const episode = projection.episodes.rows.get(intent_key);
  if (episode && occurrence === `ep=${episode.n}`)
    projection.episodes.set(intent_key, { ...episode, closed: markOf(row) });
}

interface Held extends Pick<Lease, 'lease_id' | 'fallback' | 'origin' | 'action'> {
  readonly hold: HoldTerms;
}

/** Left alone because a settlement found the device neither where it was nor where it was sent. */
function holdOf(projection: Projection, row: Row<ReceiptEntry>, held: Held): void {
  const { lease_id, fallback, hold, origin, action } = held;
  const { device, entity_key, capability } = action;
  const ours = new Map(action.target.map(({ point, value }) => [point, value]));
  const seen: readonly PointState[] = row.readback.length > 0 ? row.readback : row.effective;
  const points = seen.map(({ point, value }) => ({ point, value, ours: ours.get(point) ?? null }));
  const about = { device, entity_key, capability, operator: origin.operator, lease_id, fallback };
  projection.holds.set(device, { ...about, points, since: markOf(row), at: row.at, terms: hold });
}

/** A hand on the device was seen: its lease yields, and the value is left alone where a rule asks for that. */
export function closeYielded(projection: Projection, row: Row<OverrideEntry>): void {
  const { device, entity_key, points, hold, lease_id } = row;
  const lease = lease_id === null ? undefined : projection.leases.rows.get(lease_id);
  if (lease) yieldLease(projection, lease, row);
  if (row.state === 'off') projection.holds.delete(device);
  if (row.state === 'off' || hold === null) return;
  projection.holds.set(device, {
    device,
    entity_key,
    points,
    since: markOf(row),
    at: row.at,
    terms: hold,
    lease_id,
    fallback: lease?.fallback ?? null,
    operator: lease?.origin.operator ?? null,
    capability: lease?.action.capability ?? null,
  });
}
