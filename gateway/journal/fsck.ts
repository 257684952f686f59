/**
 * Checks the journal of a stopped gateway against itself: the file, the chain, and everything that is stored beside the rows.
 *
 * J5 What is stored beside the rows follows from the rows alone, byte for byte (G-J-1): state tables, dispositions, sealed keys.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError, messageOf } from '@fibric/sdk';
import Database from 'better-sqlite3';
import { idAt, type ReceiptEntry, type Row } from './entries.ts';
import { filterOf } from './key-filter.ts';
import { lockFolder } from './lock.ts';
import { Projection, shortFingerprint } from './projection.ts';
import { isOutdated, JOURNAL_FILE } from './schema.ts';
import { shortKey } from './sealed-keys.ts';
import { keyConsumedBy, placeOf, rowsAfter } from './store.ts';
import { openingFaults } from '../proof/openings.ts';
import { verifyRows } from '../proof/verifier.ts';

/** What differs: where, and how. */
export interface FsckFinding {
  readonly check: 'file' | 'chain' | 'state' | 'dispositions' | 'keys' | 'openings';
  readonly detail: string;
}

export interface FsckReport {
  readonly object: 'fsck';
  readonly clean: boolean;
  readonly rows: number;
  readonly receipts: number;
  readonly open_intents: number;
  readonly head: string | null;
  /** Rows of the state tables that were rebuilt and compared. */
  readonly state_rows: number;
  readonly findings: readonly FsckFinding[];
}

/** More findings than a person reads say nothing more. */
const FINDINGS_KEPT = 50;

type Found = (check: FsckFinding['check'], detail: string) => void;

/** Throws `not_found` without a journal and `journal_locked` while a gateway runs on the folder. Changes nothing. */
export function fsck(dataDir: string): FsckReport {
  if (!existsSync(join(dataDir, JOURNAL_FILE))) throw new FibricError('not_found', `no journal in ${dataDir}`);
  const lock = lockFolder(dataDir);
  try {
    return lookThrough(dataDir);
  } finally {
    lock.release();
  }
}

/** The same on one snapshot of what is committed: a gateway may go on writing meanwhile. */
export function lookThrough(dataDir: string): FsckReport {
  const file = join(dataDir, JOURNAL_FILE);
  const findings: FsckFinding[] = [];
  const found: Found = (check, detail) => {
    if (findings.length < FINDINGS_KEPT) findings.push({ check, detail });
  };
  const counts = { rows: 0, receipts: 0, open_intents: 0, head: null as string | null, state_rows: 0 };
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      db.exec('BEGIN');
      checkFile(db, found);
      if (isOutdated(db))
        throw new FibricError(
          'journal_unsafe',
          'laid out by an older version; start the gateway once, which brings it up to date',
        );
      const rows = db.prepare('SELECT seq, hash, body FROM entries ORDER BY seq').iterate() as never;
      const verified = verifyRows(rows, () => []);
      if (verified.kind === 'tampered') found('chain', `row ${verified.seq}: ${verified.reason}`);
      else {
        const { rows, receipts, open_intents, head } = verified;
        Object.assign(counts, { rows, receipts, open_intents, head }, rebuild(db, found));
      }
    } finally {
      db.close();
    }
  } catch (error) {
    found('file', messageOf(error));
  }
  return { object: 'fsck', clean: findings.length === 0, ...counts, findings };
}

/** The pages and records of the file: SQLite's own check of everything but the order of indexes. */
function checkFile(db: Database.Database, found: Found): void {
  for (const answer of db.prepare('PRAGMA quick_check').pluck().iterate() as IterableIterator<string>)
    if (answer !== 'ok') found('file', answer);
}

/** One walk over the rows rebuilds all that is stored beside them. */
function rebuild(db: Database.Database, found: Found): { readonly state_rows: number } {
  const projection = new Projection();
  const dispositions = dispositionCheck(db, found);
  const keys = keyCheck(db, found);
  for (const { row } of rowsAfter(db, 0)) {
    projection.apply(row, idAt('rc', row.seq));
    if (row.type === 'receipt/1') dispositions.receipt(row);
    keys.row(row);
  }
  dispositions.end();
  keys.end();
  for (const fault of openingFaults(db)) found('openings', fault);
  return { state_rows: compareState(db, projection, found) };
}

