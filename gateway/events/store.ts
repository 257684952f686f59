/**
 * The rows of the event log in SQLite: one a block, and what is missing between them.
 *
 * V1 A block is on the disk whole or not at all, and is there once its insert has returned (WAL, `synchronous=FULL`).
 * V2 The rows together stay below a bound; the oldest go first and leave a gap record.
 * V3 What is given up for want of space goes back to the file system, a little at a time.
 */
import { join } from 'node:path';
import { FibricError, messageOf } from '@fibric/sdk';
import Database from 'better-sqlite3';
import type { BlockRow } from './block.ts';

/** Cursors from `first_seq` to `last_seq` that lead to nothing, and why. */
export interface Gap {
  readonly first_seq: number;
  readonly last_seq: number;
  /** `trimmed` to keep the bound; `dropped` because the disk was too slow or failed; `crash`: perhaps never given out. */
  readonly reason: 'trimmed' | 'dropped' | 'crash';
}

export const EVENTS_FILE = 'events.db';
const VERSION = 1;
/** What a row costs beside its body: its other columns, its entry in the index, its share of a page. */
const ROW_OVERHEAD = 250;
/** What a log keeps however little space there is: enough to see what happened last. */
const SHRUNK_BYTES = 1024 * 1024;

const SCHEMA = `
create table blocks (
  last_seq integer primary key,
  first_seq integer not null,
  at_first_ms integer not null,
  at_last_ms integer not null,
  id_min_ms integer,
  id_max_ms integer,
  types text not null,
  body blob not null
) strict;
create index blocks_by_id on blocks (id_max_ms, id_min_ms);
create table gaps (first_seq integer primary key, last_seq integer not null, reason text not null) strict;
create table closing (one integer primary key check (one = 1), clean integer not null) strict;
insert into closing values (1, 1);
pragma user_version = ${VERSION};
`;

/** Whatever goes wrong while the log of `dir` is opened, as one sentence that names the file. */
export function opening<T>(dir: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const file = join(dir, EVENTS_FILE);
    throw new FibricError('journal_failed', `the event log ${file} cannot be opened: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export function openDatabase(dir: string, options: { readonly readonly: boolean }): Database.Database {
  const db = new Database(join(dir, EVENTS_FILE), { readonly: options.readonly, fileMustExist: options.readonly });
  try {
    if (!options.readonly) prepareToWrite(db);
    const version = db.pragma('user_version', { simple: true });
    if (version !== VERSION)
      throw new Error(`it has format ${String(version)}, and this program reads format ${VERSION}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareToWrite(db: Database.Database): void {
  // Takes effect in an empty file only, before anything else is written to it (V3).
  db.pragma('auto_vacuum = INCREMENTAL');
  db.pragma('synchronous = FULL');
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  // SQLite answers with the old mode, and raises nothing, when it could not switch.
  if (mode !== 'wal') throw new Error(`its journal mode is '${String(mode)}', not 'wal'`);
  const synchronous = db.pragma('synchronous', { simple: true });
  if (synchronous !== 2) throw new Error(`its synchronous mode is ${String(synchronous)}, not 2 (FULL)`);
  if (db.pragma('user_version', { simple: true }) !== 0) return;
  db.transaction(() => db.exec(SCHEMA)).exclusive();
}

/** What a writer does with the rows. */
export interface BlockStore {
  /** The highest cursor that was ever on the disk, and whether the last writer closed in order. */
  readonly lastSeq: number;
  readonly wasClean: boolean;
  /** Adds a row, in place of those from `replacesFrom` on if given, with the gaps since the last insert (V1, V2). */
  insert(row: BlockRow, gaps: readonly Gap[], replacesFrom: number | null): void;
  addGap(gap: Gap): void;
  setClean(whole: boolean): void;
  bytes(): number;
  /** Gives up the oldest rows, about `bytes` of them, but never the newest. Returns what it gave up (V3). */
  shrink(bytes: number): number;
}

function prepare(db: Database.Database) {
  return {
    insertBlock: db.prepare(
      `insert into blocks values (@last_seq, @first_seq, @at_first_ms, @at_last_ms, @id_min_ms, @id_max_ms, @types, @body)`,
    ),
    sizeFrom: db
      .prepare<[number], number>(
        `select coalesce(sum(length(body) + ${ROW_OVERHEAD}), 0) from blocks where last_seq >= ?`,
      )
      .pluck(),
    deleteFrom: db.prepare<[number]>('delete from blocks where last_seq >= ?'),
    oldest: db.prepare<[], { last_seq: number; size: number }>(
      `select last_seq, length(body) + ${ROW_OVERHEAD} as size from blocks order by last_seq limit 1`,
    ),
    deleteOne: db.prepare<[number]>('delete from blocks where last_seq = ?'),
    addGap: db.prepare('insert or replace into gaps values (@first_seq, @last_seq, @reason)'),
    forgetGaps: db.prepare<[number]>('delete from gaps where first_seq <= ?'),
    setClean: db.prepare<[number]>('update closing set clean = ?'),
    highest: db
      .prepare<[], number>(
        'select max(last_seq) from (select last_seq from blocks union all select last_seq from gaps)',
      )
      .pluck(),
    clean: db.prepare<[], number>('select clean from closing').pluck(),
  };
}

export function createBlockStore(db: Database.Database, boundBytes: number): BlockStore {
  const { insertBlock, sizeFrom, deleteFrom, oldest, deleteOne, addGap, forgetGaps, setClean, highest, clean } =
    prepare(db);
  let bytes = sizeFrom.get(0) ?? 0;

  /** Deletes from the front until the rows take at most `most`; returns what they then take. */
  function trim(most: number, taken: number): number {
    let left = taken;
    let lastGone = 0;
    for (let row = oldest.get(); row !== undefined && left > most; row = oldest.get()) {
      deleteOne.run(row.last_seq);
      left -= row.size;
      lastGone = row.last_seq;
    }
    if (lastGone > 0) {
      forgetGaps.run(lastGone);
      addGap.run({ first_seq: 1, last_seq: lastGone, reason: 'trimmed' } satisfies Gap);
    }
    return left;
  }

  const insert = db.transaction((row: BlockRow, gaps: readonly Gap[], replacesFrom: number | null): number => {
    const size = row.body.length + ROW_OVERHEAD;
    let taken = bytes;
    if (replacesFrom !== null) {
      taken -= sizeFrom.get(replacesFrom) ?? 0;
      deleteFrom.run(replacesFrom);
    }
    taken = trim(boundBytes - size, taken);
    for (const gap of gaps) addGap.run(gap);
    insertBlock.run(row);
    return taken + size;
  });

  const shrink = db.transaction((most: number): number => trim(most, bytes));

  return {
    lastSeq: highest.get() ?? 0,
    wasClean: clean.get() === 1,
    insert(row, gaps, replacesFrom) {
      bytes = insert(row, gaps, replacesFrom);
    },
    addGap(gap) {
      addGap.run(gap);
    },
    setClean(whole) {
      setClean.run(whole ? 1 : 0);
    },
    bytes: () => bytes,
    shrink(wanted) {
      const before = bytes;
      bytes = shrink(Math.max(SHRUNK_BYTES, before - wanted));
      // The file itself ends where its last page ends: free pages are moved there, then cut off with the next checkpoint.
      db.pragma('incremental_vacuum');
      db.pragma('wal_checkpoint(TRUNCATE)');
      return before - bytes;
    },
  };
}
