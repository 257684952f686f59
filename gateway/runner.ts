/**
 * Wakes one operator, run after run, and hands what it proposes to the executor.
 *
 * R1 The queue is bounded: the oldest waiting envelope is dropped and counted, and of ticks only one waits.
 * R2 A run that does not end in a plan is recorded, and its state is not.
 * R3 What a run returns is submitted once; the next run does not wait for what becomes of it.
 * R4 State is remembered with the plan that carries it; a rejected plan leaves it as it was.
 */
import {
  type Clock,
  type Envelope,
  FibricError,
  type Identity,
  isoTime,
  LIMITS,
  type Log,
  messageOf,
  type Mode,
  type Outcome,
} from '@fibric/sdk';
import type { OperatorSite } from './config/site.ts';
import type { Ids } from './ids.ts';
import type { Disposition, FailedRun, Proposal } from './kernel.ts';
import { createOperatorHost, type Description, type OperatorHost, type RunResult } from './operator-host/process.ts';
import type { Reasoner, Reasoning } from './reasoner.ts';

type State = Readonly<Record<string, unknown>>;

export interface RunnerDeps {
  readonly operator: OperatorSite & { readonly folder: string };
  readonly identity: Identity;
  /** IANA zone of the site. */
  readonly timezone: string;
  /** Site time. */
  readonly clock: Clock;
  /** Real time, for deadlines. */
  readonly ioClock: Clock;
  readonly ids: Pick<Ids, 'next'>;
  readonly log: Log;
  readonly sense: (capability: string, args: State) => Promise<unknown>;
  /** Connection ids of a capability. */
  readonly bound: (capability: string) => readonly string[];
  /** The mode of the moment. */
  readonly mode: () => Mode;
  readonly reasoner: Reasoner;
  /** What was committed last. */
  readonly initialState: State;
  readonly submit: (proposal: Proposal) => Promise<Disposition>;
  readonly runFailed: (run: FailedRun) => Promise<void>;
}

/** What a run read: how many entities (or records) each capability gave, and how often it was asked. */
export interface SensedCount {
  readonly capability: string;
  readonly entities: number;
}

/** One run from end to end, for `operators run --once`. Exactly one of `disposition` and `failed` is set. */
export interface RunTrace {
  readonly run_id: string;
  readonly sensed: readonly SensedCount[];
  readonly proposed: number;
  readonly reasoning: string | null;
  readonly disposition: Disposition | null;
  readonly failed: { readonly reason_code: string; readonly reason: string } | null;
}

export interface RunnerStats {
  readonly runs: number;
  readonly failed: number;
  /** Envelopes that never became a run because too many waited. */
  readonly dropped: number;
  readonly waiting: number;
  readonly last_run: {
    readonly run_id: string;
    readonly at: string;
    /** Entities read, all capabilities together. */
    readonly sensed: number;
    readonly proposed: number;
    readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  } | null;
}

export interface Runner {
  /** Starts the host and says what the operator is. Throws `FibricError` `operator_invalid`. */
  start(): Promise<Description>;
  stop(): Promise<void>;
  /** An envelope for the operator: it becomes a run, in order. Nothing happens in mode `disabled`. */
  wake(envelope: Envelope): void;
  /** A run at once, ahead of those that wait. Rejects only when the journal cannot be written. */
  runOnce(envelope: Envelope): Promise<RunTrace>;
  stats(): RunnerStats;
}

export function createRunner(deps: RunnerDeps): Runner {
  return new OperatorRunner(deps);
}

const VERSION = 'local';

