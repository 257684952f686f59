/**
 * Store and forward: receipts first, oldest first, in the order of the journal; then the events that the site wants to send.
 *
 * Y1 The uplink may be gone for weeks: nothing waits for it, and afterwards everything is sent, once as far as the receiver keeps it.
 * Y2 A cursor moves only when the upstream has the item, or has refused it for good and that is recorded.
 * Y3 An item is repeated unchanged on network failure, 5xx, 429 and 409 `entity_locked` only.
 * Y4 The token is read at each request and stands in no log line, status or record.
 * Y5 Sync reads the journal and sends: nothing that comes back is ever acted on.
 */
import {
  type Clock,
  isoTime,
  type Log,
  matchesGlob,
  type Random,
  type Receipt,
  sleep,
  upstreamOutcome,
} from '@fibric/sdk';
import type { Upstream } from '../config/site.ts';
import type { EventReader, JournalReader, StoredEvent } from '../journal/types.ts';
import type { Witnessing } from '../proof/witness.ts';
import { createBackoff } from './backoff.ts';
import type { Cursors, DeadLetter, SyncStore } from './store.ts';
import { type Answer, type Item, post } from './uplink.ts';

/** `locked_out`: the token is missing or refused. `error`: stopped, because the upstream holds us for another tenant. */
export type SyncState = 'idle' | 'sending' | 'waiting' | 'locked_out' | 'error';

export interface SyncStatus {
  readonly object: 'sync';
  readonly state: SyncState;
  readonly upstream: string;
  /** `backlog`: receipts that the upstream does not have; counted up to 10,000. */
  readonly receipts: { readonly cursor: number; readonly backlog: number };
  /** `backlog`: entries of the event log not yet looked at or sent; 0 when no events are to be sent. */
  readonly events: { readonly cursor: number; readonly backlog: number };
  readonly dead_letters: { readonly count: number; readonly newest: readonly DeadLetter[] };
  readonly last_error: { readonly reason: string; readonly at: string } | null;
  readonly last_ack_at: string | null;
}

export interface SyncOptions {
  /** Names this journal for as long as it lives: the first half of every key. Another one when it has turned out to be a copy. */
  readonly source: () => string;
  /** Who cosigns what was sent; null: nobody. */
  readonly witness: Witnessing | null;
  readonly upstream: Upstream;
  readonly journal: JournalReader;
  readonly events: EventReader;
  readonly store: SyncStore;
  /** Real time, also in an accelerated world. */
  readonly clock: Clock;
  readonly random: Random;
  readonly secret: (slot: string) => string | null;
  readonly log: Log;
}

export interface Sync {
  start(): void;
  /** Ends the request in flight and waits until nothing runs any more. The store stays open. */
  stop(): Promise<void>;
  status(): SyncStatus;
}

/** How often to look for something new, or for another token. */
const POLL_MS = 500;
const BATCH = 200;
const COUNT_UP_TO = 10_000;
const RECEIPT_WRITTEN = 'receipt.written';

interface Pending {
  readonly item: Item;
  readonly stream: DeadLetter['stream'];
  readonly position: number;
}

export function createSync(options: SyncOptions): Sync {
  return new StoreAndForward(options);
}

class StoreAndForward implements Sync {
  readonly #options: SyncOptions;
  readonly #backoff;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #cursors: Cursors = { receipts: 0, events: 0 };
  #state: SyncState = 'idle';
  #lastError: SyncStatus['last_error'] = null;
  #lastAckAt: string | null = null;
  /** The token that the upstream refused: only another one is tried. */
  #refusedToken: string | null = null;

  constructor(options: SyncOptions) {
    this.#options = options;
    this.#backoff = createBackoff(options.random);
  }

