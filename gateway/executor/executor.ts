/**
 * Disposes of what operators propose: shape → admission → lanes → one receipt per action (execution §2).
 * T1 and, where the lane is free, T3 share a commit: a plan is durable before anything is done for it.
 */
import { executionTerms } from '@fibric/policy';
import {
  type Clock,
  type Driver,
  type Identity,
  type Log,
  messageOf,
  type Outcome,
  type Provenance,
  type Reading,
  type Receipt,
} from '@fibric/sdk';
import type { Bindings } from '../bindings.ts';
import { type Action, actionId, idAt, type Origin, receiptOf, type RefusedAction } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import type { OpenAction } from '../journal/projection.ts';
import type { JournalReader } from '../journal/types.ts';
import type { Disposition, Executor, FailedRun, Points, Proposal } from '../kernel.ts';
import type { LocalTime } from '../local-time.ts';
import { shapePlan } from './admit.ts';
import { type People, receiptApproval } from './approval.ts';
import { type Approvals, createApprovals } from './approvals.ts';
import { modeUnderHolds } from './holds.ts';
import { tripAfter } from './breaker.ts';
import { dispose, type DisposeDeps, type Disposed, resume } from './dispose.ts';
import { actionFacts, type FactSources } from './facts.ts';
import { type Control, createControl } from './control.ts';
import { evaluate, type Evaluation, type Wish } from './evaluate.ts';
import { createElapsed } from './elapsed.ts';
import { type Ending, type Job, originOf, receiptEntry, type SiteFacts } from './job.ts';
import { settleInherited } from './inherited.ts';
import type { InheritedDoubt } from '../journal/inherited.ts';
import { createUnseen } from './unseen.ts';
import { keyMemory } from './key-memory.ts';
import type { KeyMemory } from './keys.ts';
import { Lanes } from './lanes.ts';
import { leaseEffect } from './lease.ts';
import type { Announce } from './override.ts';
import { planEntry, prepare, type Prepared } from './prepare.ts';
import { RunBudgets } from './run-budgets.ts';
import type { RulesNow } from './rules-now.ts';
import { tellEnd, tellTruncated } from './tell.ts';
import type { Telling } from '../alerts/outbox.ts';
import { RunRows } from './run-rows.ts';
import { createSent, recallSent, type RecentReceipts } from './sent.ts';

export interface ExecutorDeps {
  readonly identity: Identity;
  /** Provenance that counts as real in this site. */
  readonly real: Provenance;
  readonly policies: RulesNow;
  readonly bindings: Bindings;
  readonly journal: Journal;
  /** From the newest on; read once, at start. */
  readonly recentReceipts: RecentReceipts;
  /** Plans and receipts that are on disk. */
  readonly records: Pick<JournalReader, 'plan' | 'receipt'>;
  readonly people: People;
  readonly points: Points;
  readonly driver: (connection: string) => Driver;
  /** Told of every good read-back. */
  readonly observe: (readings: readonly Reading[]) => void;
  /** Site time for what is decided, real time for what is waited for. */
  readonly clock: Clock;
  readonly ioClock: Clock;
  readonly localTime: (wallMs: number) => LocalTime;
  readonly bootId: string;
  /** Whether the wall clock may be believed. */
  readonly clockTrusted: () => boolean;
  /** Sees to it that time that the machine slept has passed on `ioClock`. */
  readonly noticeSleep: () => void;
  readonly log: Log;
  readonly announce: Announce;
  /** The device that goes back by itself when the heartbeat stops; null when there is none. */
  readonly heartbeat: string | null;
  /** Whether people can be told. */
  readonly telling: Telling;
  /** Why no new plan is admitted for want of disk space; null when one may be (G-IO-1). */
  readonly lowSpace: () => string | null;
  /** Told of every receipt once it is durable. */
  readonly onReceipt: (receipt: Receipt) => void;
}

/** Outcomes after which later actions of a plan are not tried (`on_failure: stop`): what they build on is not there. */
const FAILURES: ReadonlySet<Outcome> = new Set([
  'failed',
  'unknown',
  'superseded_externally',
  'skipped',
  'vetoed',
  'basis_changed',
]);

