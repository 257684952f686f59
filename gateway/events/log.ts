/**
 * The event log: every envelope, in the order it was appended, in blocks, bounded, durable within a moment.
 *
 * L1 Appending costs one serialisation; compression and waiting for the disk happen beside it, one commit a block.
 * L2 What `flush` has acknowledged is there after a crash; what was not yet durable is lost whole, never torn.
 * L3 A cursor is not used again after a crash, though what it stood for may be lost: whoever resumes from one misses nothing.
 * L4 The log is bounded on the disk and in memory; what goes is counted and leaves a gap record.
 */
import { type Clock, type Envelope, FibricError, LIMITS, type Log, messageOf, type Timer } from '@fibric/sdk';
import type { EventReader } from '../journal/types.ts';
import { addToBlock, type Block, emptyBlock, encodeBlock, joinBlocks, lastSeq } from './block.ts';
import { createReader } from './reader.ts';
import { type BlockStore, createBlockStore, type Gap, opening, openDatabase } from './store.ts';

export interface EventLogOptions {
  readonly dir: string;
  /** Real time: how long a block waits for more. */
  readonly clock: Clock;
  /** Site time: when an envelope was appended. */
  readonly siteClock: Clock;
  readonly log: Log;
  /** Bound on the disk; left out, that of `LIMITS`. */
  readonly bytes?: number;
}

export interface EventLogStats {
  readonly head: number;
  /** Highest cursor on the disk. */
  readonly durable: number;
  /** Envelopes of this run that never reached the disk. */
  readonly lost: number;
  readonly bytes: number;
}

export interface EventLog extends EventReader {
  /** Takes an envelope and returns its cursor. Never waits and never fails for the disk's sake. */
  append(envelope: Envelope): number;
  /** Resolves when everything appended before is durable; rejects when some of it could not be written. */
  flush(): Promise<void>;
  gaps(): readonly Gap[];
  stats(): EventLogStats;
  /** Gives up about `bytes` of the oldest, for a disk that fills up. Returns what it gave up. */
  shrink(bytes: number): number;
  close(): Promise<void>;
}

/** Cursors that may have been given out before a crash without reaching the disk. */
const CRASH_SPAN = LIMITS.eventBlock * (LIMITS.eventBlocksWaiting + 1);

interface Waiter {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Opens the log for writing; there is one writer, which the lock on the journal sees to. Throws `FibricError`. */
export function openEventLog(options: EventLogOptions): EventLog {
  const { db, store, writer } = opening(options.dir, () => {
    const db = openDatabase(options.dir, { readonly: false });
    const store = createBlockStore(db, options.bytes ?? LIMITS.eventLogBytes);
    const writer = new Writer(options, store, reserveAfterCrash(store));
    store.setClean(false);
    return { db, store, writer };
  });
  const reader = createReader(db, () => writer.unwritten());
  return {
    ...reader,
    append: (envelope) => writer.append(envelope),
    head: () => writer.head(),
    flush: () => writer.flush(),
    stats: () => writer.stats(),
    shrink: (bytes) => store.shrink(bytes),
    async close() {
      await writer.stop();
      db.close();
    },
  };
}

/** The first cursor to give out (L3). */
function reserveAfterCrash(store: BlockStore): number {
  if (store.wasClean) return store.lastSeq + 1;
  const gap: Gap = { first_seq: store.lastSeq + 1, last_seq: store.lastSeq + CRASH_SPAN, reason: 'crash' };
  store.addGap(gap);
  return gap.last_seq + 1;
}

class Writer {
  readonly #options: EventLogOptions;
  readonly #store: BlockStore;
  #gathering: Block;
  /** Oldest first; the first one is being written. */
  readonly #queue: Block[] = [];
  /** The newest blocks on the disk that are not full: written again as one when together they are. */
  #loose: Block[] = [];
  #gaps: Gap[] = [];
  #waiters: Waiter[] = [];
  #timer: Timer | null = null;
  #writing = false;
  #durable: number;
  #lost = 0;

