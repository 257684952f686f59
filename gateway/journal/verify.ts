/**
 * What the rows tell must be possible: every receipt ends an action of an earlier plan, once; no key took effect twice; no write
 * without an intent, and none of what waits for persons before they said yes; epochs only rise. Rows about anything else are taken as
 * they are.
 */
import { hash } from 'node:crypto';
import { LIMITS } from '@fibric/sdk';
import type { CorrectionEntry } from './corrections.ts';
import type { Entry, ReceiptEntry, Row } from './entries.ts';
import { needsIntent } from './lifecycle.ts';
import { consumes } from './projection.ts';

/** One of the parts of a `KeySet`: twelve bytes a key, and room for a few more. */
class KeyTable {
  #slots = new Uint32Array(3 * 16);
  #count = 0;

  /** True when it was not in there yet. `a` is not 0. */
  add(a: number, b: number, c: number): boolean {
    if (!this.#put(a, b, c)) return false;
    this.#count += 1;
    if (this.#count * 3 * 5 > this.#slots.length * 4) this.#grow();
    return true;
  }

  #put(a: number, b: number, c: number): boolean {
    const slots = this.#slots;
    const places = slots.length / 3;
    for (let place = b % places; ; place = (place + 1) % places) {
      const at = place * 3;
      if (slots[at] === 0) {
        slots[at] = a;
        slots[at + 1] = b;
        slots[at + 2] = c;
        return true;
      }
      if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c) return false;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(3 * Math.ceil((before.length / 3) * 1.5));
    for (let at = 0; at < before.length; at += 3)
      if (before[at] !== 0) this.#put(before[at] as number, before[at + 1] as number, before[at + 2] as number);
  }
}

/**
 * Consumed keys, half a SHA-256 of each: plenty against accidents. Grows with their number and with nothing else, and in parts, so that
 * there are never two of it.
 */
class KeySet {
  readonly #parts = Array.from({ length: 256 }, () => new KeyTable());
  readonly #digest = Buffer.alloc(32);

  /** True when it was not in there yet. */
  add(key: string): boolean {
    // As text and back: the runtime makes a buffer of its own at twice the cost.
    const digest = this.#digest;
    digest.write(hash('sha256', key, 'latin1'), 'latin1');
    const part = this.#parts[digest[12] as number] as KeyTable;
    return part.add(digest.readUInt32LE(0) || 1, digest.readUInt32LE(4), digest.readUInt32LE(8));
  }
}

/** There is more open at once than any house has: the rows are not looked at any further. */
export class TooMuch extends Error {}

const EPISODE_KEY = /^([^]+)@ep=(\d{1,15})#(\d{1,15})$/;

/** What the rows so far allow the next one to say. */
export class Story {
  receipts = 0;
  #epoch = 0;
  readonly #open = new Map<string, 'admitted' | 'intent'>();
  /** By action: how many persons have yet to say yes. */
  readonly #asked = new Map<string, number>();
  readonly #consumed = new KeySet();
  /** By action: the key of one whose outcome nobody could tell. */
  readonly #unknown = new Map<string, string>();
  /** Keys that may take effect once more, because a person found that they had not. */
  readonly #freed = new Set<string>();
  readonly #lastEpisode = new Map<string, readonly [episode: number, revision: number]>();

  get openIntents(): number {
    return [...this.#open.values()].filter((state) => state === 'intent').length;
  }

  /** Why `row` cannot follow, or null after taking it in. `whole`: every row before it was taken in as well. */
  take(row: Row<Entry>, whole: boolean): string | null {
    const fault = this.#tell(row, whole);
    const held = this.#open.size + this.#lastEpisode.size + this.#unknown.size + this.#freed.size;
    if (fault === null && held > LIMITS.verifierActions) throw new TooMuch();
    return fault;
  }

  #tell(row: Row<Entry>, whole: boolean): string | null {
    switch (row.type) {
      case 'boot/1': {
        const follows = whole ? row.epoch === this.#epoch + 1 : row.epoch > this.#epoch;
        if (!follows) return `epoch ${row.epoch} follows ${this.#epoch}`;
        this.#epoch = row.epoch;
        return null;
      }
      case 'plan/1':
        for (const planned of row.actions) {
          const { action_id } = planned.action;
          this.#open.set(action_id, 'admitted');
          if (planned.status === 'awaiting') this.#asked.set(action_id, planned.waiting.approvers);
          else this.#asked.delete(action_id);
        }
        return null;
      case 'intent/1':
        if (whole && !this.#open.has(row.action_id)) return `an intent for ${row.action_id}, which is not open`;
        // Where rows are passed by, the yes may be among them.
        if (whole && (this.#asked.get(row.action_id) ?? 0) > 0)
          return `an intent for ${row.action_id}, which waits for a person`;
        this.#open.set(row.action_id, 'intent');
        return null;
      case 'approval/1':
        if (row.effect === 'counts' && row.decision === 'approve')
          for (const { action_id } of row.actions) {
            const asked = this.#asked.get(action_id);
            if (asked !== undefined) this.#asked.set(action_id, asked - 1);
          }
        return null;
      case 'receipt/1':
        return this.#receipt(row, whole);
      case 'correction/1':
        return this.#correction(row, whole);
      default:
        return null;
    }
  }

  #receipt(row: Row<ReceiptEntry>, whole: boolean): string | null {
    const state = this.#open.get(row.action_id);
    if (!state && whole) return `a receipt for ${row.action_id}, which has none open (a second one?)`;
    if (state === 'admitted' && needsIntent(row.outcome)) return `${row.outcome} without an intent`;
    this.#open.delete(row.action_id);
    this.#asked.delete(row.action_id);
    this.receipts++;
    if (!consumes(row) || row.idempotency_key === null) return null;
    if (row.outcome === 'unknown') this.#unknown.set(row.action_id, row.idempotency_key);
    return this.#consume(row.idempotency_key);
  }

  /** Of an action that nobody could tell the fate of, once; what did not happen has spent no key. */
  #correction({ action_id, idempotency_key, conclusion }: Row<CorrectionEntry>, whole: boolean): string | null {
    const key = this.#unknown.get(action_id);
    if (key === undefined ? whole : key !== idempotency_key)
      return `a correction of ${action_id}, which waits for none`;
    this.#unknown.delete(action_id);
    if (conclusion !== 'confirmed_not_applied') return null;
    const [, intent, n, revision] = EPISODE_KEY.exec(idempotency_key) ?? [];
    if (intent === undefined) this.#freed.add(idempotency_key);
    else if (this.#lastEpisode.get(intent)?.join() === [Number(n), Number(revision)].join())
      this.#lastEpisode.set(intent, [Number(n), Number(revision) - 1]);
    return null;
  }

  #consume(key: string): string | null {
    const episode = key.includes('@ep=') ? EPISODE_KEY.exec(key) : null;
    if (!episode) {
      const first = this.#consumed.add(key);
      // Freed or not before: now it is spent.
      return this.#freed.delete(key) || first ? null : `key ${key} took effect a second time`;
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
