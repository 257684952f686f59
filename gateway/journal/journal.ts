/**
 * The journal: append-only rows, hash-chained, one writer, group commit: a lone action never waits, those that come together share.
 *
 * J1 Rows are only appended, and each carries the hash of the one before (G-R-2, G-R-13).
 * J2 What `durable()` acknowledged survives a power cut: one commit with synchronous=FULL, and the state that follows in it.
 * J3 After a failed commit nothing is acknowledged any more; the process must end and settle at its next start (G-IO-2).
 * J4 An action has at most one receipt: the table of dispositions refuses a second.
 */
import { join } from 'node:path';
import { type Clock, type ClockStamp, FibricError, isoTime, LIMITS, messageOf, type Outcome } from '@fibric/sdk';
import type Database from 'better-sqlite3';
import { SALT_BYTES } from '../proof/commitment-form.ts';
import { committed } from '../proof/commitment.ts';
import type { SubtreeHash } from '../proof/tree.ts';
import { randomBytes } from '../system.ts';
import { canonicalText, leafHash } from './canonical.ts';
import { type Entry, GENESIS, idAt, type Row } from './entries.ts';
import { type ConsumedKey, Projection } from './projection.ts';
import { JOURNAL_FILE, openDatabase, openingFailed } from './schema.ts';
import { createStore, type PendingRow, type Store } from './store.ts';

const TRUSTED = () => ({ state: 'trusted', uncertainty_ms: 0 }) as const;
/** Rows of the tail that are checked before the journal is trusted at start. */
const TAIL_CHECKED = 1_000;
/** Rows that nobody waits for are committed by then. */
const IDLE_COMMIT_MS = 1_000;

export interface Appended<E extends Entry> {
  readonly row: Row<E>;
  readonly hash: string;
}

export interface Journal {
  readonly projection: Projection;
  readonly epoch: number;
  /** The place the next row will have. */
  readonly nextSeq: number;
  /** Site wall time of the last row that was found at the start; null in a new journal. Time has passed it. */
  readonly resumedMs: number | null;
  /** Why the journal stopped, or null while it works. */
  readonly failure: Error | null;
  /** The last row that is on disk. */
  readonly durableHead: { readonly seq: number; readonly hash: string };
  /** Commits so far, each one real flush. */
  readonly commits: number;
  /** Takes a row in. It is not durable, and must not be acted on, before `durable()` resolves. */
  append<E extends Entry>(entry: E): Appended<E>;
  /** Resolves when every row appended so far is on disk. Rejects when the journal failed (J3). */
  durable(): Promise<void>;
  /** Waits for `work`, a read of a device that leads to a row: commits wait with it for a moment, so that many actions share one. */
  gather<T>(work: Promise<T>): Promise<T>;
  /** A consumed key that is not an episode's, or null. */
  consumed(key: string): Omit<ConsumedKey, 'key'> | null;
  /** How an action ended, as far as it is on disk; null while it is open. */
  outcome(planId: string, ordinal: number): Outcome | null;
  /** The hash of a row that is on disk, or null when there is none. */
  hashAt(seq: number): string | null;
  /** The hash of the tree over every row so far, those on their way included. */
  treeHash(): Buffer;
  /** The tree over the rows that are on disk. */
  readonly subtree: SubtreeHash;
  close(): void;
}

export interface JournalOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly bootId: string;
  /** Called once, when the journal could not be written or read (J3). */
  readonly onFailure: (error: Error) => void;
  /** The disk is full: makes room if it still can. True: the commit is tried again (G-IO-1). */
  readonly onFull?: () => boolean;
  /** How far the wall clock may be believed; left out: fully. */
  readonly trust?: () => Pick<ClockStamp, 'state' | 'uncertainty_ms'>;
  /** Makes texts that can be erased unguessable: 16 random bytes at each call; left out: of the system. */
  readonly salt?: () => Buffer;
  /** Called for every row, when it has been taken in: what it appends itself follows at once. */
  readonly onAppend?: (row: Row) => void;
  /** Called after every commit. */
  readonly onCommit?: () => void;
  /** Look through the whole file first: the last process ended because it could not be written or read (G-IO-2). */
  readonly thorough?: boolean;
}

class SqliteJournal implements Journal {
  readonly projection: Projection;
  readonly resumedMs: number | null;
  failure: Error | null = null;
  durableHead: { readonly seq: number; readonly hash: string };
  commits = 0;
  readonly #db: Database.Database;
  readonly #store: Store;
  readonly #options: JournalOptions;
  readonly #tailKeys: Map<string, Omit<ConsumedKey, 'key'>>;
  #head: { seq: number; hash: string };
  #pending: PendingRow[] = [];
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #scheduled = false;
  /** Reads under way that lead to a row, and the longest that a commit waits for them. */
  #coming = 0;
  #patience: { cancel(): void } | null = null;
  #idle: { cancel(): void } | null = null;

  constructor(db: Database.Database, store: Store, options: JournalOptions) {
    this.#db = db;
    this.#store = store;
    this.#options = options;
    this.#head = store.head() ?? { seq: 0, hash: GENESIS };
    this.resumedMs = store.lastWallMs();
    this.durableHead = this.#head;
    store.checkTail(TAIL_CHECKED);
    this.projection = store.loadProjection();
    this.#tailKeys = store.loadTailKeys();
  }

