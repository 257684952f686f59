/** Leases as the API and the command line show them. */
import { isoTime, type LeaseFallback, type PointState } from '@fibric/sdk';
import type { Hold, Lease } from '../journal/leases.ts';
import type { Projection } from '../journal/projection.ts';
import type { Elapsed } from './elapsed.ts';
import { fallbackOf, remainingMs } from './lease.ts';
import { holdLeftMs } from './override.ts';

export interface LeaseView {
  readonly object: 'lease';
  readonly id: string;
  /** `yielded`: a value set by hand is left alone until `ends_at`. */
  readonly state: 'active' | 'releasing' | 'release_failed' | 'yielded';
  readonly operator: string | null;
  readonly capability: string | null;
  readonly entity_key: string;
  readonly device: string;
  /** What stands on the device: written by us, or set by hand. */
  readonly points: readonly PointState[];
  /** What it goes back to; null for a value set by hand. */
  readonly goes_to: readonly PointState[] | null;
  readonly fallback: LeaseFallback | null;
  readonly ttl_s: number | null;
  /** The receipt of the write. */
  readonly receipt_id: string | null;
  /** Site time, RFC 3339 UTC; null: not by itself. */
  readonly ends_at: string | null;
  /** Why it has not been taken back yet. */
  readonly problem: string | null;
}

interface EndingWords {
  readonly problem: string | null;
}

/** Every lease, and every hold on a value set by hand, in the order of their entities. */
export function leaseViews(
  projection: Projection,
  elapsed: Elapsed,
  nowMs: number,
  ending: (leaseId: string) => EndingWords | null,
): readonly LeaseView[] {
  const leases = [...projection.leases.rows.values()].map((lease) =>
    leaseView(lease, elapsed, nowMs, ending(lease.lease_id)),
  );
  const holds = [...projection.holds.rows.values()]
    .filter((hold) => holdLeftMs(hold, elapsed) > 0)
    .map((hold) => holdView(hold, nowMs + holdLeftMs(hold, elapsed)));
  return [...leases, ...holds].toSorted((a, b) => (a.entity_key < b.entity_key ? -1 : 1));
}

function leaseView(lease: Lease, elapsed: Elapsed, nowMs: number, ending: EndingWords | null): LeaseView {
  const { lease_id, action, origin, ours, fallback, ttl_ms, receipt_id } = lease;
  const leftMs = remainingMs(lease, elapsed);
  const state = ending === null ? 'active' : ending.problem === null ? 'releasing' : 'release_failed';
  return {
    object: 'lease',
    id: lease_id,
    state,
    operator: origin.operator,
    capability: action.capability,
    entity_key: action.entity_key,
    device: action.device,
    points: ours,
    goes_to: fallbackOf(lease, ours),
    fallback,
    ttl_s: ttl_ms === null ? null : ttl_ms / 1_000,
    receipt_id,
    ends_at: Number.isFinite(leftMs) ? isoTime(nowMs + leftMs) : null,
    problem: ending?.problem ?? null,
  };
}

function holdView(hold: Hold, endsMs: number): LeaseView {
  const { device, entity_key, points, lease_id, operator, capability } = hold;
  return {
    object: 'lease',
    id: lease_id ?? device,
    state: 'yielded',
    operator,
    capability,
    entity_key,
    device,
    points: points.map(({ point, value }) => ({ point, value })),
    goes_to: null,
    fallback: null,
    ttl_s: null,
    receipt_id: null,
    ends_at: Number.isFinite(endsMs) ? isoTime(endsMs) : null,
    problem: null,
  };
}
