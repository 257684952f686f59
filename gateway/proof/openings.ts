/** What opens the commitments of rows, as long as it was not erased: a table beside the rows, and the only one that is deleted from. */
import type Database from 'better-sqlite3';
import { canonicalOf } from '../journal/canonical.ts';
import type { Entry, Row } from '../journal/entries.ts';
import { commitment, COMMITTED, opened, type Opening } from './commitment.ts';

/** Reads what is stored for a row, by the name of the field. A journal that no gateway of this version has opened has none. */
export function openingsOf(db: Database.Database): (seq: number) => readonly Opening[] {
  if ((db.pragma('user_version', { simple: true }) as number) < 2) return () => [];
  const read = db.prepare<[number], { field: string; salt: Buffer; value: string }>(
    'SELECT field, salt, value FROM openings WHERE seq = ? ORDER BY field',
  );
  return (seq) => read.all(seq).map(({ field, salt, value }) => ({ field, salt, value: JSON.parse(value) as unknown }));
}

/** What is stored and does not open a commitment of its row: all of it, row by row. */
export function* openingFaults(db: Database.Database): Generator<string> {
  const stored = db.prepare(
    `SELECT o.seq AS seq, o.field AS field, o.salt AS salt, o.value AS value, e.body AS body
       FROM openings o LEFT JOIN entries e ON e.seq = o.seq ORDER BY o.seq`,
  );
  for (const one of stored.iterate() as IterableIterator<Joined>) {
    const committed = (JSON.parse(one.body ?? '{}') as Readonly<Record<string, unknown>>)[`${one.field}_c`];
    if (committed !== commitment(one.salt, canonicalOf(JSON.parse(one.value))))
      yield `${one.field} of row ${one.seq} is not what the row was committed to`;
  }
}

interface Joined {
  readonly seq: number;
  readonly field: string;
  readonly salt: Buffer;
  readonly value: string;
  readonly body: string | null;
}

export type ReadRow = <E extends Entry>(stored: { readonly seq: number; readonly body: string }) => Row<E>;

/** Parses stored rows with their commitments opened; what was erased is null. */
export function rowReader(db: Database.Database): ReadRow {
  const openings = openingsOf(db);
  return <E extends Entry>({ seq, body }: { readonly seq: number; readonly body: string }) => {
    const row = JSON.parse(body) as Row<E>;
    return row.type in COMMITTED ? (opened(row as never, openings(seq)) as Row<E>) : row;
  };
}