  start(): void {
    this.#cursors = this.#plausible(this.#options.store.load());
    this.#running = this.#run().catch((error: unknown) => {
      this.#fail(`sync stopped: ${String(error)}`);
      this.#state = 'error';
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  status(): SyncStatus {
    const { events, store, upstream } = this.#options;
    const cursors = this.#cursors;
    return {
      object: 'sync',
      state: this.#state,
      upstream: new URL(upstream.url).origin,
      receipts: { cursor: cursors.receipts, backlog: this.#unsentReceipts() },
      events: {
        cursor: cursors.events,
        backlog: upstream.events.length === 0 ? 0 : Math.max(0, events.head() - cursors.events),
      },
      dead_letters: store.deadLetters(),
      last_error: this.#lastError,
      last_ack_at: this.#lastAckAt,
    };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { witness } = this.#options;
      if (witness?.due(this.#receipts().length === 0)) this.#setBack(await witness.ask(this.#stop.signal));
      const batch = this.#nextBatch();
      if (batch === null) this.#state = 'idle';
      if (batch === null || batch.length === 0)
        await sleep(this.#options.clock, batch === null ? POLL_MS : 0, this.#stop.signal);
      for (const pending of batch ?? []) {
        if (!(await this.#deliver(pending))) return;
        // A receipt that is written while events are being sent goes before the rest of them.
        if (pending.stream === 'events' && this.#receipts().length > 0) break;
      }
    }
  }

  /** The upstream has lost what came after so many rows: it gets them once more, and keeps what it still has (row 113). */
  #setBack(rows: number | null): void {
    if (rows === null || rows >= this.#cursors.receipts) return;
    this.#options.log.warn({ rows }, 'the upstream was put back: receipts after these rows are sent once more');
    this.#moveTo({ ...this.#cursors, receipts: rows });
  }

  /** Receipts before events, both oldest first. Null when there is nothing; empty when only unwanted events were passed by. */
  #nextBatch(): readonly Pending[] | null {
    const receipts = this.#receipts();
    return receipts.length > 0 ? receipts : this.#events();
  }

  #receipts(): readonly Pending[] {
    const { journal, source } = this.#options;
    if (journal.head() <= this.#cursors.receipts) return [];
    return journal.receiptsAfter(this.#cursors.receipts, BATCH).map((receipt) => ({
      item: { key: `${source()}:${receipt.receipt_id}`, body: receiptBody(receipt) },
      stream: 'receipts',
      position: receipt.seq,
    }));
  }

  #events(): readonly Pending[] | null {
    const { events, source, upstream } = this.#options;
    if (upstream.events.length === 0 || events.head() <= this.#cursors.events) return null;
    const batch = events.eventsAfter(this.#cursors.events, BATCH);
    const wanted = batch.filter(({ envelope }) => wantedUpstream(envelope.event_type, upstream.events));
    const last = batch.at(-1);
    if (last === undefined) return null;
    if (wanted.length === 0) this.#moveTo({ ...this.#cursors, events: last.cursor });
    return wanted.map((event) => ({
      item: { key: `${source()}:${event.envelope.event_id}`, body: eventBody(event) },
      stream: 'events',
      position: event.cursor,
    }));
  }

  /** Sends one item until the upstream is done with it. False when there is nothing more to do. */
  async #deliver(pending: Pending): Promise<boolean> {
    while (!this.#stop.signal.aborted) {
      const token = await this.#token();
      if (this.#stop.signal.aborted) return false;
      this.#state = this.#state === 'waiting' ? 'waiting' : 'sending';
      const { upstream, clock } = this.#options;
      const answer = await post(pending.item, { url: upstream.url, token, clock }, this.#stop.signal);
      if (this.#stop.signal.aborted && answer.kind === 'retry') return false;
      if (await this.#settle(pending, answer, token)) return answer.kind !== 'wrong_tenant';
    }
    return false;
  }

  /** What one answer leads to (Y2, Y3). True when the item is done with. */
  async #settle(pending: Pending, answer: Answer, token: string | null): Promise<boolean> {
    switch (answer.kind) {
      case 'stored':
        this.#acknowledged(pending);
        await this.#pause(answer.pauseMs);
        return true;
      case 'refused':
        this.#bury(pending, answer);
        return true;
      case 'wrong_tenant':
        this.#fail(`the upstream stopped us: ${answer.reason}`);
        this.#state = 'error';
        return true;
      case 'locked_out':
        this.#refusedToken = token;
        this.#fail(`the upstream refuses the token: ${answer.reason}`);
        this.#state = 'locked_out';
        return false;
      case 'retry':
        this.#fail(answer.reason);
        this.#state = 'waiting';
        await this.#pause(Math.max(answer.afterMs ?? 0, this.#backoff.next()));
        return false;
    }
  }

  #acknowledged(pending: Pending): void {
    if (this.#lastError !== null && this.#state === 'waiting') this.#options.log.info({}, 'upstream reachable again');
    this.#backoff.reset();
    this.#state = 'sending';
    this.#lastAckAt = isoTime(this.#options.clock.wallMs());
    this.#moveTo(this.#past(pending));
  }

  #bury(pending: Pending, answer: Extract<Answer, { kind: 'refused' }>): void {
    const { key } = pending.item;
    const { status, code, reason } = answer;
    const at = isoTime(this.#options.clock.wallMs());
    const cursors = this.#past(pending);
    this.#options.store.bury(
      { key, stream: pending.stream, position: pending.position, status, code, reason, at },
      cursors,
    );
    this.#cursors = cursors;
    this.#state = 'sending';
    this.#backoff.reset();
    this.#fail(`refused for good: ${key}: ${reason}`);
  }

  #past(pending: Pending): Cursors {
    return { ...this.#cursors, [pending.stream]: pending.position };
  }

  #moveTo(cursors: Cursors): void {
    this.#options.store.save(cursors);
    this.#cursors = cursors;
  }

  /** The token to send with: null when the upstream needs none; waits while the slot is empty or holds the refused one. */
  async #token(): Promise<string | null> {
    const slot = this.#options.upstream.secret;
    if (slot === null) {
      // Refused without a token: as long as the site names none, there is nothing else to try.
      while (this.#state === 'locked_out' && !this.#stop.signal.aborted) await this.#pause(POLL_MS);
      return null;
    }
    for (;;) {
      const token = this.#options.secret(slot);
      if (this.#stop.signal.aborted || (token !== null && token !== this.#refusedToken)) return token;
      if (token === null && this.#state !== 'locked_out') this.#fail(`secret slot ${slot} is empty`);
      this.#state = 'locked_out';
      await this.#pause(POLL_MS);
    }
  }

  /** Said once: an outage of a week is one line in the log, not a million. */
  #fail(reason: string): void {
    if (this.#lastError?.reason !== reason || this.#state !== 'waiting') this.#options.log.warn({ reason }, 'upstream');
    this.#lastError = { reason, at: isoTime(this.#options.clock.wallMs()) };
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(this.#options.clock, ms, this.#stop.signal);
  }

  /** A cursor ahead of the journal or the log belongs to one that is gone: begin again; the receiver knows what it has. */
  #plausible(cursors: Cursors): Cursors {
    const { journal, events, log } = this.#options;
    const receipts = cursors.receipts > journal.head() ? 0 : cursors.receipts;
    const past = cursors.events > events.head() ? 0 : cursors.events;
    if (receipts !== cursors.receipts || past !== cursors.events) {
      log.warn({ ...cursors }, 'the journal or the event log is shorter than what was sent: sending it from the start');
    }
    return { receipts, events: past };
  }

  #unsentReceipts(): number {
    let count = 0;
    let cursor = this.#cursors.receipts;
    while (count < COUNT_UP_TO && this.#options.journal.head() > cursor) {
      const batch = this.#options.journal.receiptsAfter(cursor, 1_000);
      count += batch.length;
      if (batch.length < 1_000) break;
      cursor = batch.at(-1)?.seq ?? cursor;
    }
    return count;
  }
}

/** Receipts travel whole and by themselves: the notice that one was written would count it a second time. */
function wantedUpstream(eventType: string, globs: readonly string[]): boolean {
  return eventType !== RECEIPT_WRITTEN && globs.some((glob) => matchesGlob(glob, eventType));
}

/** No tenancy beside what the receipt itself says: the upstream knows us by the token. */
function receiptBody(receipt: Receipt): string {
  return JSON.stringify({
    source: 'gateway',
    event_type: RECEIPT_WRITTEN,
    payload: { outcome: upstreamOutcome(receipt.outcome), receipt },
    correlation_id: receipt.correlation_id,
  });
}

function eventBody({ envelope }: StoredEvent): string {
  const { source, event_type, payload, correlation_id } = envelope;
  return JSON.stringify({ source, event_type, payload, correlation_id });
}
