/**
 * A file in blocks of whole lines, a few of them read ahead. While the lines of one are verified a second thread looks at those of the
 * next; what it has not come to is looked at here, so that nothing waits for it to begin, and nothing depends on it.
 */
import { readSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Block, NEWLINE } from './block.ts';

const BLOCKS = 4;
const READ_BYTES = 1024 * 1024;
/** So many blocks are done before a thread has begun. */
const ALONE = 8;
const PROGRAM = join(import.meta.dirname, `block-helper${extname(import.meta.url)}`);

/** What the helper is started with. `calls` counts up when there is something to look at, and is `ENOUGH` when there never will be. */
export interface HelperData {
  readonly calls: Int32Array;
  readonly blocks: readonly SharedArrayBuffer[];
}
export const ENOUGH = -1;

export class Blocks {
  readonly #fd: number;
  readonly #lineBytes: number;
  readonly #ring: Block[] = [];
  readonly #calls = new Int32Array(new SharedArrayBuffer(4));
  #filled = 0;
  #given = 0;
  #ended = false;
  #rest: Buffer = Buffer.alloc(0);

  /** Reads no further than a line that is longer than `lineBytes`. */
  constructor(fd: number, lineBytes: number) {
    this.#fd = fd;
    this.#lineBytes = lineBytes;
  }

  /** What there was behind the last whole line, when there is no block any more. */
  get rest(): Buffer {
    return this.#rest;
  }

  /** The next block, whose lines were looked at; the one before is used again. */
  next(): Block | null {
    while (!this.#ended && this.#filled < this.#given + BLOCKS) this.#fill();
    if (this.#given === this.#filled) return null;
    const block = this.#ring[this.#given % BLOCKS] as Block;
    this.#given += 1;
    if (this.#given === ALONE && !this.#ended) startHelper(this.#calls, this.#ring);
    return looked(block, this.#ring);
  }

  /** Ends the helper. */
  close(): void {
    this.#call(ENOUGH);
  }

  #fill(): void {
    const block = (this.#ring[this.#filled % BLOCKS] ??= Block.ofBytes(this.#lineBytes + 2 * READ_BYTES));
    const { bytes } = block;
    let held = this.#rest.copy(bytes);
    let end = 0;
    do {
      const read = readSync(this.#fd, bytes, held, READ_BYTES, null);
      this.#ended = read === 0;
      const newline = bytes.subarray(held, held + read).lastIndexOf(NEWLINE);
      if (newline !== -1) end = held + newline + 1;
      held += read;
    } while (!this.#ended && (end === 0 ? held <= this.#lineBytes : held < READ_BYTES));
    this.#rest = bytes.subarray(end, held);
    this.#ended ||= end === 0;
    if (end === 0) return;
    block.filled(end);
    this.#filled += 1;
    this.#call(this.#filled);
  }

  #call(count: number): void {
    Atomics.store(this.#calls, 0, count);
    Atomics.notify(this.#calls, 0);
  }
}

/** The block, after all that it holds was looked at: here, or by a helper, while here another is. */
export function looked(block: Block, others: readonly Block[]): Block {
  while (!block.looked) if (!block.look() && !others.some((other) => other.look())) block.wait();
  return block;
}

/** Starts a thread that looks at these blocks when it is called. What it fails at is done by whoever needs it, and fails there. */
export function startHelper(calls: Int32Array, blocks: readonly Block[]): Worker {
  const workerData: HelperData = { calls, blocks: blocks.map(({ shared }) => shared) };
  const helper = new Worker(PROGRAM, { workerData, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 2 } });
  helper.on('error', () => undefined);
  helper.unref();
  return helper;
}
