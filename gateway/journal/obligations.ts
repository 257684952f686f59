/**
 * What is owed, in a second small file: writes whose outcome is not known yet, leases with what was there before, a stop that is on.
 * A journal that is lost still leaves behind what has to be looked at, and what has to be taken back (G-IO-4).
 *
 * M1 Two slots, each with its checksum, written in turn and flushed: half a write leaves the other slot.
 * M2 The file names a row of the journal and its hash: a journal that was replaced by an older copy of itself does not have it.
 * M3 Nothing waits for it: it follows the journal by a moment.
 */
import { hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Log, messageOf, type Timer } from '@fibric/sdk';
import type { Owed } from './inherited.ts';

export const OBLIGATIONS_FILE = 'obligations';

export interface Obligations extends Owed {
  readonly gateway_uid: string;
  readonly epoch: number;
  /** The last row that was durable when this was written. */
  readonly seq: number;
  readonly hash: string;
}

/** Thousands of leases fit: more than one house has. */
const SLOT_BYTES = 4 * 1024 * 1024;
const HEAD = /^fibric-obligations\/2 (\d{1,15}) (\d{1,7}) ([0-9a-f]{64})\n/;
/** The longest line that `HEAD` matches. */
const HEAD_BYTES = 128;
/** At most so often: a flush a second is nothing, one for every action would be half of them. */
const WRITE_EVERY_MS = 1_000;

interface Slot {
  readonly generation: number;
  readonly obligations: Obligations;
}

/** `length` bytes of the file, or as many as there are. */
function bytesAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, from));
}

/** The slot that begins at `from`, or null when it was never written, or not to its end. */
function readSlot(fd: number, from: number): Slot | null {
  const head = HEAD.exec(bytesAt(fd, from, HEAD_BYTES).toString('latin1'));
  if (!head) return null;
  const [line, generation, length, sum] = head;
  const body = bytesAt(fd, from + line.length, Math.min(Number(length), SLOT_BYTES));
  if (hash('sha256', body, 'hex') !== sum) return null;
  return { generation: Number(generation), obligations: JSON.parse(body.toString()) as Obligations };
}

function readNewest(dataDir: string): Slot | null {
  let fd: number;
  try {
    fd = openSync(join(dataDir, OBLIGATIONS_FILE), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const slots = [0, SLOT_BYTES].flatMap((from) => readSlot(fd, from) ?? []);
    return slots.toSorted((a, b) => b.generation - a.generation)[0] ?? null;
  } finally {
    closeSync(fd);
  }
}

/** The newest whole slot of the folder, or null. */
export function readObligations(dataDir: string): Obligations | null {
  return readNewest(dataDir)?.obligations ?? null;
}

export interface Mirror {
  /** Something may be owed that was not, or the reverse: written within a moment (M3). */
  touch(): void;
  /** Writes what is owed now. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface MirrorOptions {
  readonly dataDir: string;
  /** Real time. */
  readonly clock: Clock;
  readonly log: Log;
  readonly take: () => Obligations;
}

class SlotMirror implements Mirror {
  readonly #options: MirrorOptions;
  readonly #file: FileHandle;
  #generation: number;
  #written = '';
  #timer: Timer | null = null;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(options: MirrorOptions, file: FileHandle, generation: number) {
    this.#options = options;
    this.#file = file;
    this.#generation = generation;
  }

  touch(): void {
    this.#timer ??= this.#options.clock.after(WRITE_EVERY_MS, () => {
      this.#timer = null;
      void this.flush();
    });
  }

  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.flush();
    await this.#file.close();
  }

  async #write(): Promise<void> {
    const obligations = this.#options.take();
    const { epoch, doubts, leases, stop } = obligations;
    // The row that it names need not be the newest one: any of this journal will do.
    const owed = JSON.stringify([epoch, doubts, leases, stop]);
    if (owed === this.#written) return;
    const body = Buffer.from(JSON.stringify(obligations));
    const generation = this.#generation + 1;
    const head = `fibric-obligations/2 ${generation} ${body.length} ${hash('sha256', body, 'hex')}\n`;
    try {
      if (head.length + body.length > SLOT_BYTES)
        throw new Error(`${doubts.length} doubts and ${leases.length} leases do not fit`);
      await this.#file.write(Buffer.concat([Buffer.from(head), body]), 0, null, (generation % 2) * SLOT_BYTES);
      await this.#file.datasync();
      this.#generation = generation;
      this.#written = owed;
      this.#failed = false;
    } catch (error) {
      // The journal is what counts; that its shadow fails is told once.
      if (!this.#failed) this.#options.log.error({}, `alert: what is owed cannot be mirrored: ${messageOf(error)}`);
      this.#failed = true;
    }
  }
}

/** Opens the mirror of a folder for writing; what was in it goes on to be readable until it is written over. */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const path = join(options.dataDir, OBLIGATIONS_FILE);
  const generation = readNewest(options.dataDir)?.generation ?? 0;
  const file = await open(path, 'r+').catch(() => open(path, 'w+', 0o600));
  return new SlotMirror(options, file, generation);
}
