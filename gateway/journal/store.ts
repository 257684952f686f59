/** The journal's statements, one prepared statement each. No index on a scattered key: live keys are in memory, sealed ones in order. */
import { FibricError, type Outcome } from '@fibric/sdk';
import type Database from 'better-sqlite3';
import type { Opening } from '../proof/commitment.ts';
import { type ReadRow, rowReader } from '../proof/openings.ts';
import { growTo, signedFault, storedTree } from '../proof/stored-tree.ts';
import type { SubtreeHash } from '../proof/tree.ts';
import { leafHash } from './canonical.ts';
import { isCurrent, isOutdated } from './schema.ts';
import {
  type Entry,
  GENESIS,
  idAt,
  type IntentEntry,
  type PlanEntry,
  type ReceiptEntry,
  type Row,
  seqOf,
} from './entries.ts';
import { consumes, openAction, type OpenAction, type OpenPlace, Projection, shortFingerprint } from './projection.ts';
import { type KeyMap, SealedKeys } from './sealed-keys.ts';

export interface PendingRow {
  readonly seq: number;
  readonly kind: string;
  readonly hash: string;
  readonly body: string;
  readonly row: Row;
  readonly openings: readonly Opening[];
}

export interface Store {
  head(): { seq: number; hash: string } | null;
  /** Wall time of the last row; null when there is none. */
  lastWallMs(): number | null;
  hashAt(seq: number): string | null;
  /** Throws `tampered` when one of the last `rows` rows does not follow from the one before. */
  checkTail(rows: number): void;
  loadProjection(): Projection;
  loadTailKeys(): KeyMap;
  /** The keys of the segments that are full. */
  readonly sealed: Pick<SealedKeys, 'find'>;
  outcome(planId: string, ordinal: number): Outcome | null;
  commit(rows: readonly PendingRow[], projection: Projection): void;
  /** Moves the live keys into the index once a segment is full; true when it did. */
  sealIfFull(keys: KeyMap, lastSeq: number): boolean;
  /** The tree over the rows that are on disk. */
  readonly subtree: SubtreeHash;
}

interface StoredRow {
  seq: number;
  hash: Buffer;
  body: string;
}

/** The key that a receipt consumed for ever; null for one that consumed none, or an episode's. */
export function keyConsumedBy(row: ReceiptEntry): string | null {
  const { idempotency_key, fingerprint } = row;
  if (!idempotency_key || !fingerprint || idempotency_key.includes('@ep=') || !consumes(row)) return null;
  return idempotency_key;
}

/** Which action of which plan a receipt ends. */
export function placeOf(row: ReceiptEntry): { readonly plan_seq: number; readonly ordinal: number } {
  const plan_seq = seqOf('pl', row.plan_id);
  if (plan_seq === null) throw new Error(`not a plan id: ${row.plan_id}`);
  return { plan_seq, ordinal: Number(row.action_id.slice(row.action_id.lastIndexOf('_') + 1)) };
}

/** Why `row` does not follow `before`, or null when it does. */
export function chainFault(row: StoredRow, before: { seq: number; hash: string }): string | null {
  if (row.seq !== before.seq + 1) return `row ${before.seq + 1} is missing`;
  if (leafHash(row.body) !== row.hash.toString('hex')) return 'its content does not match its hash';
  const { prev, seq } = JSON.parse(row.body) as Row;
  if (seq !== row.seq) return `its content says it is row ${seq}`;
  return prev === before.hash ? null : 'it does not continue the row before';
}

