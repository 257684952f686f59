/** The site's operators: each with its host, its triggers and its mode. */
import { type Clock, type Envelope, FibricError, type Log, makeEnvelope, messageOf, parseDuration } from '@fibric/sdk';
import type { Bindings } from './bindings.ts';
import type { OperatorSite, Site } from './config/site.ts';
import type { Connections } from './connections.ts';
import type { Ids } from './ids.ts';
import type { Journal } from './journal/journal.ts';
import type { Executor } from './kernel.ts';
import type { Modes } from './modes.ts';
import type { Observer } from './observe/observer.ts';
import type { Description } from './operator-host/wire.ts';
import { createReasoner } from './reasoner.ts';
import type { Router } from './router.ts';
import { createRunner, type Runner, type RunTrace } from './runner.ts';
import type { Schedule } from './schedule.ts';

export interface OperatorsOptions {
  readonly site: Site;
  readonly clock: Clock;
  readonly ioClock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly journal: Journal;
  readonly bindings: Bindings;
  readonly connections: Connections;
  readonly observer: Observer;
  readonly executor: Executor;
  readonly modes: Modes;
  readonly router: Router;
  readonly schedule: Schedule;
  readonly emit: (envelope: Envelope) => void;
}

/** An operator of the site, as far as it is known: `description` is null while, or because, it cannot be loaded. */
export interface SiteOperator {
  readonly site: OperatorSite;
  /** Null for persons: nothing of theirs runs here. */
  readonly runner: Runner | null;
  readonly description: Description | null;
  readonly problem: string | null;
}

export interface Operators {
  /** Starts every host and asks what it is. An operator that cannot be loaded is logged and shown; the others go on. */
  load(): Promise<void>;
  /** From now on events wake them. */
  start(): void;
  stop(): Promise<void>;
  all(): readonly SiteOperator[];
  runOnce(name: string, who: string): Promise<RunTrace | null>;
}

class SiteOperators implements Operators {
  readonly #options: OperatorsOptions;
  readonly #all = new Map<string, { -readonly [K in keyof SiteOperator]: SiteOperator[K] }>();

  constructor(options: OperatorsOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    await Promise.all(this.#options.site.operators.map((operator) => this.#open(operator)));
  }

  start(): void {
    for (const { runner, description } of this.#all.values())
      if (runner && description) this.#wire(runner, description);
  }

  async stop(): Promise<void> {
    await Promise.allSettled([...this.#all.values()].map(async ({ runner }) => runner?.stop()));
  }

  all(): readonly SiteOperator[] {
    return [...this.#all.values()];
  }

  async runOnce(name: string, who: string): Promise<RunTrace | null> {
    const found = this.#all.get(name);
    if (!found) return null;
    if (!found.runner) throw new FibricError('operator_invalid', `${name} stands for persons: fibric propose`);
    if (found.problem !== null) throw new FibricError('operator_invalid', found.problem);
    const { site, ids, emit } = this.#options;
    const event = makeEnvelope(site.identity, {
      event_id: ids.uuid(),
      source: 'gateway',
      event_type: 'operator.asked',
      payload: { operator: name, who },
    });
    emit(event);
    return found.runner.runOnce(event);
  }

  async #open(operator: OperatorSite): Promise<void> {
    const { site, clock, ioClock, ids, log, journal, bindings, executor, modes } = this.#options;
    const begun = modes.begin(operator);
    const { folder } = operator;
    if (folder === null) {
      this.#all.set(operator.name, { site: operator, runner: null, description: null, problem: null });
      return begun;
    }
    const runner = createRunner({
      operator: { ...operator, folder },
      identity: site.identity,
      timezone: site.timezone,
      clock,
      ioClock,
      ids,
      log,
      sense: (capability, args) => this.#sense(capability, args),
      bound: (capability) => bindings.bound(capability),
      mode: () => modes.of(operator),
      reasoner: createReasoner(site.models),
      initialState: journal.projection.states.rows.get(operator.uid) ?? {},
      submit: (proposal) => executor.submit(proposal),
      runFailed: (run) => executor.runFailed(run),
    });
    const entry = {
      site: operator,
      runner,
      description: null as Description | null,
      problem: null as string | null,
    };
    this.#all.set(operator.name, entry);
    const loaded = runner.start().then(
      (description) => void (entry.description = description),
      (error: unknown) => {
        entry.problem = messageOf(error);
        log.error({ operator: operator.name }, entry.problem);
      },
    );
    await Promise.all([begun, loaded]);
  }

  #wire(runner: Runner, description: Description): void {
    const { router, schedule } = this.#options;
    const wake = (envelope: Envelope): void => runner.wake(envelope);
    for (const trigger of description.triggers) {
      if ('every' in trigger) schedule.every(parseDuration(trigger.every) ?? 0, wake);
      // An ask reaches its operator by name, through `runOnce`.
      else if (trigger.on !== 'ask') router.add(trigger.on, wake);
    }
  }

  async #sense(capability: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { site, bindings, observer, connections } = this.#options;
    const bound = bindings.bound(capability);
    const answeredWhole = bound.some((id) => site.connections.get(id)?.driver.queries?.includes(capability));
    return answeredWhole ? connections.query(capability, bound, args) : observer.sense(capability, args);
  }
}

export function createOperators(options: OperatorsOptions): Operators {
  return new SiteOperators(options);
}