function compareState(db: Database.Database, projection: Projection, found: Found): number {
  const name = (table: string, key: string): string => `${table}/${key}`;
  const rebuilt = new Map<string, string | null>();
  for (const table of projection.tables)
    for (const key of table.rows.keys()) rebuilt.set(name(table.name, key), table.encoded(key));
  const stored = db.prepare('SELECT tab, key, row FROM state').iterate();
  const seen = new Set<string>();
  for (const { tab, key, row } of stored as IterableIterator<{ tab: string; key: string; row: string }>) {
    const at = name(tab, key);
    seen.add(at);
    const expected = rebuilt.get(at);
    if (expected === undefined) found('state', `${at} is stored, but does not follow from the rows`);
    else if (expected !== row) found('state', `${at} is stored as ${row}, the rows say ${expected}`);
  }
  for (const at of rebuilt.keys()) if (!seen.has(at)) found('state', `${at} follows from the rows, but is not stored`);
  return rebuilt.size;
}

function dispositionCheck(db: Database.Database, found: Found) {
  const stored = db.prepare<[number, number], { receipt_seq: number; outcome: string }>(
    'SELECT receipt_seq, outcome FROM dispositions WHERE plan_seq = ? AND ordinal = ?',
  );
  const count = db.prepare<[], number>('SELECT count(*) FROM dispositions').pluck();
  let receipts = 0;
  return {
    receipt(row: Row<ReceiptEntry>): void {
      receipts++;
      const { plan_seq, ordinal } = placeOf(row);
      const one = stored.get(plan_seq, ordinal);
      if (!one) found('dispositions', `${row.action_id} has receipt ${row.seq}, but no disposition`);
      else if (one.receipt_seq !== row.seq || one.outcome !== row.outcome)
        found(
          'dispositions',
          `${row.action_id} is stored as ${one.outcome} by row ${one.receipt_seq}, not ${row.outcome} by row ${row.seq}`,
        );
    },
    end(): void {
      const surplus = (count.get() ?? 0) - receipts;
      if (surplus > 0) found('dispositions', `${surplus} of them belong to no receipt`);
    },
  };
}

interface Segment {
  readonly segment: number;
  readonly last_seq: number;
  readonly filter: Buffer;
}

interface SealedKey {
  readonly key: string;
  readonly receipt_seq: number;
  readonly short_fingerprint: string;
}

/** Segment by segment: the keys that its receipts consumed are exactly those that its index holds, and its filter is theirs. */
function keyCheck(db: Database.Database, found: Found) {
  const segments = db.prepare<[], Segment>('SELECT segment, last_seq, filter FROM segments ORDER BY segment').all();
  const sealed = db.prepare<[number], SealedKey>(
    'SELECT lower(hex(key)) AS key, receipt_seq, short_fingerprint FROM sealed_keys WHERE segment = ?',
  );
  let consumed = new Map<string, SealedKey>();
  function compare({ segment, filter }: Segment): void {
    const stored = new Map(sealed.all(segment).map((one) => [one.key, one]));
    for (const { key, receipt_seq, short_fingerprint } of consumed.values()) {
      const one = stored.get(key);
      if (one?.receipt_seq !== receipt_seq)
        found('keys', `segment ${segment} does not hold the key that row ${receipt_seq} consumed`);
      else if (one.short_fingerprint !== short_fingerprint)
        found('keys', `segment ${segment} holds the key that row ${receipt_seq} consumed with another fingerprint`);
    }
    if (!filterOf([...consumed.keys()]).equals(filter))
      found('keys', `the filter of segment ${segment} is not that of its keys`);
    for (const { key, receipt_seq } of stored.values())
      if (!consumed.has(key))
        found('keys', `segment ${segment} holds a key of row ${receipt_seq}, which consumed none`);
    consumed = new Map();
  }
  return {
    row(row: Row): void {
      const consumedKey = row.type === 'receipt/1' ? keyConsumedBy(row) : null;
      if (row.type === 'receipt/1' && consumedKey !== null) {
        const key = shortKey(consumedKey);
        consumed.set(key, { key, receipt_seq: row.seq, short_fingerprint: shortFingerprint(row.fingerprint ?? '') });
      }
      if (row.seq === segments[0]?.last_seq) compare(segments.shift() as Segment);
    },
    end(): void {
      for (const { segment, last_seq } of segments)
        found('keys', `segment ${segment} ends at row ${last_seq}, which is not there`);
    },
  };
}
