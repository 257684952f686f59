/**
 * What happens as the disk fills up (G-IO-1): telemetry goes first, then admission; never a receipt, never the ability to finish.
 *
 * F1 Below 15 % the oldest telemetry goes, a little at a time, and a person is told.
 * F2 Below 5 % or 64 MiB, or without a reserve, no new plan is admitted; what is under way may end.
 * F4 A write-ahead log that somebody keeps from being emptied is told of, before it is the disk that is told of (row 102).
 * F3 A reserve of 32 MiB is given up once when the journal finds the disk full, and made again when there is room.
 */
import { open, rename, rm } from 'node:fs/promises';
import { statfsSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, LIMITS, type Log, messageOf, type Timer } from '@fibric/sdk';

export interface Space {
  readonly free_bytes: number;
  readonly total_bytes: number;
}

export interface SpaceOptions {
  readonly dir: string;
  /** Real time. */
  readonly clock: Clock;
  readonly log: Log;
  /** Something that a person is to hear of. Also called while a commit is under way. */
  readonly alert: (words: string) => void;
  readonly spaceOf: (dir: string) => Space;
  /** Gives up about so many bytes of telemetry; returns how many it gave up. */
  readonly shrink: (bytes: number) => number;
  /** Size of the journal's write-ahead log. */
  readonly walBytes: () => number;
  /** Size of the reserve. Left out: that of `LIMITS`. */
  readonly ballastBytes?: number;
}

export interface SpaceGuard {
  start(): void;
  stop(): Promise<void>;
  /** Why no new plan may be admitted now; null when one may (F2). */
  refusal(): string | null;
  /** Gives the reserve up. False when there is none any more (F3). */
  release(): boolean;
}

const MIB = 1024 * 1024;
const CHUNK = new Uint8Array(MIB);
const BALLAST_FILE = 'ballast';
/** Room that was found is there for so long: plans that come by the hundred share one look. */
const LOOKED_MS = 100;

/** What a process without privileges may still use of the file system of `dir`. */
export function spaceOf(dir: string): Space {
  const { bavail, blocks, bsize } = statfsSync(dir);
  return { free_bytes: bavail * bsize, total_bytes: blocks * bsize };
}

/** Size of a file; 0 when there is none. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

type Level = 'well' | 'low' | 'out';

function levelOf({ free_bytes, total_bytes }: Space): Level {
  if (free_bytes < LIMITS.spaceOutBytes || free_bytes < LIMITS.spaceOutShare * total_bytes) return 'out';
  return free_bytes < LIMITS.spaceLowShare * total_bytes ? 'low' : 'well';
}

const inWords = ({ free_bytes, total_bytes }: Space): string =>
  `${Math.floor(free_bytes / MIB)} MiB of ${Math.floor(total_bytes / MIB)} MiB are free`;

class Guard implements SpaceGuard {
  readonly #options: SpaceOptions;
  readonly #file: string;
  #timer: Timer | null = null;
  #level: Level = 'well';
  #stuck = false;
  #making: Promise<void> | null = null;
  /** Why there is no reserve; null while there is one, or it is being made. */
  #missing: string | null = null;
  #roomyUntil = Number.NEGATIVE_INFINITY;

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.#file = join(options.dir, BALLAST_FILE);
  }

  start(): void {
    this.#check();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#making;
  }

  refusal(): string | null {
    if (this.#missing !== null) return this.#missing;
    const { clock, dir, spaceOf } = this.#options;
    if (clock.monoMs() < this.#roomyUntil) return null;
    const space = spaceOf(dir);
    if (levelOf(space) === 'out') return inWords(space);
    this.#roomyUntil = clock.monoMs() + LOOKED_MS;
    return null;
  }

  release(): boolean {
    try {
      unlinkSync(this.#file);
    } catch {
      return false;
    }
    this.#missing = 'the disk was full, and the reserve was given up for what is under way';
    this.#options.alert(`${this.#missing}; no new plan is admitted until there is room`);
    return true;
  }

  #check(): void {
    const { clock, dir, spaceOf, walBytes } = this.#options;
    const space = spaceOf(dir);
    const level = levelOf(space);
    this.#tell(level, space);
    this.#tellOfWal(walBytes());
    if (level !== 'well') this.#options.shrink(LIMITS.spaceShrinkBytes);
    if (level !== 'out') this.#making ??= this.#makeBallast().finally(() => void (this.#making = null));
    this.#timer = clock.after(LIMITS.spaceCheckMs, () => this.#check());
  }

  /** Once for each change: a disk that stays full is no news. */
  #tell(level: Level, { ...space }: Space): void {
    if (level === this.#level) return;
    this.#level = level;
    const { log, alert } = this.#options;
    const words = inWords(space);
    if (level === 'well') log.info(space, `disk: ${words}; telemetry is kept and plans are admitted again`);
    else if (level === 'low') alert(`disk: ${words}; the oldest telemetry goes`);
    else alert(`disk: ${words}; no new plan is admitted`);
  }

  #tellOfWal(bytes: number): void {
    const stuck = bytes >= LIMITS.walStuckBytes;
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    const { log } = this.#options;
    if (!stuck) log.info({ bytes }, "the journal's write-ahead log is emptied again");
    else
      log.error(
        { bytes },
        `alert: the journal's write-ahead log has grown to ${Math.floor(bytes / MIB)} MiB: another program reads journal.db and does not come to an end; end that program (nothing is lost)`,
      );
  }

  /** Written in full, so that its blocks are really ours, and renamed only then: half a reserve is none. */
  async #makeBallast(): Promise<void> {
    const { ballastBytes = LIMITS.ballastBytes, alert } = this.#options;
    const unfinished = `${this.#file}.new`;
    try {
      const there = await open(this.#file).catch(() => null);
      if (there) {
        await there.close();
      } else {
        const file = await open(unfinished, 'w', 0o600);
        try {
          for (let left = ballastBytes; left > 0; left -= MIB) await file.write(CHUNK, 0, Math.min(MIB, left));
          await file.datasync();
        } finally {
          await file.close();
        }
        await rename(unfinished, this.#file);
      }
      this.#missing = null;
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      const why = `no reserve can be made on the disk: ${messageOf(error)}`;
      if (this.#missing !== why) alert(`${why}; no new plan is admitted`);
      this.#missing = why;
    }
  }
}

export function createSpaceGuard(options: SpaceOptions): SpaceGuard {
  return new Guard(options);
}
