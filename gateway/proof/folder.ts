/** The journal of a folder, read for a proof: in batches, so that a gateway that runs on it is not held up. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError } from '@fibric/sdk';
import Database from 'better-sqlite3';
import type { LogState } from '../journal/receipt-log.ts';
import { JOURNAL_FILE } from '../journal/schema.ts';
import type { Proof } from '../journal/types.ts';
import { openingsOf } from './openings.ts';
import type { Trust } from './trust.ts';
import { proveRows } from './verifier.ts';

const BATCH = 1_000;

interface Stored {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

function opened<T>(dataDir: string, read: (db: Database.Database) => T): T {
  const file = join(dataDir, JOURNAL_FILE);
  if (!existsSync(file)) throw new FibricError('not_found', `no journal in ${dataDir}`);
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    return read(db);
  } finally {
    db.close();
  }
}

function* rowsOf(db: Database.Database): Generator<Stored> {
  const after = db.prepare<[number], Stored>(
    `SELECT seq, hash, body FROM entries WHERE seq > ? ORDER BY seq LIMIT ${BATCH}`,
  );
  for (let last = 0; ; ) {
    const batch = after.all(last);
    yield* batch;
    const newest = batch.at(-1);
    if (newest === undefined) return;
    last = newest.seq;
  }
}

/** Throws `not_found` without a journal. */
export function proveFolder(dataDir: string, trust: Trust): Proof {
  return opened(dataDir, (db) => proveRows(rowsOf(db), openingsOf(db), trust));
}

/** The log as which the journal of a folder is signed. Throws `not_found` where it never was. */
export function logOf(dataDir: string): LogState {
  const stored = opened(
    dataDir,
    (db) => db.prepare("SELECT row FROM state WHERE tab = 'log'").pluck().get() as string | undefined,
  );
  if (stored === undefined) throw new FibricError('not_found', `nothing was ever signed in ${dataDir}`);
  return JSON.parse(stored) as LogState;
}