function prepare(db: Database.Database) {
  return {
    insertEntry: db.prepare('INSERT INTO entries (seq, kind, hash, body) VALUES (?, ?, unhex(?), ?)'),
    insertOpening: db.prepare('INSERT INTO openings VALUES (?, ?, ?, ?)'),
    dropOpening: db.prepare('DELETE FROM openings WHERE seq = ? AND field = ?'),
    insertDisposition: db.prepare('INSERT INTO dispositions VALUES (?, ?, ?, ?)'),
    putState: db.prepare('INSERT INTO state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row'),
    dropState: db.prepare('DELETE FROM state WHERE tab = ? AND key = ?'),
    allState: db.prepare<[], { tab: string; key: string; row: string }>('SELECT tab, key, row FROM state'),
    lastRow: db.prepare<[], { seq: number; hash: Buffer }>('SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1'),
    tailRows: db.prepare<[number], StoredRow>('SELECT seq, hash, body FROM entries WHERE seq > ? ORDER BY seq'),
    receipts: db.prepare<[number, number], { seq: number; body: string }>(
      "SELECT seq, body FROM entries WHERE seq > ? AND seq <= ? AND kind = 'receipt/1' ORDER BY seq",
    ),
    outcomeAt: db
      .prepare<[number, number], Outcome>('SELECT outcome FROM dispositions WHERE plan_seq = ? AND ordinal = ?')
      .pluck(),
    hashAt: db.prepare<[number], Buffer>('SELECT hash FROM entries WHERE seq = ?').pluck(),
    bodyAt: db.prepare<[number], string>('SELECT body FROM entries WHERE seq = ?').pluck(),
  };
}

class SqliteStore implements Store {
  readonly subtree: SubtreeHash;
  readonly sealed: SealedKeys;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #read: ReadRow;
  readonly #db: Database.Database;
  readonly #segmentRows: number;
  readonly #commit: (rows: readonly PendingRow[], projection: Projection) => void;

