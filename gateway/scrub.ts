/**
 * Looks through the whole journal from time to time, in a process of its own beside the work: pages, chain, and all that is stored
 * beside the rows. What a start checks is the end of it; a bit that turns over in the middle would wait for the day it is needed (G-IO-6).
 *
 * W1 Once a week, across restarts, and never in the hour of a start: what was found is a row.
 * W2 What does not hold is told, and nothing is done by itself until a person has acknowledged it.
 */
import { execFile } from 'node:child_process';
import { setPriority } from 'node:os';
import { extname, join } from 'node:path';
import { type Clock, FibricError, LIMITS, type Log, messageOf, type Timer } from '@fibric/sdk';
import { raise } from './alerts/raise.ts';
import type { FsckReport } from './journal/fsck.ts';
import type { Journal } from './journal/journal.ts';

/** Looks through the journal of a folder. Rejects when that could not be done. */
export type LookThrough = (dataDir: string, signal: AbortSignal) => Promise<FsckReport>;

export interface ScrubOptions {
  readonly dataDir: string;
  readonly journal: Journal;
  /** The site's: what rows are dated by. */
  readonly clock: Clock;
  /** Real time: how often it is asked whether it is time. */
  readonly ioClock: Clock;
  readonly log: Log;
  readonly lookThrough: LookThrough;
}

export interface Scrub {
  start(): void;
  stop(): Promise<void>;
}

/** Findings that stand in the row: more say nothing more. */
const FINDINGS_KEPT = 5;
/** Findings with all that they quote. */
const MOST_OUTPUT = 64 * 1024 * 1024;
const PROGRAM = join(import.meta.dirname, `scrub-main${extname(import.meta.url)}`);

/** What differs can be long: a policy, the state of an operator. */
const inShort = (detail: string): string => detail.slice(0, LIMITS.reasonChars).toWellFormed();

class Scrubbing implements Scrub {
  readonly #options: ScrubOptions;
  readonly #stopping = new AbortController();
  #timer: Timer | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.ioClock.after(LIMITS.scrubLookMs, () => {
      this.#work = this.#lookIfDue().finally(() => this.#stopping.signal.aborted || this.start());
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopping.abort();
    await this.#work;
  }

  async #lookIfDue(): Promise<void> {
    const { dataDir, journal, clock, log, lookThrough } = this.#options;
    const last = journal.projection.meta.rows.get('scrubbed_ms') ?? Number.NEGATIVE_INFINITY;
    if (journal.failure || Math.abs(clock.wallMs() - last) < LIMITS.scrubEveryMs) return;
    try {
      const { signal } = this.#stopping;
      const report = await lookThrough(dataDir, signal);
      // A disk that fails to give a page makes a file look broken as well: what does not hold is looked at twice.
      this.#found(report.clean ? report : await lookThrough(dataDir, signal));
      await journal.durable();
    } catch (error) {
      if (!this.#stopping.signal.aborted)
        log.warn({}, `the journal could not be looked through: ${messageOf(error)}; it is tried again within an hour`);
    }
  }

  #found({ rows, clean, findings }: FsckReport): void {
    const { journal, log } = this.#options;
    const kept = findings.slice(0, FINDINGS_KEPT).map(({ check, detail }) => ({ check, detail: inShort(detail) }));
    journal.append({ type: 'scrub/1', rows, findings: kept });
    if (clean) return log.info({ rows }, 'the journal was looked through: it holds');
    const [first] = kept;
    const reason = `the journal does not hold: ${first?.check}: ${first?.detail}; keep a copy of the folder, stop the gateway and run \`fibric fsck\``;
    journal.append({ type: 'hold/1', hold: 'journal_unsound', reason });
    raise({ journal, log }, 'held', `${reason}; nothing is done by itself until it is acknowledged`);
  }
}

export function createScrub(options: ScrubOptions): Scrub {
  return new Scrubbing(options);
}

/** In a process that gives way to every other. It reads one snapshot, however much is written meanwhile. */
export const lookThroughApart: LookThrough = (dataDir, signal) =>
  new Promise((resolve, reject) => {
    const options = { env: {}, signal, maxBuffer: MOST_OUTPUT };
    const child = execFile(process.execPath, [PROGRAM, dataDir], options, (error, out, err) => {
      if (error === null) resolve(JSON.parse(out) as FsckReport);
      else reject(new FibricError('journal_failed', err.trim() || messageOf(error)));
    });
    if (child.pid !== undefined) setPriority(child.pid, 19);
  });
