/** A person says what became of an action that nobody could tell the fate of (execution §2.6, 5). */
import { FibricError, type Log } from '@fibric/sdk';
import type { CorrectionEntry } from '../journal/corrections.ts';
import type { Row } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalReader } from '../journal/types.ts';

export interface Correction {
  readonly receipt_id: string;
  /** It took effect. If not, its key is free again. */
  readonly applied: boolean;
  readonly who: string;
  readonly reason: string;
}

export interface CorrectDeps {
  readonly journal: Journal;
  readonly reader: Pick<JournalReader, 'receipt'>;
  readonly log: Log;
}

/** Null: there is no such receipt. Throws `conflict` for one that ended otherwise, or was corrected before. */
export async function correct(deps: CorrectDeps, correction: Correction): Promise<Row<CorrectionEntry> | null> {
  const { journal, reader, log } = deps;
  const { receipt_id, applied, who, reason } = correction;
  const open = journal.projection.unknowns.rows.get(receipt_id);
  if (!open) {
    const receipt = reader.receipt(receipt_id);
    if (!receipt) return null;
    if (receipt.outcome === 'unknown') throw new FibricError('conflict', `${receipt_id} has been corrected already`);
    throw new FibricError('conflict', `${receipt_id} is ${receipt.outcome}: only what nobody can tell is corrected`);
  }
  const conclusion = applied ? 'confirmed_applied' : 'confirmed_not_applied';
  const said = { conclusion, who, method: 'local_token', reason } as const;
  const { row } = journal.append({ type: 'correction/1', receipt_id, ...open, ...said });
  await journal.durable();
  log.warn({ receipt_id, conclusion, who }, `${who} has corrected ${receipt_id}: ${conclusion}`);
  return row;
}
