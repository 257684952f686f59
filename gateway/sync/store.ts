/**
 * What sync remembers across restarts: how far the upstream has acknowledged, and what it refused. `<data>/sync.db`.
 *
 * Y2 A cursor moves only when the upstream has the item, or has refused it and the refusal is recorded in the same transaction.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

export interface Cursors {
  /** `seq` of the last receipt and cursor of the last event that the upstream is done with. */
  readonly receipts: number;
  readonly events: number;
}

/** An item that the upstream will never take. It stays in the journal or the log; this says why it went no further. */
export interface DeadLetter {
  readonly key: string;
  readonly stream: 'receipts' | 'events';
  readonly position: number;
  readonly status: number;
  readonly code: string;
  readonly reason: string;
  readonly at: string;
}

export interface SyncStore {
  load(): Cursors;
  save(cursors: Cursors): void;
  /** Records the refusal and moves past it, or neither. */
  bury(letter: DeadLetter, cursors: Cursors): void;
  deadLetters(): { readonly count: number; readonly newest: readonly DeadLetter[] };
  close(): void;
}

/** What the upstream knows of one receipt. `behind`: so many rows of the journal before it are not acknowledged either. */
export type Delivery =
  | { readonly state: 'off' }
  | { readonly state: 'acknowledged' }
  | { readonly state: 'waiting'; readonly behind: number }
  | { readonly state: 'refused'; readonly code: string; readonly reason: string; readonly at: string };

export const SYNC_FILE = 'sync.db';

/** Reads what became of the receipt at `seq` from the file, also while sync runs. A folder that never had an upstream has none. */
export function deliveryOf(dataDir: string, seq: number): Delivery {
  const file = join(dataDir, SYNC_FILE);
  if (!existsSync(file)) return { state: 'off' };
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    const cursor = db.prepare<[], number>('SELECT receipts FROM cursors').pluck().get() ?? 0;
    if (cursor < seq) return { state: 'waiting', behind: seq - cursor - 1 };
    const letter = db
      .prepare<[number], Pick<DeadLetter, 'code' | 'reason' | 'at'>>(
        "SELECT code, reason, at FROM dead_letters WHERE stream = 'receipts' AND position = ?",
      )
      .get(seq);
    return letter ? { state: 'refused', ...letter } : { state: 'acknowledged' };
  } finally {
    db.close();
  }
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS cursors (id INTEGER PRIMARY KEY CHECK (id = 1), receipts INTEGER NOT NULL, events INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO cursors VALUES (1, 0, 0);
  CREATE TABLE IF NOT EXISTS dead_letters (
    key TEXT PRIMARY KEY, stream TEXT NOT NULL, position INTEGER NOT NULL, status INTEGER NOT NULL,
    code TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;
`;

/**
 * Opens or makes the file. Commits are not flushed one by one: after a power loss the cursor may be a little behind,
 * and what is sent again is known to the receiver by its key.
 */
export function openSyncStore(file: string): SyncStore {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec(SCHEMA);
  const load = db.prepare<[], Cursors>('SELECT receipts, events FROM cursors WHERE id = 1');
  const save = db.prepare<[number, number]>('UPDATE cursors SET receipts = ?, events = ? WHERE id = 1');
  const insert = db.prepare<[DeadLetter]>(
    'INSERT OR REPLACE INTO dead_letters VALUES (@key, @stream, @position, @status, @code, @reason, @at)',
  );
  const count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM dead_letters');
  const newest = db.prepare<[], DeadLetter>('SELECT * FROM dead_letters ORDER BY rowid DESC LIMIT 20');
  return {
    load: () => load.get() ?? { receipts: 0, events: 0 },
    save: (cursors) => void save.run(cursors.receipts, cursors.events),
    bury: db.transaction((letter: DeadLetter, cursors: Cursors) => {
      insert.run(letter);
      save.run(cursors.receipts, cursors.events);
    }),
    deadLetters: () => ({ count: count.get()?.count ?? 0, newest: newest.all() }),
    close: () => db.close(),
  };
}