class OperatorRunner implements Runner {
  readonly #deps: RunnerDeps;
  readonly #host: OperatorHost;
  readonly #localTime: Intl.DateTimeFormat;
  #local = { second: Number.NaN, text: '' };
  readonly #queue: Envelope[] = [];
  #requires: readonly string[] = [];
  #reasoning: Reasoning = { kind: 'unresolved', problem: 'not started' };
  #state: State;
  #inFlight = 0;
  /** A tick is queued or at work; the one that came meanwhile waits here. */
  #ticking = false;
  #nextTick: Envelope | null = null;
  #stopped = false;
  readonly #count = { runs: 0, failed: 0, dropped: 0 };
  #lastRun: RunnerStats['last_run'] = null;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.#state = deps.initialState;
    this.#localTime = new Intl.DateTimeFormat('sv-SE', {
      timeZone: deps.timezone,
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    this.#host = createOperatorHost({
      operator: deps.operator.name,
      folder: deps.operator.folder,
      settings: deps.operator.settings,
      state: deps.initialState,
      clock: deps.ioClock,
      log: deps.log,
      bound: deps.bound,
      reasoning: (description) => deps.reasoner.resolve(description.model),
    });
  }

  async start(): Promise<Description> {
    const description = await this.#host.start();
    const problem = this.#problemWith(description);
    if (problem !== null) {
      await this.#host.stop();
      throw new FibricError('operator_invalid', `operator '${this.#deps.operator.name}': ${problem}`);
    }
    this.#requires = description.requires;
    this.#reasoning = this.#deps.reasoner.resolve(description.model);
    return description;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    await this.#host.stop();
  }

  wake(envelope: Envelope): void {
    if (this.#stopped || this.#deps.mode() === 'disabled') return;
    if (isTick(envelope)) {
      if (this.#ticking) {
        this.#nextTick = envelope;
        return;
      }
      this.#ticking = true;
    }
    this.#queue.push(envelope);
    if (this.#queue.length > LIMITS.runQueue) this.#dropOldest();
    this.#pump();
  }

  runOnce(envelope: Envelope): Promise<RunTrace> {
    return this.#run(envelope);
  }

  stats(): RunnerStats {
    return { ...this.#count, waiting: this.#queue.length, last_run: this.#lastRun };
  }

  /** What makes a description unusable here, or null. */
  #problemWith({ name, model, has_rules }: Description): string | null {
    const wanted = this.#deps.operator.name;
    if (name !== wanted) return `its file defines '${name}'; the site file must call it by that name`;
    if (model === null) return null;
    const reasoning = this.#deps.reasoner.resolve(model);
    if (reasoning.kind === 'unresolved') return reasoning.problem;
    return has_rules ? null : `it ships no rules, and '${reasoning.alias}' is answered by rules here`;
  }

  #dropOldest(): void {
    const dropped = this.#queue.shift();
    this.#count.dropped += 1;
    if (dropped !== undefined && isTick(dropped)) this.#tickEnded();
  }

  #tickEnded(): void {
    this.#ticking = false;
    const next = this.#nextTick;
    this.#nextTick = null;
    if (next !== null) this.wake(next);
  }

  #pump(): void {
    while (this.#inFlight < LIMITS.runsInFlight) {
      const envelope = this.#queue.shift();
      if (envelope === undefined) return;
      void this.#runFromQueue(envelope);
    }
  }

  async #runFromQueue(envelope: Envelope): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#run(envelope, () => {
        this.#inFlight -= 1;
        if (isTick(envelope)) this.#tickEnded();
        this.#pump();
      });
    } catch (error) {
      const { name } = this.#deps.operator;
      this.#deps.log.error({ operator: name, event_id: envelope.event_id }, `run not recorded: ${messageOf(error)}`);
    }
  }

  /** One run from end to end; `answered` is called when the host is free for the next. */
  async #run(envelope: Envelope, answered: () => void = () => {}): Promise<RunTrace> {
    const run_id = this.#deps.ids.next('run');
    const sensed: SensedCount[] = [];
    const result = await this.#host.run({
      run_id,
      event: envelope,
      now: this.#now(),
      sense: async (capability, args) => {
        const value = await this.#deps.sense(capability, args);
        sensed.push({ capability, entities: sizeOf(value) });
        return value;
      },
    });
    const before = this.#state;
    if (result.kind === 'plan' && result.state !== null) this.#state = result.state;
    answered();
    this.#count.runs += 1;
    if (result.kind === 'failed') return this.#fail(run_id, envelope, sensed, result);
    const { proposed, reasoning } = outlineOf(result.plan);
    const trace = { run_id, sensed, proposed, reasoning, failed: null };
    this.#ran(trace, null);
    const disposition = await this.#deps.submit(this.#proposal(run_id, envelope, result));
    if (disposition.rejected !== null && result.state !== null) this.#forget(result.state, before);
    this.#ran(trace, disposition);
    return { ...trace, disposition };
  }

  async #fail(
    run_id: string,
    event: Envelope,
    sensed: readonly SensedCount[],
    { reason_code, reason }: Extract<RunResult, { kind: 'failed' }>,
  ): Promise<RunTrace> {
    const trace = { run_id, sensed, proposed: 0, reasoning: null, disposition: null, failed: { reason_code, reason } };
    if (reason_code === 'stopped') return trace;
    this.#count.failed += 1;
    this.#ran(trace, null);
    await this.#deps.runFailed({ run_id, operator: this.#deps.operator.name, event, reason_code, reason });
    return trace;
  }

  #proposal(run_id: string, event: Envelope, result: Extract<RunResult, { kind: 'plan' }>): Proposal {
    const { name, uid } = this.#deps.operator;
    const reasoning = this.#reasoning;
    return {
      run_id,
      operator: { name, uid, version: VERSION },
      requires: this.#requires,
      mode: this.#deps.mode(),
      event,
      // No model reasons here: what an operator proposes comes from its code and its rules.
      proposed_by: 'rules',
      reasoner:
        result.reasoned && reasoning.kind === 'resolved'
          ? { alias: reasoning.alias, provider: reasoning.provider, model: reasoning.model }
          : null,
      plan: result.plan,
      state: result.state,
    };
  }

  /** A rejected plan's state was not committed: go back, unless a later run has moved on since. */
  #forget(refused: State, before: State): void {
    if (this.#state !== refused) return;
    this.#state = before;
    this.#host.remember(before);
  }

  #ran(trace: Omit<RunTrace, 'disposition'>, disposition: Disposition | null): void {
    if (disposition !== null && this.#lastRun?.run_id !== trace.run_id) return;
    const outcomes: Partial<Record<Outcome, number>> = {};
    for (const { outcome } of disposition?.receipts ?? []) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    this.#lastRun = {
      run_id: trace.run_id,
      at: isoTime(this.#deps.clock.wallMs()),
      sensed: trace.sensed.reduce((sum, { entities }) => sum + entities, 0),
      proposed: trace.proposed,
      outcomes,
    };
  }

  #now(): { utc: string; zone: string; local: string } {
    const wallMs = this.#deps.clock.wallMs();
    const second = Math.floor(wallMs / 1_000);
    // A formatter is dear to ask, and many runs share a second.
    if (second !== this.#local.second) this.#local = { second, text: this.#localTime.format(wallMs).replace(' ', 'T') };
    return { utc: isoTime(wallMs), zone: this.#deps.timezone, local: this.#local.text };
  }
}

function isTick(envelope: Envelope): boolean {
  return envelope.event_type === 'cron.tick';
}

/** Entities of a sensed answer, or the records of its first list. */
function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  const list: unknown = Object.values(value).find((member) => Array.isArray(member));
  return Array.isArray(list) ? list.length : 1;
}

/** What can be said of a plan before it is admitted. */
function outlineOf(plan: unknown): { readonly proposed: number; readonly reasoning: string | null } {
  if (typeof plan !== 'object' || plan === null) return { proposed: 0, reasoning: null };
  const { actions, reasoning, rationale } = plan as { actions?: unknown; reasoning?: unknown; rationale?: unknown };
  const said = reasoning ?? rationale;
  return { proposed: Array.isArray(actions) ? actions.length : 0, reasoning: typeof said === 'string' ? said : null };
}
