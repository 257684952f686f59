/**
 * Walks a journal from its first row and says whether it holds together, naming the first row that does not.
 * Checked: hashes and links; every receipt ends an action of an earlier plan, once; no key took effect twice;
 * no write without an intent; numbers of rows and epochs only rise.
 */
import type { Receipt } from '@fibric/sdk';
import { type Entry, GENESIS, type ReceiptEntry, type Row } from './entries.ts';
import { consumes } from './projection.ts';
import { chainFault } from './store.ts';
import type { Verification } from './types.ts';

/** Outcomes that a device can only have reached through an intent. */
const NEEDS_INTENT: ReadonlySet<Receipt['outcome']> = new Set([
  'applied',
  'applied_unverified',
  'superseded_externally',
  'unknown',
]);

/** What the rows so far allow the next one to say. */
class Story {
  receipts = 0;
  #epoch = 0;
  readonly #open = new Map<string, 'admitted' | 'intent'>();
  readonly #consumed = new Set<string>();
  readonly #lastEpisode = new Map<string, readonly [episode: number, revision: number]>();

  get openIntents(): number {
    return [...this.#open.values()].filter((state) => state === 'intent').length;
  }

  /** Why `row` cannot follow, or null after taking it in. */
  take(row: Row<Entry>): string | null {
    switch (row.type) {
      case 'boot/1':
        if (row.epoch !== this.#epoch + 1) return `epoch ${row.epoch} follows ${this.#epoch}`;
        this.#epoch = row.epoch;
        return null;
      case 'plan/1':
        for (const { action } of row.actions) this.#open.set(action.action_id, 'admitted');
        return null;
      case 'intent/1':
        if (!this.#open.has(row.action_id)) return `an intent for ${row.action_id}, which is not open`;
        this.#open.set(row.action_id, 'intent');
        return null;
      case 'receipt/1':
        return this.#receipt(row);
      case 'run/1':
      case 'probe/1':
      case 'mode/1':
      case 'policy/1':
      case 'stop/1':
      case 'override/1':
      case 'clock/1':
      case 'hold/1':
      case 'acknowledge/1':
      case 'inherited/1':
      case 'inherited_settled/1':
      case 'alert/1':
      case 'page/1':
      case 'delivered/1':
        return null;
    }
  }

  #receipt(row: Row<ReceiptEntry>): string | null {
    const state = this.#open.get(row.action_id);
    if (!state) return `a receipt for ${row.action_id}, which has none open (a second one?)`;
    if (state === 'admitted' && NEEDS_INTENT.has(row.outcome)) return `${row.outcome} without an intent`;
    this.#open.delete(row.action_id);
    this.receipts++;
    return consumes(row) && row.idempotency_key ? this.#consume(row.idempotency_key) : null;
  }

  #consume(key: string): string | null {
    const episode = /^(.+)@ep=(\d+)#(\d+)$/.exec(key);
    if (!episode) {
      if (this.#consumed.has(key)) return `key ${key} took effect a second time`;
      this.#consumed.add(key);
      return null;
    }
    const [, intent, n, revision] = episode as unknown as [string, string, string, string];
    const last = this.#lastEpisode.get(intent);
    const now = [Number(n), Number(revision)] as const;
    if (last && (now[0] < last[0] || (now[0] === last[0] && now[1] <= last[1])))
      return `key ${key} took effect a second time, or out of order`;
    this.#lastEpisode.set(intent, now);
    return null;
  }
}

interface StoredRow {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

function parse(row: StoredRow): Row<Entry> | null {
  try {
    return JSON.parse(row.body) as Row<Entry>;
  } catch {
    return null;
  }
}

/** Verifies `rows`, in the order of their `seq`, from the first. */
export function verifyRows(rows: Iterable<StoredRow>): Verification {
  const story = new Story();
  let before = { seq: 0, hash: GENESIS };
  for (const stored of rows) {
    const row = parse(stored);
    const fault = row === null ? 'its content is not JSON' : (chainFault(stored, before) ?? story.take(row));
    if (fault) return { kind: 'tampered', seq: stored.seq, reason: fault };
    before = { seq: stored.seq, hash: stored.hash.toString('hex') };
  }
  return {
    kind: 'proved',
    rows: before.seq,
    receipts: story.receipts,
    head: before.hash,
    open_intents: story.openIntents,
  };
}
