/**
 * The life of an operator in its host: loaded once, then run after run, strictly in the order they were handed over.
 *
 * H5 A run begins when the one before it has been answered, and reads the state that one left.
 */
import { type Envelope, messageOf, type Operator } from '@fibric/sdk';
import { createRun, type RunParts } from './context.ts';
import { inspectPlan, stateOf, stateTooLarge } from './inspect.ts';
import type { Description, FromHost, ToHost } from './wire.ts';

type State = Readonly<Record<string, unknown>>;
type RunFrame = Extract<ToHost, { t: 'run' }>;
type Begin = Extract<ToHost, { t: 'begin' }>;

export interface SessionOptions {
  readonly send: (frame: FromHost) => void;
  /** Locks the process down, then imports the operator's file. */
  readonly load: (file: string) => Promise<{ readonly default?: unknown }>;
  readonly log: (message: string) => void;
}

interface PendingSense {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Loaded {
  readonly operator: Operator;
  readonly settings: unknown;
}

function isOperator(value: unknown): value is Operator {
  if (typeof value !== 'object' || value === null) return false;
  const { run, requires } = value as Partial<Operator>;
  return typeof run === 'function' && Array.isArray(requires);
}

function describe(operator: Operator): Description {
  const { name, goal, requires, triggers, model } = operator;
  return { name, goal, requires, triggers, model, has_rules: operator.rules !== null };
}

/** Checks the site's settings against the operator's own schema and fills in its defaults. */
async function settingsFor(operator: Operator, given: State): Promise<unknown> {
  if (operator.settings === null) return given;
  const checked = await operator.settings.safeParseAsync(given);
  if (checked.success) return checked.data;
  const issues = checked.error.issues.map((issue) => `${['settings', ...issue.path].join('.')}: ${issue.message}`);
  throw new TypeError(issues.join('; '));
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}

export class Session {
  readonly #options: SessionOptions;
  #loaded: Loaded | null = null;
  #begin: Begin | null = null;
  #state: State = {};
  readonly #waiting: RunFrame[] = [];
  #busy = false;
  #calls = 0;
  #current: string | null = null;
  readonly #senses = new Map<number, PendingSense>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  receive(line: string): void {
    const frame = JSON.parse(line) as ToHost;
    switch (frame.t) {
      case 'init':
        void this.#load(frame.file, frame.settings);
        return;
      case 'begin':
        this.#begin = frame;
        this.#state = frozen(frame.state);
        return;
      case 'state':
        this.#state = frozen(frame.state);
        return;
      case 'run':
        this.#waiting.push(frame);
        void this.#pump();
        return;
      case 'sensed':
        this.#answered(frame.call)?.resolve(frame.value);
        return;
      case 'unsensed':
        this.#answered(frame.call)?.reject(new Error(frame.message));
        return;
    }
  }

  async #load(file: string, given: State): Promise<void> {
    try {
      const operator = (await this.#options.load(file)).default;
      if (!isOperator(operator)) throw new TypeError('its default export is not an operator: use defineOperator');
      this.#loaded = { operator, settings: await settingsFor(operator, given) };
      this.#options.send({ t: 'ready', description: describe(operator) });
    } catch (error) {
      this.#options.send({ t: 'broken', message: messageOf(error).slice(0, 2_000) });
    }
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      this.#current = frame.run;
      const answer = await this.#execute(frame);
      this.#current = null;
      this.#senses.clear();
      this.#options.send(answer);
    }
    this.#busy = false;
  }

  async #execute({ run: runId, event, now }: RunFrame): Promise<FromHost> {
    const failed = (code: string, message: string): FromHost => ({
      t: 'failed',
      run: runId,
      code,
      message: message.slice(0, 2_000),
    });
    const run = createRun(this.#parts(runId, frozen(event), now));
    let returned: unknown;
    try {
      returned = await this.#operator().run(run.context);
    } catch (error) {
      const fault = run.fault();
      return fault ? failed(fault.code, fault.message) : failed('threw', messageOf(error));
    }
    const fault = run.fault();
    if (fault) return failed(fault.code, fault.message);
    const plan = Array.isArray(returned) ? { actions: returned } : returned;
    const finding = inspectPlan(plan);
    if (finding) return failed(finding.code, finding.message);
    const state = stateOf(plan);
    const tooLarge = stateTooLarge(state);
    if (tooLarge !== null) return failed('state_too_large', tooLarge);
    if (state !== null) this.#state = frozen(JSON.parse(JSON.stringify(state)) as State);
    return { t: 'plan', run: runId, plan, reasoned: run.reasoned() };
  }

  #parts(runId: string, event: Envelope, now: RunFrame['now']): RunParts {
    const begin = this.#begin;
    if (begin === null) throw new Error('a run before begin');
    const { operator, settings } = this.#loaded as Loaded;
    return {
      operator,
      settings,
      bound: begin.bound,
      reasoning: begin.reasoning,
      event,
      now,
      state: this.#state,
      sense: (capability, args) => this.#sense(runId, capability, args),
      log: this.#options.log,
    };
  }

  #operator(): Operator {
    if (this.#loaded === null) throw new Error('a run before the operator was loaded');
    return this.#loaded.operator;
  }

  #sense(run: string, capability: string, args: State): Promise<unknown> {
    if (run !== this.#current) return Promise.reject(new Error(`${run} has ended: await what it senses`));
    const call = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#senses.set(call, { resolve, reject });
      this.#options.send({ t: 'sense', run, call, capability, args });
    });
  }

  #answered(call: number): PendingSense | undefined {
    const pending = this.#senses.get(call);
    this.#senses.delete(call);
    return pending;
  }
}