  get epoch(): number {
    return this.projection.meta.rows.get('epoch') ?? 0;
  }

  get nextSeq(): number {
    return this.#head.seq + 1;
  }

  append<E extends Entry>(entry: E): Appended<E> {
    if (this.failure) throw this.failure;
    const { clock, bootId, trust = TRUSTED } = this.#options;
    const at = isoTime(clock.wallMs());
    const row: Row<E> = {
      ...entry,
      seq: this.nextSeq,
      prev: this.#head.hash,
      at,
      clock: { wall: at, mono_ms: Math.round(clock.monoMs()), boot_id: bootId, ...trust() },
    };
    const { stored, openings } = committed(row, this.#options.salt ?? (() => randomBytes(SALT_BYTES)));
    const body = canonicalText(stored);
    const hash = leafHash(body);
    this.#head = { seq: row.seq, hash };
    this.#pending.push({ seq: row.seq, kind: entry.type, hash, body, row: row as Row, openings });
    const key = this.projection.apply(row as Row, idAt('rc', row.seq));
    if (key) this.#tailKeys.set(key.key, key);
    this.#idle ??= clock.after(IDLE_COMMIT_MS, () => this.#schedule());
    this.#options.onAppend?.(row as Row);
    return { row, hash };
  }

  durable(): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.#pending.length === 0) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ resolve, reject });
    this.#schedule();
    return promise;
  }

  async gather<T>(work: Promise<T>): Promise<T> {
    this.#coming += 1;
    try {
      return await work;
    } finally {
      this.#coming -= 1;
      // The row of this read is appended before the next turn of the loop.
      if (this.#coming === 0 && this.#patience) this.#schedule();
    }
  }

  consumed(key: string): Omit<ConsumedKey, 'key'> | null {
    if (this.failure) throw this.failure;
    if (this.projection.freed.rows.has(key)) return null;
    try {
      return this.#tailKeys.get(key) ?? this.#store.sealed.find(key);
    } catch (error) {
      throw this.#fail(error, []);
    }
  }

  hashAt(seq: number): string | null {
    return this.#store.hashAt(seq);
  }

  get subtree(): SubtreeHash {
    return this.#store.subtree;
  }

  treeHash(): Buffer {
    const { seq, hash } = this.#head;
    return this.projection.tree.root(seq === 0 ? undefined : Buffer.from(hash, 'hex'));
  }

  outcome(planId: string, ordinal: number): Outcome | null {
    return this.#store.outcome(planId, ordinal);
  }

  close(): void {
    this.#idle?.cancel();
    this.#patience?.cancel();
    if (this.#pending.length > 0 && !this.failure) this.#commit();
    this.#db.close();
  }

  /** Everything appended in this turn of the loop shares one commit; so does what is about to come. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#coming === 0) this.#due();
      else this.#patience ??= this.#options.clock.after(LIMITS.gatherMs, () => this.#due());
    });
  }

  #due(): void {
    if (this.#pending.length > 0 && !this.failure && this.#db.open) this.#commit();
  }

  #commit(): void {
    const rows = this.#pending;
    const waiters = this.#waiters;
    this.#pending = [];
    this.#waiters = [];
    this.#idle?.cancel();
    this.#idle = null;
    this.#patience?.cancel();
    this.#patience = null;
    try {
      this.#roomy(() => this.#store.commit(rows, this.projection));
      this.commits++;
      const { seq, hash } = rows.at(-1) ?? this.durableHead;
      this.durableHead = { seq, hash };
      const sealed = this.#roomy(() => this.#store.sealIfFull(this.#tailKeys, rows.at(-1)?.seq ?? 0));
      if (sealed) this.#tailKeys.clear();
    } catch (error) {
      this.#fail(error, waiters);
      return;
    }
    for (const waiter of waiters) waiter.resolve();
    this.#options.onCommit?.();
  }

  /** A transaction that found the disk full was rolled back whole; with room made, it is tried once more. */
  #roomy<T>(transaction: () => T): T {
    try {
      return transaction();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SQLITE_FULL' || !this.#options.onFull?.()) throw error;
      return transaction();
    }
  }

  #fail(error: unknown, waiters: readonly { reject: (error: Error) => void }[]): Error {
    const failure = new FibricError('journal_failed', `the journal cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
    this.failure = failure;
    for (const waiter of waiters) waiter.reject(failure);
    this.#options.onFailure(failure);
    return failure;
  }
}

/**
 * Opens the journal of a data folder for writing. Rather than start on sand it throws: `journal_unsafe` where a commit is no
 * promise, `tampered` for a file that is broken or does not verify, `journal_failed` for one that cannot be opened.
 */
export function openJournal(options: JournalOptions): Journal {
  try {
    return opened(options);
  } catch (error) {
    throw openingFailed(join(options.dataDir, JOURNAL_FILE), error);
  }
}

function opened(options: JournalOptions): Journal {
  const db = openDatabase(options.dataDir, options.thorough ?? false);
  try {
    return new SqliteJournal(db, createStore(db, LIMITS.segmentRows), options);
  } catch (error) {
    db.close();
    throw error;
  }
}
