/** The rows of a journal as its judge finds them: read without the code that wrote them, and held against their hashes (K8). */
import { createHash } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { Entry, Row } from '@fibric/gateway/journal/entries';
import { Projection } from '@fibric/gateway/journal/projection';

interface Chain {
  readonly rows: readonly Row<Entry>[];
  /** Hash of the last row. */
  readonly head: string;
}

/** Reads the rows; `say` hears of every one that does not follow, and of a stored state that is not theirs. */
export function readChain(db: Database.Database, say: (what: string) => void): Chain {
  const rows: Row<Entry>[] = [];
  let head = '0'.repeat(64);
  for (const stored of db
    .prepare<[], { seq: number; hash: Buffer; body: string }>('SELECT * FROM entries ORDER BY seq')
    .iterate()) {
    const row = JSON.parse(stored.body) as Row<Entry>;
    const seq = rows.push(row);
    const hash = createHash('sha256').update('\0').update(stored.body).digest('hex');
    if (stored.seq !== seq || row.seq !== seq) say(`K8 row ${seq} is missing`);
    if (row.prev !== head) say(`K8 row ${seq} does not follow the one before`);
    if (hash !== stored.hash.toString('hex')) say(`K8 row ${seq} does not match its hash`);
    head = hash;
  }
  rebuild(db, rows, say);
  return { rows, head };
}

function rebuild(db: Database.Database, rows: readonly Row<Entry>[], say: (what: string) => void): void {
  const projection = new Projection();
  for (const row of rows) projection.apply(row, `rc_${row.seq.toString(36).padStart(8, '0')}`);
  const made = projection.tables.flatMap((table) =>
    [...table.rows.keys()].map((key) => `${table.name} ${key} ${String(table.encoded(key))}`),
  );
  const stored = db
    .prepare<[], { tab: string; key: string; row: string }>('SELECT tab, key, row FROM state')
    .all()
    .map(({ tab, key, row }) => `${tab} ${key} ${row}`);
  const difference = made.toSorted().find((line, i) => line !== stored.toSorted()[i]);
  if (difference !== undefined || made.length !== stored.length)
    say(`K8 the stored state does not follow from the rows: ${difference ?? 'too much'}`);
}

/** A row in a line, for people. */
export function inShort(row: Row<Entry>): string {
  const head = `${row.seq} ${row.clock.boot_id}+${row.clock.mono_ms / 1_000} s ${row.type}`;
  switch (row.type) {
    case 'plan/1':
      return `${head} by ${row.origin.operator}: ${row.actions.map(({ status, action }) => `${status} ${action.action_id} ${'idempotency_key' in action ? action.idempotency_key : action.capability} ${JSON.stringify(action.args)}`).join('; ')}`;
    case 'intent/1':
      return `${head} ${row.action_id} attempt ${row.attempt} ${row.idempotency_key} to ${JSON.stringify(row.target)} from ${JSON.stringify(row.baseline)}`;
    case 'receipt/1':
      return `${head} ${row.action_id} ${row.outcome}: ${String(row.reason_code)} (${String(row.reason)})`;
    default:
      return head;
  }
}