  constructor(db: Database.Database, segmentRows: number) {
    this.#sql = prepare(db);
    this.subtree = storedTree(db);
    this.#read = rowReader(db);
    this.#db = db;
    this.#segmentRows = segmentRows;
    this.sealed = new SealedKeys(db);
    this.#commit = db.transaction((rows: readonly PendingRow[], projection: Projection) => {
      for (const row of rows) this.#insert(row);
      this.#persist(projection);
    });
  }

  head(): { seq: number; hash: string } | null {
    const row = this.#sql.lastRow.get();
    return row ? { seq: row.seq, hash: row.hash.toString('hex') } : null;
  }

  lastWallMs(): number | null {
    const last = this.head();
    return last && Date.parse((JSON.parse(this.#sql.bodyAt.get(last.seq) ?? '{}') as Row).at);
  }

  hashAt(seq: number): string | null {
    return this.#sql.hashAt.get(seq)?.toString('hex') ?? null;
  }

  checkTail(rows: number): void {
    const last = this.head();
    if (!last) return;
    const from = Math.max(0, last.seq - rows);
    let before = from === 0 ? { seq: 0, hash: GENESIS } : null;
    for (const row of this.#sql.tailRows.iterate(from)) {
      const fault = before && chainFault(row, before);
      if (fault) throw new FibricError('tampered', `journal row ${row.seq}: ${fault}`);
      before = { seq: row.seq, hash: row.hash.toString('hex') };
    }
  }

  loadProjection(): Projection {
    if (isOutdated(this.#db)) this.#rebuild();
    const projection = new Projection();
    const tables = new Map(projection.tables.map((table) => [table.name, table]));
    for (const { tab, key, row } of this.#sql.allState.all()) {
      if (tab === 'open') projection.open.rows.set(key, this.#openAt(JSON.parse(row) as OpenPlace));
      else tables.get(tab)?.load(key, row);
    }
    growTo(projection.tree, this.subtree, Math.max(0, (this.head()?.seq ?? 0) - 1));
    const signed = projection.logs.rows.get('receipts')?.signed ?? null;
    const fault = signed === null ? null : signedFault(signed, this.subtree);
    if (fault !== null) throw new FibricError('tampered', fault);
    return projection;
  }

  loadTailKeys(): KeyMap {
    return this.#keysOf(this.sealed.sealedTo, this.head()?.seq ?? 0);
  }

  outcome(planId: string, ordinal: number): Outcome | null {
    return this.#sql.outcomeAt.get(seqOf('pl', planId) ?? 0, ordinal) ?? null;
  }

  commit(rows: readonly PendingRow[], projection: Projection): void {
    const erases = rows.some(({ kind }) => kind === 'redaction/1');
    // What is erased is written over. What the state has outgrown need not be: that would cost a page each time.
    if (erases) this.#db.pragma('secure_delete = ON');
    this.#commit(rows, projection);
    // Only now: a transaction that was rolled back has stored nothing, and may be tried again.
    for (const table of projection.tables) table.stored();
    if (!erases) return;
    this.#db.pragma('secure_delete = OFF');
    // What was erased stands in the log of the database until that is taken up.
    this.#db.pragma('wal_checkpoint(TRUNCATE)');
  }

  sealIfFull(keys: KeyMap, lastSeq: number): boolean {
    if (lastSeq - this.sealed.sealedTo < this.#segmentRows) return false;
    this.sealed.seal(keys, lastSeq);
    return true;
  }

  #insert({ seq, kind, hash: leaf, body, row, openings }: PendingRow): void {
    this.#sql.insertEntry.run(seq, kind, leaf, body);
    for (const { field, salt, value } of openings) this.#sql.insertOpening.run(seq, field, salt, JSON.stringify(value));
    if (row.type === 'redaction/1') for (const one of row.erased) this.#sql.dropOpening.run(one.seq, one.field);
    if (row.type !== 'receipt/1') return;
    const { plan_seq, ordinal } = placeOf(row);
    this.#sql.insertDisposition.run(plan_seq, ordinal, seq, row.outcome);
  }

  #persist(projection: Projection): void {
    for (const table of projection.tables) {
      for (const key of table.dirty) {
        const row = table.encoded(key);
        if (row === null) this.#sql.dropState.run(table.name, key);
        else this.#sql.putState.run(table.name, key, row);
      }
    }
  }

  /** State and sealed keys follow from the rows, however they were laid out. */
  #rebuild(): void {
    const projection = new Projection();
    for (const { row } of rowsAfter(this.#db, 0)) projection.apply(row, idAt('rc', row.seq));
    this.#db.transaction(() => {
      this.#db.exec('DELETE FROM state');
      this.#persist(projection);
      const last = this.head()?.seq ?? 0;
      for (let to = this.#segmentRows; to <= last; to += this.#segmentRows)
        this.sealed.seal(this.#keysOf(this.sealed.sealedTo, to), to);
      isCurrent(this.#db);
    })();
  }

  /** The keys that were consumed in the rows behind `after`, up to `to`. */
  #keysOf(after: number, to: number): KeyMap {
    const keys: KeyMap = new Map();
    for (const { seq, body } of this.#sql.receipts.iterate(after, to)) {
      const row = JSON.parse(body) as Row<ReceiptEntry>;
      const key = keyConsumedBy(row);
      if (key === null) continue;
      keys.set(key, { short_fingerprint: shortFingerprint(row.fingerprint ?? ''), receipt_id: idAt('rc', seq) });
    }
    return keys;
  }

  /** An open action from the rows it stands in. */
  #openAt({ plan_seq, ordinal, status, intent_seq }: OpenPlace): OpenAction {
    const body = this.#sql.bodyAt.get(plan_seq);
    const plan = body === undefined ? null : this.#read<PlanEntry>({ seq: plan_seq, body });
    const entry = plan?.actions.find(({ action }) => action.ordinal === ordinal);
    if (!plan || !entry || entry.status === 'refused')
      throw new FibricError('tampered', `row ${plan_seq} has no open action ${ordinal}`);
    const intent =
      intent_seq === null ? null : (JSON.parse(this.#sql.bodyAt.get(intent_seq) ?? 'null') as Row<IntentEntry> | null);
    return openAction(plan, entry.action, status, intent);
  }
}

export function createStore(db: Database.Database, segmentRows: number): Store {
  return new SqliteStore(db, segmentRows);
}

/** The rows of `entries` in order, parsed, with what opens their commitments. */
export function* rowsAfter(db: Database.Database, after: number): Generator<{ row: Row<Entry>; hash: string }> {
  const read = rowReader(db);
  const statement = db.prepare('SELECT seq, hash, body FROM entries WHERE seq > ? ORDER BY seq');
  for (const stored of statement.iterate(after) as IterableIterator<StoredRow>) {
    yield { row: read(stored), hash: stored.hash.toString('hex') };
  }
}
