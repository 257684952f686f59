/**
 * Failures that add up, and what is kept shut because of them, as it follows from the rows (execution §2.12 "breaker").
 */
import { LIMITS, type Outcome } from '@fibric/sdk';
import type { ReceiptEntry, Row } from './entries.ts';
import { type Mark, markOf } from './leases.ts';
import type { OpenAction, Projection } from './projection.ts';

/** What a breaker keeps shut; null: whatever it is. */
export interface BreakerScope {
  readonly capability: string | null;
  readonly entity_key: string | null;
  readonly connector: string | null;
}

export interface BreakerOpenEntry extends BreakerScope {
  readonly type: 'breaker/1';
  readonly state: 'open';
  readonly breaker_id: string;
  /** One sentence: what happened, and how often. */
  readonly reason: string;
  /** The receipts that it follows from. */
  readonly refers_to: readonly string[];
}

export interface BreakerClosedEntry {
  readonly type: 'breaker/1';
  readonly state: 'closed';
  readonly breaker_id: string;
  /** A named person, and why. */
  readonly who: string;
  readonly reason: string | null;
}

export interface Breaker extends BreakerScope {
  readonly breaker_id: string;
  readonly reason: string;
  readonly refers_to: readonly string[];
  readonly at: string;
}

/** One failure that counts. */
export interface Failure {
  readonly receipt_id: string;
  readonly at: Mark;
}

const WORKED: ReadonlySet<Outcome> = new Set(['applied', 'applied_unverified']);

/** Failures in a row of one capability on one entity, and those of one capability on one connection, are counted under these. */
export const entityTally = (capability: string, entityKey: string): string => `${capability} ${entityKey}`;
export const connectorTally = (capability: string, connector: string): string => `${capability} =${connector}`;

/**
 * A failure counts when something was intended and certainly came to nothing. Releases are tried for ever and do not count, nor does what
 * came to nothing because the process ended.
 */
export function failureRow(
  projection: Projection,
  { action, intent }: OpenAction,
  row: Row<ReceiptEntry>,
  receiptId: string,
): void {
  const { failures } = projection;
  const { capability, entity_key, connector } = action;
  const entity = entityTally(capability, entity_key);
  if (WORKED.has(row.outcome)) failures.delete(entity);
  if (row.outcome !== 'failed' || row.attempt === 0 || action.releases !== undefined) return;
  if (intent?.epoch !== row.epoch) return;
  const failure: Failure = { receipt_id: receiptId, at: markOf(row) };
  for (const [key, kept] of [
    [entity, LIMITS.breakerEntity],
    [connectorTally(capability, connector), LIMITS.breakerConnector],
  ] as const)
    failures.set(key, [...(failures.rows.get(key) ?? []), failure].slice(-kept));
}

export function breakerRow(projection: Projection, row: Row<BreakerOpenEntry | BreakerClosedEntry>): void {
  const { breakers, failures } = projection;
  if (row.state === 'closed') return breakers.delete(row.breaker_id);
  const { breaker_id, capability, entity_key, connector, reason, refers_to, at } = row;
  breakers.set(breaker_id, { breaker_id, capability, entity_key, connector, reason, refers_to, at });
  // Once it is closed again, they are counted from the start.
  if (capability === null) return;
  if (entity_key !== null) failures.delete(entityTally(capability, entity_key));
  if (connector !== null) failures.delete(connectorTally(capability, connector));
}
