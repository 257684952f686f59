/**
 * An operator in a process of its own, as the gateway holds it: runs are handed over in order, answers come back in order,
 * and whatever the operator does to its process ends one run and nothing else.
 *
 * H5 The deadline of a run starts when the one before it has been answered, and is enforced from outside.
 * H8 Every run that was handed over is answered exactly once: with a plan, or with why there is none.
 * H9 When a host dies, the run that was at work fails; those behind it, which cannot have begun, go to the next host.
 */
import {
  type Clock,
  type Envelope,
  FibricError,
  formatDuration,
  LIMITS,
  type Log,
  messageOf,
  type Timer,
} from '@fibric/sdk';
import type { Reasoning } from '../reasoner.ts';
import { readFrame } from './frames.ts';
import { stateOf, stateTooLarge } from './inspect.ts';
import { type End, type Link, openLink } from './link.ts';
import { hostCommand, operatorFile } from './sandbox.ts';
import type { Description, FromHost, Now } from './wire.ts';

type State = Readonly<Record<string, unknown>>;

export type { Description } from './wire.ts';

export interface HostDeps {
  /** The operator's name in the site, for the log. */
  readonly operator: string;
  readonly folder: string;
  readonly settings: State;
  readonly state: State;
  /** Real time, also in an accelerated world: a deadline is about this machine. */
  readonly clock: Clock;
  readonly log: Log;
  readonly bound: (capability: string) => readonly string[];
  readonly reasoning: (description: Description) => Reasoning;
}

export interface RunRequest {
  readonly run_id: string;
  readonly event: Envelope;
  readonly now: Now;
  /** Answers what the run senses; only capabilities of `requires` arrive here. */
  readonly sense: (capability: string, args: State) => Promise<unknown>;
}

/** How a run ended. `plan` was checked for size, depth and keys only; `state` is what it asks to be remembered. */
export type RunResult =
  | { readonly kind: 'plan'; readonly plan: unknown; readonly state: State | null; readonly reasoned: boolean }
  | { readonly kind: 'failed'; readonly reason_code: string; readonly reason: string };

export interface OperatorHost {
  /** Starts the process and says what the operator is. Throws `FibricError` `operator_invalid`. */
  start(): Promise<Description>;
  /** Never rejects. */
  run(request: RunRequest): Promise<RunResult>;
  /** What the operator remembers from here on, when what it returned was not committed. */
  remember(state: State): void;
  stop(): Promise<void>;
}

interface Task {
  readonly request: RunRequest;
  readonly answer: (result: RunResult) => void;
  senses: number;
}

interface Handshake {
  readonly done: (description: Description) => void;
  readonly failed: (message: string) => void;
}

/** Pause before the n-th start in a row that follows a death: none, then doubling. */
const BACKOFF_MS = 250;

function backoffMs(deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(BACKOFF_MS * 2 ** (deaths - 2), LIMITS.hostBackoffMs);
}

export function createOperatorHost(deps: HostDeps): OperatorHost {
  return new Host(deps);
}

class Host implements OperatorHost {
  readonly #deps: HostDeps;
  /** Oldest first; the first is at work when a host is ready. */
  readonly #tasks: Task[] = [];
  #link: Link | null = null;
  #handshake: Handshake | null = null;
  #description: Description | null = null;
  #state: State;
  #deaths = 0;
  #headSinceMs = 0;
  #deadline: Timer | null = null;
  #restart: Timer | null = null;
  #stopped = false;

  constructor(deps: HostDeps) {
    this.#deps = deps;
    this.#state = deps.state;
  }

  async start(): Promise<Description> {
    const description = await this.#open();
    this.#description = description;
    this.#begin(description);
    return description;
  }

