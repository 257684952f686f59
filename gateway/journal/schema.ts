/** The journal's tables, and the checks that must hold before anything may be acted on (G-D-1, G-D-4). */
import { closeSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError, messageOf } from '@fibric/sdk';
import Database from 'better-sqlite3';

export const JOURNAL_FILE = 'journal.db';
/** 5: keys and fingerprints in short, filters that are looked at together. 3: the changes of a point in short. */
const SCHEMA_VERSION = 5;

/** SQLite before this could corrupt a WAL under a rare race between a writer and a checkpoint. */
const OLDEST_SQLITE = [3, 51, 3] as const;

/** `f_type` of network file systems (linux/magic.h): a sync there promises nothing we can check. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9P'],
]);

const TABLES = `
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  hash BLOB NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'journal rows are never changed'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'journal rows are never deleted'); END;
CREATE TABLE dispositions (
  plan_seq INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  receipt_seq INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  PRIMARY KEY (plan_seq, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
  tab TEXT NOT NULL,
  key TEXT NOT NULL,
  row TEXT NOT NULL,
  PRIMARY KEY (tab, key)
) STRICT, WITHOUT ROWID;
`;

/** Alerts are few among many rows: a list of them must not read all the others. */
const INDEXES = "CREATE INDEX IF NOT EXISTS alerts ON entries (kind) WHERE kind = 'alert/1'";

/** Since version 2: what opens the commitments of rows; the one table that is deleted from, by a row that says so (G-R-8). */
const OPENINGS = `
CREATE TABLE openings (
  seq INTEGER NOT NULL,
  field TEXT NOT NULL,
  salt BLOB NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;
`;

/** Made anew for an older version, and filled before it is told that it is current: until then they are of no use to anybody. */
const SEALED_KEYS = `
DROP TABLE IF EXISTS key_filters;
DROP TABLE IF EXISTS segments;
DROP TABLE IF EXISTS sealed_keys;
CREATE TABLE segments (segment INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, filter BLOB NOT NULL) STRICT;
CREATE TABLE sealed_keys (
  segment INTEGER NOT NULL,
  key BLOB NOT NULL,
  receipt_seq INTEGER NOT NULL,
  short_fingerprint TEXT NOT NULL,
  PRIMARY KEY (segment, key)
) STRICT, WITHOUT ROWID;
`;

/** The state beside the rows is laid out as an older version did. */
export const isOutdated = (db: Database.Database): boolean =>
  (db.pragma('user_version', { simple: true }) as number) < SCHEMA_VERSION;

/** Everything is laid out as this version does. */
export function isCurrent(db: Database.Database): void {
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
}

function unsafe(message: string): never {
  throw new FibricError('journal_unsafe', message);
}

function checkVersion(db: Database.Database): void {
  const text = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  const version = text.split('.').map(Number);
  for (const [i, least] of OLDEST_SQLITE.entries()) {
    const part = version[i] ?? 0;
    if (part > least) return;
    if (part < least) unsafe(`SQLite ${text} is older than ${OLDEST_SQLITE.join('.')}`);
  }
}

/** Both switches are read back: SQLite answers with what it did, not with what it was asked (measured, see G-D-1). */
function checkDurability(db: Database.Database): void {
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') unsafe(`journal_mode reads back as ${String(mode)}, not wal`);
  db.pragma('synchronous = FULL');
  const synchronous = db.pragma('synchronous', { simple: true });
  if (synchronous !== 2) unsafe(`synchronous reads back as ${String(synchronous)}, not 2 (FULL)`);
}

function checkFileSystem(dataDir: string): void {
  const name = NETWORK_FILE_SYSTEMS.get(statfsSync(dataDir).type >>> 0);
  if (name) unsafe(`${dataDir} is on a network file system (${name}); a sync there proves nothing`);
}

/** Makes the folder's entries durable. SQLite ignores a failure of this; we do not (G-D-4). */
export function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whatever SQLite says of a file that it cannot make sense of. */
const isBroken = (code: unknown): boolean => typeof code === 'string' && /^SQLITE_(CORRUPT|NOTADB)/.test(code);

/** A failure to open as an error of ours: the file is broken (`tampered`), or it could not be written or read. */
export function openingFailed(file: string, error: unknown): FibricError {
  if (error instanceof FibricError) return error;
  const broken = error instanceof SyntaxError || isBroken((error as { code?: unknown }).code);
  return broken
    ? new FibricError('tampered', `${file} is broken: ${messageOf(error)}`, { cause: error })
    : new FibricError('journal_failed', `${file} cannot be opened: ${messageOf(error)}`, { cause: error });
}

function checkPages(db: Database.Database): void {
  const answer = db.pragma('quick_check(1)', { simple: true });
  if (answer !== 'ok') throw new FibricError('tampered', `the journal's file is broken: ${String(answer)}`);
}

/**
 * Opens the journal for writing, creates it if need be, and checks that a commit is a promise; `thorough`: and that every page
 * is in order.
 */
export function openDatabase(dataDir: string, thorough: boolean): Database.Database {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  checkFileSystem(dataDir);
  const db = new Database(join(dataDir, JOURNAL_FILE));
  try {
    checkVersion(db);
    checkDurability(db);
    db.pragma('secure_delete = OFF');
    db.pragma('journal_size_limit = 67108864');
    // A checkpoint takes several flushes, all while one commit waits: every 16 MiB instead of every 4.
    db.pragma('wal_autocheckpoint = 4000');
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > SCHEMA_VERSION)
      unsafe(`this journal was written by a newer version (schema ${version}, known ${SCHEMA_VERSION})`);
    db.transaction(() => {
      if (version === 0) db.exec(TABLES);
      if (version < 2) db.exec(OPENINGS);
      if (version < SCHEMA_VERSION) db.exec(SEALED_KEYS);
      if (version === 0) isCurrent(db);
    })();
    db.exec(INDEXES);
    if (thorough) checkPages(db);
    syncFolder(dataDir);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
