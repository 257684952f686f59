/**
 * What a person found out about an action whose outcome nobody could tell, as it follows from the rows (execution §2.6, 5): a row of its
 * own that refers to the receipt, once. The receipt stays as it is.
 */
import type { Action, ReceiptEntry, Row } from './entries.ts';
import type { Projection } from './projection.ts';

export interface CorrectionEntry {
  readonly type: 'correction/1';
  readonly receipt_id: string;
  readonly action_id: string;
  readonly idempotency_key: string;
  /** The second alone frees the key. */
  readonly conclusion: 'confirmed_applied' | 'confirmed_not_applied';
  /** A named person, how they were known, and what they go by. */
  readonly who: string;
  readonly method: 'local_token';
  readonly reason: string;
}

/** An action whose outcome nobody could tell, and which nobody has corrected. */
export interface Unknown {
  readonly action_id: string;
  readonly idempotency_key: string;
}

export function unknownRow({ unknowns }: Projection, action: Action, row: Row<ReceiptEntry>, receiptId: string): void {
  const { action_id, idempotency_key } = action;
  if (row.outcome === 'unknown') unknowns.set(receiptId, { action_id, idempotency_key });
}

/** The intent of a key that is an episode's; null for one that is remembered for ever. */
const intentOfEpisode = (key: string): string | null => /^(.+)@ep=\d+#\d+$/.exec(key)?.[1] ?? null;

/** What waited for the answer goes on; what did not happen may be asked for again, under the same key. */
export function correctionRow(projection: Projection, row: Row<CorrectionEntry>): void {
  const { unknowns, breakers, episodes, freed } = projection;
  const { receipt_id, idempotency_key, conclusion } = row;
  unknowns.delete(receipt_id);
  for (const { breaker_id, refers_to } of breakers.rows.values())
    if (refers_to.includes(receipt_id)) breakers.delete(breaker_id);
  if (conclusion === 'confirmed_applied') return;
  const intentKey = intentOfEpisode(idempotency_key);
  if (intentKey === null) return freed.set(idempotency_key, receipt_id);
  const episode = episodes.rows.get(intentKey);
  if (episode?.consumed?.receipt_id === receipt_id) episodes.set(intentKey, { ...episode, consumed: null });
}