  run(request: RunRequest): Promise<RunResult> {
    return new Promise((answer) => {
      if (this.#stopped) {
        answer(failed('stopped', 'the gateway is stopping'));
        return;
      }
      const task = { request, answer, senses: 0 };
      this.#tasks.push(task);
      if (!this.#isReady()) return;
      this.#hand(task);
      if (this.#tasks.length === 1) this.#headStarts();
    });
  }

  remember(state: State): void {
    this.#state = state;
    if (this.#isReady()) this.#link?.send({ t: 'state', state });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#deadline?.cancel();
    this.#restart?.cancel();
    const link = this.#link;
    this.#handshake?.failed('the gateway is stopping');
    this.#link = null;
    link?.kill();
    this.#failAll(failed('stopped', 'the gateway is stopping'));
    await link?.gone;
  }

  #isReady(): boolean {
    return this.#link !== null && this.#handshake === null;
  }

  /** Starts a process and waits until it has said what it is, or has not. */
  #open(): Promise<Description> {
    const { operator, folder, settings, log, clock } = this.#deps;
    return new Promise((resolve, reject) => {
      const link = openLink({
        operator,
        folder,
        command: hostCommand(folder),
        log,
        clock,
        onLine: (line) => this.#line(link, line),
        onEnd: (end) => this.#ended(link, end),
      });
      const timer = clock.after(LIMITS.hostStartMs, () =>
        this.#lose(link, {
          reason_code: 'deadline',
          reason: `it was not loaded within ${formatDuration(LIMITS.hostStartMs)}`,
        }),
      );
      const settle = (finish: () => void): void => {
        timer.cancel();
        this.#handshake = null;
        finish();
      };
      this.#link = link;
      this.#handshake = {
        done: (description) => settle(() => resolve(description)),
        failed: (message) => {
          this.#link = null;
          link.kill();
          settle(() => reject(new FibricError('operator_invalid', `operator '${operator}': ${message}`)));
        },
      };
      link.send({ t: 'init', file: operatorFile(folder), settings });
    });
  }

  #begin(description: Description): void {
    const bound = Object.fromEntries(description.requires.map((name) => [name, this.#deps.bound(name)]));
    this.#link?.send({ t: 'begin', bound, reasoning: this.#deps.reasoning(description), state: this.#state });
    for (const task of this.#tasks) this.#hand(task);
    this.#headStarts();
  }

  #hand(task: Task): void {
    const { run_id, event, now } = task.request;
    task.senses = 0;
    this.#link?.send({ t: 'run', run: run_id, event, now });
  }

  #line(link: Link, line: string): void {
    if (link !== this.#link) return;
    const read = readFrame(line);
    if (read.kind === 'refused') this.#lose(link, read);
    else this.#frame(link, read.frame);
  }

  #frame(link: Link, frame: FromHost): void {
    if (this.#handshake !== null) {
      if (frame.t === 'ready') this.#handshake.done(frame.description);
      else this.#handshake.failed(frame.t === 'broken' ? frame.message : 'its host spoke out of turn');
      return;
    }
    const head = this.#tasks[0];
    if (frame.t === 'ready' || frame.t === 'broken' || head === undefined || head.request.run_id !== frame.run) {
      this.#lose(link, { reason_code: 'host_rubbish', reason: 'its host spoke out of turn' });
      return;
    }
    switch (frame.t) {
      case 'sense':
        void this.#sense(link, head, frame);
        return;
      case 'plan':
        this.#planned(link, frame);
        return;
      case 'failed':
        this.#answerHead(failed(frame.code, frame.message));
        return;
    }
  }

  #planned(link: Link, frame: Extract<FromHost, { t: 'plan' }>): void {
    const state = stateOf(frame.plan);
    const tooLarge = stateTooLarge(state);
    if (tooLarge !== null) {
      this.#lose(link, { reason_code: 'state_too_large', reason: tooLarge });
      return;
    }
    if (state !== null) this.#state = state;
    this.#deaths = 0;
    this.#answerHead({ kind: 'plan', plan: frame.plan, state, reasoned: frame.reasoned });
  }

  async #sense(link: Link, task: Task, frame: Extract<FromHost, { t: 'sense' }>): Promise<void> {
    const { call, capability, args } = frame;
    task.senses += 1;
    if (task.senses > LIMITS.sensesPerRun) {
      this.#lose(link, { reason_code: 'too_many_reads', reason: `more than ${LIMITS.sensesPerRun} reads in one run` });
      return;
    }
    try {
      if (!this.#description?.requires.includes(capability)) throw new Error(`'${capability}' is not in its requires`);
      link.send({ t: 'sensed', call, value: (await task.request.sense(capability, args)) ?? null });
    } catch (error) {
      link.send({ t: 'unsensed', call, message: messageOf(error) });
    }
  }

  #answerHead(result: RunResult): void {
    this.#tasks.shift()?.answer(result);
    this.#headStarts();
  }

  #failAll(result: RunResult): void {
    for (const task of this.#tasks.splice(0)) task.answer(result);
  }

  /** The next run begins. One timer serves them all: it looks again when it comes too early. */
  #headStarts(): void {
    this.#headSinceMs = this.#deps.clock.monoMs();
    if (this.#deadline === null && this.#tasks.length > 0) this.#watch(LIMITS.runDeadlineMs);
  }

  #watch(delayMs: number): void {
    this.#deadline = this.#deps.clock.after(delayMs, () => {
      this.#deadline = null;
      const link = this.#link;
      if (link === null || this.#handshake !== null || this.#tasks.length === 0) return;
      const leftMs = this.#headSinceMs + LIMITS.runDeadlineMs - this.#deps.clock.monoMs();
      if (leftMs > 0) this.#watch(leftMs);
      else
        this.#lose(link, {
          reason_code: 'deadline',
          reason: `it did not end within ${formatDuration(LIMITS.runDeadlineMs)}`,
        });
    });
  }

  /** Gives a host up: it is killed, and nothing it still sends is read. */
  #lose(link: Link, end: End): void {
    link.kill();
    this.#ended(link, end);
  }

  #ended(link: Link, end: End): void {
    if (link !== this.#link) return;
    if (this.#handshake !== null) {
      this.#handshake.failed(end.reason);
      return;
    }
    this.#link = null;
    this.#deaths += 1;
    this.#deps.log.warn(
      { operator: this.#deps.operator, reason_code: end.reason_code },
      `operator host lost: ${end.reason}`,
    );
    this.#tasks.shift()?.answer(failed(end.reason_code, end.reason));
    this.#restartSoon();
  }

  #restartSoon(): void {
    if (this.#stopped) return;
    const delayMs = backoffMs(this.#deaths);
    if (delayMs === 0) void this.#reopen();
    else this.#restart = this.#deps.clock.after(delayMs, () => void this.#reopen());
  }

  async #reopen(): Promise<void> {
    try {
      await this.#open();
      // What it said it is when it was started holds: a host cannot widen its own requires by dying.
      if (this.#description !== null && !this.#stopped) this.#begin(this.#description);
    } catch (error) {
      if (this.#stopped) return;
      this.#deaths += 1;
      this.#deps.log.error(
        { operator: this.#deps.operator },
        `operator host cannot be started again: ${messageOf(error)}`,
      );
      this.#failAll(failed('host_unavailable', messageOf(error)));
      this.#restartSoon();
    }
  }
}

function failed(reason_code: string, reason: string): RunResult {
  return { kind: 'failed', reason_code, reason };
}