  constructor(options: EventLogOptions, store: BlockStore, firstSeq: number) {
    this.#options = options;
    this.#store = store;
    this.#gathering = emptyBlock(firstSeq);
    this.#durable = firstSeq - 1;
  }

  append(envelope: Envelope): number {
    const block = this.#gathering;
    addToBlock(block, envelope, this.#options.siteClock.wallMs());
    const cursor = lastSeq(block);
    if (block.lines.length >= LIMITS.eventBlock || block.chars >= LIMITS.eventBlockBytes) this.#cut();
    else this.#timer ??= this.#options.clock.after(LIMITS.eventBlockMs, () => this.#cut());
    return cursor;
  }

  flush(): Promise<void> {
    this.#cut();
    const seq = this.head();
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ seq, resolve, reject }));
  }

  /** Writes what there is. Only when all of it arrived is the next opening told that nothing is missing. */
  async stop(): Promise<void> {
    const outcome = await this.flush().then(
      () => 'written',
      () => 'lost',
    );
    this.#timer?.cancel();
    if (outcome === 'written' && this.head() === this.#durable) this.#store.setClean(true);
  }

  head(): number {
    return lastSeq(this.#gathering);
  }

  unwritten(): readonly Block[] {
    return this.#gathering.lines.length === 0 ? this.#queue : [...this.#queue, this.#gathering];
  }

  stats(): EventLogStats {
    return { head: this.head(), durable: this.#durable, lost: this.#lost, bytes: this.#store.bytes() };
  }

  /** Ends the block that is being gathered and sees that it is written. */
  #cut(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const block = this.#gathering;
    if (block.lines.length === 0) return;
    if (this.#queue.length >= LIMITS.eventBlocksWaiting) this.#drop(this.#queue.splice(1, 1), 'the disk is too slow');
    this.#queue.push(block);
    this.#gathering = emptyBlock(lastSeq(block) + 1);
    if (!this.#writing) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    for (let block = this.#queue[0]; block !== undefined; block = this.#queue[0]) {
      try {
        await this.#write(block);
      } catch (error) {
        this.#loose = [];
        this.#queue.shift();
        this.#drop([block], messageOf(error));
      }
    }
    this.#writing = false;
  }

  async #write(block: Block): Promise<void> {
    const together = joinBlocks([...this.#loose, block]);
    const full = together.lines.length >= LIMITS.eventBlock || together.chars >= LIMITS.eventBlockBytes;
    const row = await encodeBlock(full ? together : block);
    this.#store.insert(row, this.#gaps, full ? together.firstSeq : null);
    // In one turn of the loop with the insert: a reader finds the block on the disk or in the queue, never in both.
    this.#queue.shift();
    this.#durable = lastSeq(block);
    this.#gaps = [];
    this.#loose = full ? [] : [...this.#loose, block];
    this.#answer(
      (waiter) => waiter.seq <= this.#durable,
      (waiter) => waiter.resolve(),
    );
  }

  /** Gives blocks up: counted, told to whoever waits for them, recorded with the next block that can be written (L4). */
  #drop(blocks: readonly Block[], why: string): void {
    for (const block of blocks) {
      this.#lost += block.lines.length;
      this.#gaps.push({ first_seq: block.firstSeq, last_seq: lastSeq(block), reason: 'dropped' });
      this.#options.log.error({ events: block.lines.length, reason: why }, 'event log: a block was lost');
      const error = new FibricError('journal_failed', `the event log could not be written: ${why}`);
      this.#answer(
        (waiter) => waiter.seq >= block.firstSeq,
        (waiter) => waiter.reject(error),
      );
    }
  }

  #answer(which: (waiter: Waiter) => boolean, how: (waiter: Waiter) => void): void {
    const due = this.#waiters.filter(which);
    this.#waiters = this.#waiters.filter((waiter) => !which(waiter));
    for (const waiter of due) how(waiter);
  }
}
