/**
 * Disposes of what operators propose: shape → admission → lanes → one receipt per action (execution §2).
 * T1 and, where the lane is free, T3 share a commit: a plan is durable before anything is done for it.
 */
import { executionTerms } from '@fibric/policy';
import {
  type Clock,
  type Driver,
  type Identity,
  LIMITS,
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
import type { Disposition, Executor, FailedRun, Points, Proposal } from '../kernel.ts';
import type { LocalTime } from '../local-time.ts';
import { shapePlan } from './admit.ts';
import { modeUnderHolds } from './holds.ts';
import { tripAfter } from './breaker.ts';
import { dispose, type DisposeDeps, type Disposed, resume } from './dispose.ts';
import { actionFacts, type FactSources } from './facts.ts';
import { type Control, createControl } from './control.ts';
import { evaluate, type Evaluation, type Wish } from './evaluate.ts';
import { createElapsed } from './elapsed.ts';
import { type Ending, type Job, originOf, receiptEntry, type SiteFacts } from './job.ts';
import { settleInherited } from './inherited.ts';
import { keyMemory } from './key-memory.ts';
import type { KeyMemory } from './keys.ts';
import { Lanes } from './lanes.ts';
import { leaseEffect } from './lease.ts';
import type { Announce } from './override.ts';
import { planEntry, prepare, type Prepared } from './prepare.ts';
import { RunBudgets } from './run-budgets.ts';
import type { RulesNow } from './rules-now.ts';
import { tellEnd, tellRejected, tellTruncated } from './tell.ts';
import type { Telling } from '../alerts/outbox.ts';
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

/** Outcomes after which later actions of a plan are not tried (`on_failure: stop`). */
const FAILURES: ReadonlySet<Outcome> = new Set(['failed', 'unknown', 'superseded_externally', 'skipped']);

/** How an action ended, as far as those that follow it need to know; null when the gateway stopped first. */
type End = Pick<Receipt, 'action_id' | 'outcome'> | null;
const SPACE_ROW_EVERY_MS = 60_000;

export interface RunningExecutor extends Executor {
  /** Leases, hands on devices, the software stop. */
  readonly control: Control;
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
  /** When a rejection for want of space was journaled last, by operator. */
  readonly #spaceTold = new Map<string, number>();
  readonly #budgets = new RunBudgets();
  readonly #facts: FactSources;
  readonly #keys: KeyMemory;
  readonly #site: SiteFacts;
  readonly #dispose: DisposeDeps;
  readonly control: Control;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    const { journal } = deps;
    const elapsed = createElapsed(deps.clock, deps.bootId, journal.resumedMs);
    this.#facts = { ...deps, projection: journal.projection, sent: createSent(deps.clock), elapsed };
    recallSent(this.#facts.sent, deps, journal.epoch);
    this.#keys = keyMemory(deps, elapsed);
    this.#site = { identity: deps.identity, real: deps.real, epoch: journal.epoch };
    this.#dispose = {
      journal,
      log: deps.log,
      telling: deps.telling,
      lanes: new Lanes(deps.ioClock),
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
      end: (job, ending) => this.#end(job.origin, job.reasoning, job.action, ending),
    };
    this.control = createControl({ ...this.#dispose, bindings: deps.bindings });
  }

  get busy(): number {
    return this.#running.size;
  }

  async submit(proposed: Proposal): Promise<Disposition> {
    const { identity, journal, lowSpace } = this.#deps;
    const full = lowSpace();
    if (full !== null) return this.#rejectForSpace(proposed, full);
    const proposal = { ...proposed, mode: modeUnderHolds(proposed.mode, journal.projection) };
    const shaped = shapePlan(proposal.plan, proposal, identity);
    if (shaped.kind === 'rejected') return this.#reject(proposal, shaped);
    const { plan } = shaped;
    const plan_id = idAt('pl', journal.nextSeq);
    const origin = originOf(proposal);
    const reasoning = plan.reasoning ?? plan.rationale ?? null;
    const policy = this.#deps.policies.of(origin.operator_uid);
    const sources = { bindings: this.#deps.bindings, keys: this.#keys, facts: this.#facts, budgets: this.#budgets };
    const prepared = prepare(sources, { plan, plan_id, proposal, origin, reasoning, policy });
    journal.append(planEntry({ plan, plan_id, proposal, origin, reasoning, policy }, prepared));
    tellTruncated(this.#deps, origin.operator, prepared);
    if (proposal.mode === 'propose_only') {
      const parked = prepared.flatMap((p) => (p.kind === 'job' ? [p.job] : []));
      for (const job of parked) this.#park(job, LIMITS.approvalMs);
      // In the plan's own commit: a refused action that is on disk has its receipt there too.
      const ends = prepared.flatMap((p) =>
        p.kind === 'refused' ? [this.#end(origin, reasoning, p.action, p.ending)] : [],
      );
      await journal.durable();
      const receipts = await Promise.all(ends);
      return { plan_id, rejected: null, receipts, awaiting: parked.map((job) => job.action.action_id) };
    }
    // A plan with actions becomes durable with its first intent or receipt; an empty one only matters for the state it returns.
    if (prepared.length === 0 && proposal.state) await journal.durable();
    const receipts = await this.#track(this.#runAll(prepared, origin, reasoning));
    // Of a plan that the stop overtook nothing may be on disk yet, and its state neither.
    if (receipts.includes(null)) await journal.durable();
    return { plan_id, rejected: null, receipts: receipts.filter((r) => r !== null), awaiting: [] };
  }

  async #reject(
    proposal: Proposal,
    why: { readonly reason_code: string; readonly reason: string },
  ): Promise<Disposition> {
    const { reason_code, reason } = why;
    tellRejected(this.#deps, proposal.operator.name, why);
    await this.#runEntry('rejected', { ...proposal, operator: proposal.operator.name, reason_code, reason });
    return { plan_id: null, rejected: { reason_code, reason }, receipts: [], awaiting: [] };
  }

  /** One row a minute and operator: what is left of the disk is not for telling that it is full. */
  async #rejectForSpace(proposal: Proposal, reason: string): Promise<Disposition> {
    const why = { reason_code: 'journal_low_space', reason };
    const { uid } = proposal.operator;
    const now = this.#deps.ioClock.monoMs();
    const quiet = now - (this.#spaceTold.get(uid) ?? Number.NEGATIVE_INFINITY) < SPACE_ROW_EVERY_MS;
    if (quiet) return { plan_id: null, rejected: why, receipts: [], awaiting: [] };
    this.#spaceTold.set(uid, now);
    return this.#reject(proposal, why);
  }

  evaluate(wish: Wish): Promise<Evaluation> {
    return evaluate({ ...this.#dispose, ...this.#deps }, wish);
  }

  rulesChanged(): void {
    recallSent(this.#facts.sent, this.#deps, this.#deps.journal.epoch);
    this.control.rulesChanged();
  }

  async runFailed(run: FailedRun): Promise<void> {
    await this.#runEntry('failed', run);
  }

  recover(): void {
    const open = [...this.#deps.journal.projection.open.rows.values()];
    const queued = new Map<string, Prepared[]>();
    for (const doubt of this.#deps.journal.projection.inherited.rows.values())
      this.#background(settleInherited({ ...this.#deps, ...this.#dispose }, doubt));
    const doubts = new Map(open.filter((o) => o.intent).map((o) => [o.action.action_id, this.#recoverIntent(o)]));
    for (const entry of open.filter((o) => !o.intent)) {
      const job = this.#jobOf(entry);
      const { plan_id } = entry.action;
      if (!job || entry.action.releases !== undefined) this.#background(this.#abandon(entry));
      else if (entry.status === 'awaiting')
        this.#park(job, Math.max(0, entry.since_ms + LIMITS.approvalMs - this.#deps.clock.wallMs()));
      else queued.set(plan_id, [...(queued.get(plan_id) ?? []), { kind: 'job', job }]);
    }
    for (const [plan_id, jobs] of queued) {
      const [first] = jobs;
      if (first?.kind !== 'job') continue;
      const { origin, reasoning } = first.job;
      this.#background(this.#runAll(jobs, origin, reasoning, (ordinal) => this.#endBefore(plan_id, ordinal, doubts)));
    }
    this.control.start();
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
    await Promise.allSettled([this.control.close(), ...this.#running]);
  }

  /** One receipt per action, in whatever order the lanes allow; an action waits for those it follows. */
  #runAll(
    prepared: readonly Prepared[],
    origin: Origin,
    reasoning: string | null,
    endBefore: (ordinal: number) => Promise<End> | null = () => null,
  ): Promise<readonly Disposed[]> {
    const ends = new Map<number, Promise<Disposed>>();
    const endOf = (ordinal: number) => ends.get(ordinal) ?? endBefore(ordinal);
    for (const p of prepared) {
      const end = p.kind === 'refused' ? this.#end(origin, reasoning, p.action, p.ending) : this.#inOrder(p.job, endOf);
      ends.set(p.kind === 'refused' ? p.action.ordinal : p.job.action.ordinal, end);
    }
    return Promise.all(ends.values());
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
    return dispose(this.#dispose, job);
  }

  async #end(
    origin: Origin,
    reasoning: string | null,
    action: Action | RefusedAction,
    ending: Ending,
  ): Promise<Receipt> {
    const { journal, onReceipt } = this.#deps;
    const { lease_id, said } = leaseEffect(journal.projection, action, ending);
    const entry = receiptEntry(this.#site, origin, reasoning, action, { ...ending, ...said });
    const { row, hash } = journal.append(entry);
    tellEnd(this.#deps, row);
    tripAfter(this.#dispose, origin, action, row);
    await journal.durable();
    if (lease_id !== null) this.control.changed(lease_id);
    const receipt = receiptOf(row, hash);
    onReceipt(receipt);
    return receipt;
  }

  async #runEntry(outcome: 'failed' | 'rejected', run: FailedRun): Promise<void> {
    const { journal, log } = this.#deps;
    const { operator, run_id, event, reason_code, reason } = run;
    log.warn({ operator, run_id, reason_code }, `run ${outcome}: ${reason}`);
    const { event_id, correlation_id } = event;
    journal.append({
      type: 'run/1',
      outcome,
      operator,
      run_id,
      event_id,
      correlation_id,
      reason_code,
      reason: reason.slice(0, 2_000),
    });
    await journal.durable();
  }

  /** A proposal that nobody answered ends as expired; nothing in it ever runs. */
  #park(job: Job, waitMs: number): void {
    this.#deps.clock.after(waitMs, () => {
      if (this.#stopping.signal.aborted || !this.#deps.journal.projection.open.rows.has(job.action.action_id)) return;
      const reason = 'nobody approved it in time';
      this.#background(
        this.#end(job.origin, job.reasoning, job.action, {
          outcome: 'expired',
          stage: 'approval',
          reason_code: 'approval_expired',
          reason,
        }),
      );
    });
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
    const { action, origin, reasoning } = open;
    const resolution = this.#deps.bindings.tool(action.device, action.capability);
    const policy = this.#deps.policies.of(origin.operator_uid);
    const terms = executionTerms(policy, actionFacts(origin.operator, action));
    return resolution && { origin, reasoning, action, resolution, policy, terms, admittedBefore: 0 };
  }

  #background(work: Promise<unknown>): void {
    this.#track(work).catch((error: unknown) => this.#deps.log.error({}, `executor: ${messageOf(error)}`));
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    return work.finally(() => this.#running.delete(work));
  }
}

export function createExecutor(deps: ExecutorDeps): RunningExecutor {
  return new SiteExecutor(deps);
}
