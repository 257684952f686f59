/**
 * One connection over time: it connects, asks who is there, lets one job at a time have the link, and connects again when it is lost.
 *
 * M7 A write goes before everything that waits, a read on demand before polls (D4).
 * M8 Whatever waits is answered when its time is up, when connecting fails and when the session stops (D3).
 */
import { sleep, type Clock, type Random, type Timer } from '@fibric/sdk';
import { connectSocket, Link, type Target, where } from './link.ts';

/** Who goes first: a job of a lower rank overtakes all of a higher one. */
export const RANK = { write: 0, read: 1, poll: 2 } as const;
export type Rank = (typeof RANK)[keyof typeof RANK];

/** Why a job never had the link: not a byte was sent for it. */
export interface Unavailable {
  readonly reason_code: 'disconnected' | 'timeout' | 'world_mismatch' | 'stopped';
  readonly message: string;
}

export type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly why: Unavailable };

/** What the first talk on a fresh link found out: null to go on, or why this peer is not to be spoken to. */
export type Greeting = (link: Link) => Promise<string | null>;

export interface SessionOptions {
  readonly target: Target;
  readonly timeoutMs: number;
  readonly pauseMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly greet: Greeting;
  readonly onState: (state: State) => void;
}

/** Has the link to itself until its promise settles. `leftMs`: how long the next exchange may take. */
export type Run<T> = (link: Link, leftMs: () => number) => Promise<T>;

interface Job {
  readonly rank: Rank;
  readonly run: (link: Link) => Promise<void>;
  readonly giveUp: (why: Unavailable) => void;
  readonly isWanted: () => boolean;
}

/** For a job that may wait as long as it takes: a poll, of which there is one at a time. */
export const NEVER = Number.POSITIVE_INFINITY;

const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 30_000;
/** A link that lived so long and brought answers was a good one: when it is lost, connecting again need not wait. */
const PROVEN_MS = 1_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #stop = new AbortController();
  readonly #queue: Job[] = [];
  #state: State = { kind: 'connecting' };
  #link: Link | null = null;
  #busy = false;
  #wake: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get state(): State {
    return this.#state;
  }

  start(): void {
    this.#running = this.#live();
  }

  /**
   * Queues a job, to have ended by `endMs`. Without a link, polls are turned away; reads and writes hurry the next attempt and wait.
   * When its turn comes and it is not `wanted` any more, it is passed over, and its promise stays open.
   */
  submit<T>(
    rank: Rank,
    endMs: number,
    run: Run<T>,
    turnedAway: (why: Unavailable) => T,
    wanted: () => boolean = () => true,
  ): Promise<T> {
    const { clock, timeoutMs } = this.#options;
    const leftMs = (): number => Math.min(timeoutMs, Math.ceil(endMs - clock.monoMs()));
    if (this.#stop.signal.aborted) return Promise.resolve(turnedAway(STOPPED));
    if (this.#state.kind === 'down' && rank === RANK.poll) return Promise.resolve(turnedAway(this.#state.why));
    return new Promise((resolve, reject) => {
      const job: Job = {
        rank,
        run: (link) => {
          timer?.cancel();
          return run(link, leftMs).then(resolve, reject);
        },
        giveUp: (why) => {
          timer?.cancel();
          resolve(turnedAway(why));
        },
        isWanted: () => {
          if (!wanted()) timer?.cancel();
          return wanted();
        },
      };
      const timer: Timer | null = endMs < NEVER ? clock.after(endMs - clock.monoMs(), () => this.#expire(job)) : null;
      this.#enqueue(job);
    });
  }

  #enqueue(job: Job): void {
    const behind = this.#queue.findIndex((waiting) => waiting.rank > job.rank);
    this.#queue.splice(behind < 0 ? this.#queue.length : behind, 0, job);
    this.#wake?.abort();
    this.#next();
  }

  /** Drops the link abortively and connects again at once. */
  reset(): void {
    this.#link?.close(RESET);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#link?.close(STOPPED.message);
    this.#turnAway(STOPPED);
    await this.#running;
  }

  async #live(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      this.#become({ kind: 'connecting' });
      const end = await this.#once();
      if (this.#stop.signal.aborted) break;
      failures = end.proven ? 0 : failures + 1;
      if (failures === 0) continue;
      this.#become({ kind: 'down', why: end.why });
      this.#turnAway(end.why);
      await this.#waitBeforeRetry(failures);
    }
  }

  /** One link from connecting to its end. */
  async #once(): Promise<{ proven: boolean; why: Unavailable }> {
    const { target, timeoutMs, clock, greet } = this.#options;
    const socket = await connectSocket(target, timeoutMs, clock, this.#stop.signal);
    if (typeof socket === 'string') return { proven: false, why: { reason_code: 'disconnected', message: socket } };
    const startedMs = clock.monoMs();
    const closed = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<string>();
    socket.once('close', () => closed.resolve());
    const link = new Link(socket, clock, (why) => {
      this.#link = null;
      ended.resolve(why);
    });
    this.#link = link;
    link.open();
    const refusal = await greet(link);
    if (refusal !== null) link.close(refusal);
    else this.#open(link);
    const message = await ended.promise;
    await closed.promise;
    if (message === refusal) return { proven: false, why: { reason_code: 'world_mismatch', message } };
    const proven = message === RESET || (link.answers > 0 && clock.monoMs() - startedMs >= PROVEN_MS);
    return { proven, why: { reason_code: 'disconnected', message: `lost ${where(target)}: ${message}` } };
  }

  #open(link: Link): void {
    if (link.closed) return;
    this.#become({ kind: 'up' });
    this.#next();
  }

  /** Waits 250 ms, doubling to 30 s, with jitter so that a restarted server is not met by everybody at once. */
  async #waitBeforeRetry(failures: number): Promise<void> {
    const { clock, random } = this.#options;
    const mostMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** (failures - 1));
    this.#wake = new AbortController();
    const either = AbortSignal.any([this.#wake.signal, this.#stop.signal]);
    await sleep(clock, mostMs * (0.5 + 0.5 * random.next()), either);
    this.#wake = null;
  }

  #become(state: State): void {
    this.#state = state;
    this.#options.onState(state);
  }

  #next(): void {
    if (this.#busy || this.#link === null || this.#state.kind !== 'up') return;
    let job = this.#queue.shift();
    while (job !== undefined && !job.isWanted()) job = this.#queue.shift();
    if (job === undefined) return;
    this.#busy = true;
    void job.run(this.#link).finally(() => this.#rest());
  }

  #rest(): void {
    const { pauseMs, clock } = this.#options;
    const go = (): void => {
      this.#busy = false;
      this.#next();
    };
    if (pauseMs > 0) void sleep(clock, pauseMs, this.#stop.signal).then(go);
    else go();
  }

  #expire(job: Job): void {
    const index = this.#queue.indexOf(job);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    const message =
      this.#state.kind === 'down' ? this.#state.why.message : 'its time was up while it waited for the link';
    job.giveUp({ reason_code: 'timeout', message });
  }

  #turnAway(why: Unavailable): void {
    for (const job of this.#queue.splice(0)) job.giveUp(why);
  }
}

const RESET = 'the link was reset';
const STOPPED: Unavailable = { reason_code: 'stopped', message: 'the driver was stopped' };
