/**
 * The keys that were consumed for ever, in the segments of the journal that are full: found again for as long as it lives (G-K-6).
 * Each segment has its keys in order, so that taking them in scatters nothing, and a filter, so that few segments are looked at.
 */
import { hash } from 'node:crypto';
import type Database from 'better-sqlite3';
import { idAt, seqOf } from './entries.ts';
import { filterOf, KeyFilters } from './key-filter.ts';
import type { ConsumedKey } from './projection.ts';

export type KeyMap = Map<string, Omit<ConsumedKey, 'key'>>;

interface Segment {
  readonly segment: number;
  readonly last_seq: number;
  readonly filter: Buffer;
}

/** Half a SHA-256 is plenty against accidents, and a third of the space of a key. */
export const shortKey = (key: string): string => hash('sha256', key, 'hex').slice(0, 32);

function prepare(db: Database.Database) {
  return {
    segments: db.prepare<[], Segment>('SELECT segment, last_seq, filter FROM segments ORDER BY segment'),
    addSegment: db.prepare('INSERT INTO segments VALUES (?, ?, ?)'),
    // One statement for thousands of keys takes two thirds of the time of one for each, all of which the loop waits for.
    addKeys: db.prepare(
      `INSERT OR REPLACE INTO sealed_keys
         SELECT ?, unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?) ORDER BY value ->> 0`,
    ),
    findKey: db.prepare<[number, string], { receipt_seq: number; short_fingerprint: string }>(
      'SELECT receipt_seq, short_fingerprint FROM sealed_keys WHERE segment = ? AND key = unhex(?)',
    ),
  };
}

export class SealedKeys {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #filters = new KeyFilters();
  readonly #store: (segment: number, keys: KeyMap, lastSeq: number) => Buffer;
  #last: Omit<Segment, 'filter'> = { segment: 0, last_seq: 0 };

  constructor(db: Database.Database) {
    this.#sql = prepare(db);
    for (const segment of this.#sql.segments.iterate()) this.#admit(segment);
    this.#store = db.transaction((segment: number, keys: KeyMap, lastSeq: number) => {
      const rows = [...keys].map(([key, { receipt_id, short_fingerprint }]) => {
        return [shortKey(key), seqOfReceipt(receipt_id), short_fingerprint] as const;
      });
      this.#sql.addKeys.run(segment, JSON.stringify(rows));
      const filter = filterOf(rows.map(([key]) => key));
      this.#sql.addSegment.run(segment, lastSeq, filter);
      return filter;
    });
  }

  /** The last row of the last full segment. */
  get sealedTo(): number {
    return this.#last.last_seq;
  }

  find(key: string): Omit<ConsumedKey, 'key'> | null {
    const short = shortKey(key);
    for (const segment of this.#filters.mayHold(short)) {
      const found = this.#sql.findKey.get(segment, short);
      if (found) return { short_fingerprint: found.short_fingerprint, receipt_id: idAt('rc', found.receipt_seq) };
    }
    return null;
  }

  /** Takes in the keys of a segment that ends at row `last_seq`, in one transaction. */
  seal(keys: KeyMap, last_seq: number): void {
    const segment = this.#last.segment + 1;
    // In memory only once it is stored: a transaction that was rolled back may be tried again.
    this.#admit({ segment, last_seq, filter: this.#store(segment, keys, last_seq) });
  }

  #admit({ segment, last_seq, filter }: Segment): void {
    this.#filters.add(segment, filter);
    this.#last = { segment, last_seq };
  }
}

function seqOfReceipt(receiptId: string): number {
  const seq = seqOf('rc', receiptId);
  if (seq === null) throw new Error(`not a receipt id: ${receiptId}`);
  return seq;
}