/** How an action ended, as far as those that follow it need to know; null when the gateway stopped first. */
type End = Pick<Receipt, 'action_id' | 'outcome'> | null;

export interface RunningExecutor extends Executor {
  /** Leases, hands on devices, the software stop. */
  readonly control: Control;
  /** Where actions wait for persons. */
  readonly approvals: Approvals;
  /** Other policies decide from now on: what waits is decided by them, and what stands under leases is looked at again. */
  rulesChanged(): void;
  /** What would be decided on an action now; nothing is done. */
  evaluate(wish: Wish): Promise<Evaluation>;
  /** Settles the doubts and takes up the open actions that the last process left; their lanes are locked when this returns. */
  recover(): void;
  /** Actions without a receipt that this process works on. */
  readonly busy: number;
  /** Sends nothing new, waits for what is in flight; doubts stay open for the next start. */
  stop(): Promise<void>;
}

class SiteExecutor implements RunningExecutor {
  readonly #deps: ExecutorDeps;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #rows: RunRows;
  readonly #budgets = new RunBudgets();
  readonly #facts: FactSources;
  readonly #keys: KeyMemory;
  readonly #site: SiteFacts;
  readonly #dispose: DisposeDeps;
  readonly control: Control;
  readonly approvals: Approvals;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    this.#rows = new RunRows(deps);
    const { journal } = deps;
    const elapsed = createElapsed(deps.clock, deps.bootId, journal.resumedMs);
    const unseen = createUnseen(deps.clock);
    this.#facts = { ...deps, projection: journal.projection, sent: createSent(deps.clock), elapsed, unseen };
    recallSent(this.#facts.sent, deps, journal.epoch);
    this.#keys = keyMemory(deps, elapsed);
    this.#site = { identity: deps.identity, real: deps.real, epoch: journal.epoch };
    this.#dispose = {
      journal,
      log: deps.log,
      telling: deps.telling,
      lanes: new Lanes(deps.ioClock),
      bindings: deps.bindings,
      keys: this.#keys,
      facts: this.#facts,
      points: deps.points,
      elapsed,
      announce: deps.announce,
      ioClock: deps.ioClock,
      noticeSleep: deps.noticeSleep,
      policyOf: (uid) => deps.policies.of(uid),
      real: deps.real,
      driver: deps.driver,
      observe: deps.observe,
      stopping: this.#stopping.signal,
      end: (job, ending) => {
        unseen.ended(job, ending.outcome);
        return this.#end(job.origin, job.reasoning, job.action, ending);
      },
    };
    this.approvals = createApprovals({ ...deps, end: this.#dispose.end, submit: (anew) => this.submit(anew) });
    this.control = createControl(this.#dispose);
  }

  get busy(): number {
    return this.#running.size;
  }

  async submit(proposed: Proposal, wait = true): Promise<Disposition> {
    const { identity, journal, lowSpace } = this.#deps;
    const full = lowSpace();
    if (full !== null) return this.#rows.rejectedForSpace(proposed, full);
    const proposal = { ...proposed, mode: modeUnderHolds(proposed.mode, journal.projection) };
    const shaped = shapePlan(proposal.plan, proposal, identity);
    if (shaped.kind === 'rejected') return this.#rows.rejected(proposal, shaped.why);
    const { plan } = shaped;
    const plan_id = idAt('pl', journal.nextSeq);
    const origin = originOf(proposal);
    const reasoning = plan.reasoning ?? plan.rationale ?? null;
    const policy = this.#deps.policies.of(origin.operator_uid);
    const sources = { bindings: this.#deps.bindings, keys: this.#keys, facts: this.#facts, budgets: this.#budgets };
    const prepared = prepare(sources, { plan, plan_id, proposal, origin, reasoning, policy });
    journal.append(planEntry({ plan, plan_id, proposal, origin, reasoning, policy }, prepared));
    tellTruncated(this.#deps, origin.operator, prepared);
    const { soon, held } = this.#start(prepared, origin, reasoning);
    // A plan with actions becomes durable with its first intent or receipt; one that waits has neither, and an empty one only its state.
    if (held.length > 0 || !wait || (prepared.length === 0 && proposal.state)) await journal.durable();
    const ends = this.#track(Promise.all(soon));
    if (!wait) this.#quietly(ends);
    const receipts = wait ? await ends : [];
    // Of a plan that the stop overtook nothing may be on disk yet, and its state neither.
    if (receipts.includes(null)) await journal.durable();
    return { plan_id, rejected: null, receipts: receipts.filter((r) => r !== null), awaiting: held };
  }

  evaluate(wish: Wish): Promise<Evaluation> {
    return evaluate({ ...this.#dispose, ...this.#deps }, wish);
  }

  rulesChanged(): void {
    recallSent(this.#facts.sent, this.#deps, this.#deps.journal.epoch);
    this.control.rulesChanged();
  }

  async runFailed(run: FailedRun): Promise<void> {
    await this.#rows.failed(run);
  }

  recover(): void {
    const open = [...this.#deps.journal.projection.open.rows.values()];
    const queued = new Map<string, Prepared[]>();
    for (const doubt of this.#deps.journal.projection.inherited.rows.values()) this.#background(this.#settle(doubt));
    const doubts = new Map(open.filter((o) => o.intent).map((o) => [o.action.action_id, this.#recoverIntent(o)]));
    for (const entry of open.filter((o) => !o.intent)) {
      const job = this.#jobOf(entry);
      const { plan_id } = entry.action;
      if (!job || entry.action.releases !== undefined) this.#background(this.#abandon(entry));
      else queued.set(plan_id, [...(queued.get(plan_id) ?? []), { kind: 'job', job }]);
    }
    for (const [plan_id, jobs] of queued) {
      const [first] = jobs;
      if (first?.kind !== 'job') continue;
      const { origin, reasoning } = first.job;
      const { soon } = this.#start(jobs, origin, reasoning, (ordinal) => this.#endBefore(plan_id, ordinal, doubts));
      this.#background(Promise.all(soon));
    }
    this.control.start();
  }

  async #settle(doubt: InheritedDoubt): Promise<void> {
    const lease_id = await settleInherited({ ...this.#deps, ...this.#dispose }, doubt);
    if (lease_id !== null) this.control.changed(lease_id);
  }

  #recoverIntent(open: OpenAction): Promise<Disposed> {
    // It may have been sent, and has no receipt yet that says so.
    this.#facts.sent.add(open.origin.operator, open.action.capability);
    const job = this.#jobOf(open);
    const end = job && open.intent ? resume(this.#dispose, job, open.intent) : this.#abandon(open);
    this.#background(end);
    return end;
  }

  /** What became of an action that an earlier process began or ended: those that follow it in its plan still do (G-SF-5). */
  #endBefore(plan_id: string, ordinal: number, doubts: ReadonlyMap<string, Promise<Disposed>>): Promise<End> | null {
    const action_id = actionId(plan_id, ordinal);
    const outcome = this.#deps.journal.outcome(plan_id, ordinal);
    return doubts.get(action_id) ?? (outcome && Promise.resolve({ action_id, outcome }));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.approvals.close();
    await Promise.allSettled([this.control.close(), ...this.#running]);
  }

  /**
   * One receipt per action, in whatever order the lanes allow; an action waits for those it follows. `held` are those that wait for a
   * person, or for one that does: nobody need wait for `soon` without them.
   */
  #start(
    prepared: readonly Prepared[],
    origin: Origin,
    reasoning: string | null,
    endBefore: (ordinal: number) => Promise<End> | null = () => null,
  ): { readonly soon: readonly Promise<Disposed>[]; readonly held: readonly string[] } {
    const ends = new Map<number, Promise<Disposed>>();
    const endOf = (ordinal: number) => ends.get(ordinal) ?? endBefore(ordinal);
    const held = new Map<number, string>();
    for (const p of prepared) {
      if (p.kind === 'refused') {
        ends.set(p.action.ordinal, this.#end(origin, reasoning, p.action, p.ending));
        continue;
      }
      const { action_id, ordinal, after } = p.job.action;
      this.approvals.supersede(p.job.action);
      const asks = this.#deps.journal.projection.open.rows.get(action_id)?.status === 'awaiting';
      if (asks || after.some((earlier) => held.has(earlier))) held.set(ordinal, action_id);
      ends.set(ordinal, asks ? this.#whenApproved(p.job, endOf) : this.#inOrder(p.job, endOf));
    }
    for (const ordinal of held.keys()) this.#quietly(ends.get(ordinal) ?? Promise.resolve(null));
    const soon = [...ends].flatMap(([ordinal, end]) => (held.has(ordinal) ? [] : [end]));
    return { soon, held: [...held.values()] };
  }

  async #whenApproved(job: Job, endOf: (ordinal: number) => Promise<End> | null): Promise<Disposed> {
    const said = await this.approvals.wait(job);
    return said === 'approved' ? this.#inOrder(job, endOf) : said;
  }

  /** Starts after the actions it follows have ended; not at all when one of them failed (G-SF-5). */
  async #inOrder(job: Job, endOf: (ordinal: number) => Promise<End> | null): Promise<Disposed> {
    const before = job.action.after.map(endOf);
    for (const end of before) {
      if (end === null) continue;
      const receipt = await end;
      if (receipt === null) return null;
      if (!FAILURES.has(receipt.outcome) || job.terms.on_failure === 'continue') continue;
      const reason = `${receipt.action_id} of this plan ended as ${receipt.outcome}`;
      return this.#end(job.origin, job.reasoning, job.action, {
        outcome: 'skipped',
        stage: 'order',
        reason_code: 'earlier_failed',
        reason,
      });
    }
    return this.#track(dispose(this.#dispose, job));
  }

  async #end(
    origin: Origin,
    reasoning: string | null,
    action: Action | RefusedAction,
    ending: Ending,
  ): Promise<Receipt> {
    const { journal, onReceipt } = this.#deps;
    const { changed, said } = leaseEffect(journal.projection, action, ending);
    const approval = receiptApproval(journal.projection, action.action_id, ending.changes ?? []);
    const entry = receiptEntry(this.#site, origin, reasoning, action, { ...ending, ...said, approval });
    const { row, hash } = journal.append(entry);
    tellEnd(this.#deps, row);
    tripAfter(this.#dispose, origin, action, row);
    await journal.durable();
    for (const lease_id of changed) this.control.changed(lease_id);
    const receipt = receiptOf(row, hash);
    onReceipt(receipt);
    return receipt;
  }

  /** An open action whose device or tool is gone from the site can neither be settled nor sent; a release is proposed anew. */
  #abandon(open: OpenAction): Promise<Receipt> {
    const { action, origin, reasoning } = open;
    if (action.releases !== undefined && this.#jobOf(open)) {
      const again = { reason_code: 'restart', reason: 'the gateway ended before it was sent; it is proposed anew' };
      return this.#end(origin, reasoning, action, { outcome: 'expired', stage: 'recovery', ...again });
    }
    const reason = `device ${action.device} no longer offers ${action.capability} in this site`;
    const outcome = open.intent ? 'unknown' : 'expired';
    return this.#end(origin, reasoning, action, { outcome, stage: 'recovery', reason_code: 'device_gone', reason });
  }

  #jobOf(open: OpenAction): Job | null {
    const { action, origin, reasoning, waiting } = open;
    const resolution = this.#deps.bindings.tool(action.device, action.capability, action.target);
    const policy = this.#deps.policies.of(origin.operator_uid);
    const terms = executionTerms(policy, actionFacts(origin.operator, action));
    return resolution && { origin, reasoning, action, resolution, policy, terms, waiting, admittedBefore: 0 };
  }

  #background(work: Promise<unknown>): void {
    this.#quietly(this.#track(work));
  }

  /** Nobody waits for it: what goes wrong is told to the log. */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#deps.log.error({}, `executor: ${messageOf(error)}`));
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    return work.finally(() => this.#running.delete(work));
  }
}

export function createExecutor(deps: ExecutorDeps): RunningExecutor {
  return new SiteExecutor(deps);
}
