/**
 * Where actions wait for a person, and what a person may say to them: yes or no, until their time is over (execution §2.9).
 *
 * U2 What waits for persons is not sent without as many of them as it needs, each in a row of the journal that was durable before the
 *    person was told. Silence is no consent. Of a yes and a no the first row counts, and both are there.
 */
import { FibricError, type Receipt, type Timer } from '@fibric/sdk';
import type { ApprovalEntry } from '../journal/approvals.ts';
import { type Action, idAt } from '../journal/entries.ts';
import type { OpenAction } from '../journal/projection.ts';
import type { JournalReader, PlanView } from '../journal/types.ts';
import { type AnewDeps, proposeAnew } from './anew.ts';
import { mayApprove, type People } from './approval.ts';
import type { Disposed } from './dispose.ts';
import type { Ending, Job } from './job.ts';
import type { RulesNow } from './rules-now.ts';

export interface ApprovalsDeps extends AnewDeps {
  readonly people: People;
  readonly records: Pick<JournalReader, 'plan' | 'receipt'>;
  readonly policies: Pick<RulesNow, 'of'>;
  /** Appends the receipt at once, and resolves when it is durable. */
  readonly end: (job: Job, ending: Ending) => Promise<Receipt>;
}

/** What a person says. */
export interface Say {
  readonly decision: ApprovalEntry['decision'];
  readonly plan_id: string;
  /** Which action, counted from 1; null: all that wait. */
  readonly action: number | null;
  readonly who: string;
  /** The plan that the person has seen; null: whichever it is. */
  readonly plan_hash: string | null;
  /** A yes to what fell because its basis had changed: the basis that the person has seen. Null: it is to what waits. */
  readonly basis_hash: string | null;
  readonly reason: string | null;
}

/** What came of it. Durable when it is answered. */
export interface Said {
  readonly object: 'approval';
  /** Null: this person had said so before, and nothing was added. */
  readonly id: string | null;
  /** Of the plan that was meant, or of the one that takes the place of what fell. */
  readonly plan_id: string;
  readonly plan_hash: string;
  readonly decision: ApprovalEntry['decision'];
  readonly who: string;
  readonly actions: readonly {
    readonly action_id: string;
    /** `waiting`: more persons have to say yes. */
    readonly state: 'waiting' | 'approved' | 'vetoed';
    readonly approvers: readonly string[];
    readonly needed: number;
  }[];
  /** Of actions that a veto ended. */
  readonly receipts: readonly Receipt[];
}

export interface Approvals {
  /** `approved` when enough persons have said yes; else the receipt of a veto or of its expiry, or null when the gateway stops first. */
  wait(job: Job): Promise<'approved' | Disposed>;
  /** Null: there is no such plan or action. Throws `forbidden`, `plan_hash_mismatch`, `approval_expired`, `too_late`, `conflict`. */
  say(said: Say): Promise<Said | null>;
  /** A newer wish of an operator for the same state takes the place of those of its that still wait. */
  supersede(newer: Action): void;
  close(): void;
}

interface Waiter {
  readonly job: Job;
  readonly timer: Timer;
  readonly resolve: (outcome: 'approved' | Disposed | Promise<Receipt>) => void;
}

type Chosen = PlanView['actions'][number];

class Room implements Approvals {
  readonly #deps: ApprovalsDeps;
  readonly #waiters = new Map<string, Waiter>();
  #closed = false;

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps;
  }

  wait(job: Job): Promise<'approved' | Disposed> {
    const { action_id } = job.action;
    const { clock, journal } = this.#deps;
    const expiresMs = job.waiting?.expires_ms ?? 0;
    // A wall clock that has gone back since makes nobody wait longer than was meant at first.
    const sinceMs = Math.max(clock.wallMs(), journal.projection.open.rows.get(action_id)?.since_ms ?? 0);
    const leftMs = Math.max(0, expiresMs - sinceMs);
    const { promise, resolve } = Promise.withResolvers<'approved' | Disposed>();
    const timer = clock.after(leftMs, () => this.#expire(action_id));
    this.#waiters.set(action_id, { job, timer, resolve });
    return promise;
  }

  async say(say: Say): Promise<Said | null> {
    const { journal, people, records } = this.#deps;
    // What waits is let go of by now: a no that nobody carries out must not be taken down.
    if (this.#closed) throw new FibricError('conflict', 'the gateway is stopping; say it again when it runs');
    if (!mayApprove(people, say.who))
      throw new FibricError('forbidden', `${say.who} is not among the approvers that the site file lists`);
    const plan = records.plan(say.plan_id);
    const chosen = plan && chooseFrom(plan, say.action);
    if (!plan || chosen === null) return null;
    if (say.plan_hash !== null && say.plan_hash !== plan.plan_hash)
      throw new FibricError('plan_hash_mismatch', `plan ${plan.plan_id} has hash ${plan.plan_hash}: it is another one`);
    if (say.basis_hash !== null) return this.#sayAnew(say, plan, chosen, say.basis_hash);
    const waiting = chosen.flatMap(({ action_id }) => this.#waiting(action_id));
    if (waiting.length === 0) return this.#late(say, plan, chosen);
    const saidBefore = ({ action }: OpenAction) =>
      (journal.projection.approvals.rows.get(action.action_id) ?? []).some(({ who }) => who === say.who);
    const news = say.decision === 'veto' ? waiting : waiting.filter((open) => !saidBefore(open));
    if (news.length === 0) return this.#answer(say, plan, null, waiting);
    const ids = news.map(({ action }) => action.action_id);
    const { row } = journal.append(this.#entry(say, plan, ids, 'counts'));
    const ends = say.decision === 'veto' ? news.map((open) => this.#veto(open, say)) : [];
    // Together: when the journal fails, none of them is left with nobody to take its error.
    const [, ...ended] = await Promise.all([journal.durable(), ...ends]);
    for (const id of ids) if (journal.projection.open.rows.get(id)?.status === 'queued') this.#leave(id, 'approved');
    return this.#answer(say, plan, idAt('ap', row.seq), news, ended);
  }

  supersede({ effect_class, intent_key, plan_id, action_id }: Action): void {
    if (effect_class !== 'absolute_set') return;
    const isOlder = ({ job: { action } }: Waiter): boolean =>
      action.intent_key === intent_key && action.plan_id !== plan_id;
    for (const [older] of [...this.#waiters].filter(([, waiter]) => isOlder(waiter)))
      this.#endByItself(older, {
        outcome: 'superseded',
        stage: 'approval',
        reason_code: 'coalesced',
        reason: `${action_id} wishes something else of the same by now`,
      });
  }

  close(): void {
    this.#closed = true;
    for (const [action_id, { timer, resolve }] of this.#waiters) {
      timer.cancel();
      this.#waiters.delete(action_id);
      resolve(null);
    }
  }

  /** The action, if it waits and its time is not over. */
  #waiting(action_id: string | null): readonly OpenAction[] {
    const open = action_id === null ? undefined : this.#deps.journal.projection.open.rows.get(action_id);
    if (action_id === null || open?.status !== 'awaiting') return [];
    if ((open.waiting?.expires_ms ?? 0) >= this.#deps.clock.wallMs()) return [open];
    this.#expire(action_id);
    return [];
  }

  /** The yes is to a plan of its own. Killed between the two, that one waits without it, and the person was told nothing. */
  async #sayAnew(say: Say, plan: PlanView, chosen: readonly Chosen[], basis_hash: string): Promise<Said | null> {
    const plan_id = await proposeAnew(this.#deps, plan, chosen, { ...say, basis_hash });
    return this.say({ ...say, plan_id, action: null, plan_hash: null, basis_hash: null });
  }

  #entry(say: Say, plan: PlanView, ids: readonly string[], effect: ApprovalEntry['effect']): ApprovalEntry {
    const { journal, people, policies } = this.#deps;
    const about = (id: string) => journal.projection.open.rows.get(id);
    const uid = ids.map(about).find((open) => open !== undefined)?.origin.operator_uid;
    return {
      type: 'approval/1',
      decision: say.decision,
      effect,
      plan_id: plan.plan_id,
      plan_hash: plan.plan_hash,
      actions: ids.map((action_id) => ({ action_id, basis_hash: about(action_id)?.waiting?.basis_hash ?? null })),
      policy_hash: uid === undefined ? null : (policies.of(uid)?.hash ?? null),
      who: say.who,
      roles: people?.get(say.who)?.roles ?? null,
      method: 'site_token',
      reason: say.reason,
    };
  }

  #leave(action_id: string, outcome: 'approved' | Promise<Receipt>): void {
    const waiter = this.#waiters.get(action_id);
    this.#waiters.delete(action_id);
    waiter?.timer.cancel();
    waiter?.resolve(outcome);
  }

  #endWaiting(action_id: string, ending: Ending): Promise<Receipt> | null {
    const waiter = this.#waiters.get(action_id);
    if (!waiter) return null;
    const end = this.#deps.end(waiter.job, ending);
    this.#leave(action_id, end);
    return end;
  }

  async #veto({ action }: OpenAction, { who, reason }: Say): Promise<Receipt> {
    const why = reason === null ? '' : `: ${reason}`;
    const end = this.#endWaiting(action.action_id, {
      outcome: 'vetoed',
      stage: 'approval',
      reason_code: 'vetoed',
      reason: `${who} said no${why}`,
    });
    if (end === null) throw new Error(`${action.action_id} is up for approval, and nothing waits for it`);
    return end;
  }

  #expire(action_id: string): void {
    this.#endByItself(action_id, {
      outcome: 'expired',
      stage: 'approval',
      reason_code: 'approval_expired',
      reason: 'nobody approved it in time',
    });
  }

  /** Without a person. A journal that fails ends the process; whoever waits for this action is told by that. */
  #endByItself(action_id: string, ending: Ending): void {
    this.#endWaiting(action_id, ending)?.catch(() => undefined);
  }

  /** Nothing of it waits any more. The same word again is no news; any other is written down and refused. */
  async #late(say: Say, plan: PlanView, chosen: readonly Chosen[]): Promise<Said> {
    const { journal, records } = this.#deps;
    // What ended in this very moment is not to be read yet.
    await journal.durable();
    const now = records.plan(plan.plan_id) ?? plan;
    const ids = chosen.map(({ action_id }) => action_id);
    const actions = now.actions.filter(({ action_id }) => ids.includes(action_id));
    const open = actions.flatMap(({ action_id }) => journal.projection.open.rows.get(action_id) ?? []);
    const ends = actions.flatMap(({ receipt_id }) => (receipt_id === null ? [] : (records.receipt(receipt_id) ?? [])));
    const yeses = [
      ...open
        .flatMap(({ action }) => journal.projection.approvals.rows.get(action.action_id) ?? [])
        .map(({ who }) => who),
      ...ends.flatMap(({ approval }) => approval?.approvers ?? []),
    ];
    const vetoed = ends.length > 0 && ends.every(({ outcome }) => outcome === 'vetoed');
    const again = say.decision === 'approve' ? yeses.includes(say.who) && !vetoed : vetoed;
    if (again) return this.#answer(say, now, null, open, [], ends);
    const { row } = journal.append(this.#entry(say, plan, ids, 'late'));
    await journal.durable();
    throw this.#refusal(say, { ends, yeses, seq: row.seq });
  }

  #refusal(
    { decision, plan_id }: Say,
    { ends, yeses, seq }: { ends: readonly Receipt[]; yeses: readonly string[]; seq: number },
  ): FibricError {
    const first = ends[0];
    const noted = `(said in row ${seq})`;
    if (first?.reason_code === 'approval_expired')
      return new FibricError('approval_expired', `${plan_id} expired at ${first.at}; propose it anew ${noted}`);
    if (first?.outcome === 'vetoed')
      return new FibricError('conflict', `${plan_id} was vetoed: ${first.reason} ${noted}`);
    if (decision === 'approve' && first?.outcome === 'basis_changed') {
      const next = `fibric plans show ${plan_id} says how it may be approved all the same`;
      return new FibricError('conflict', `${plan_id} was not done: what it rested on had changed; ${next} ${noted}`);
    }
    if (decision === 'approve') return new FibricError('conflict', `nothing of ${plan_id} waits for a person ${noted}`);
    return new FibricError('too_late', `${this.#whyTooLate(plan_id, ends, yeses)} ${noted}`);
  }

  #whyTooLate(plan_id: string, ends: readonly Receipt[], yeses: readonly string[]): string {
    const by = yeses.length === 0 ? 'nobody had to be asked' : `approved by ${[...new Set(yeses)].join(' and ')}`;
    const done = ends.map(({ action_id, outcome }) => `${action_id} ended as ${outcome}`);
    const leases = [...this.#deps.journal.projection.leases.rows.values()].filter(
      ({ action, ttl_ms }) => action.plan_id === plan_id && ttl_ms !== null,
    );
    const back = leases.map(({ lease_id }) => `; fibric leases release ${lease_id} --as <who> takes it back`);
    const stop = done.length === 0 ? '; what is not sent yet is held back by fibric stop-all --as <who>' : '';
    return `${plan_id}: ${by}${done.length === 0 ? ', and on its way' : `, ${done.join(', ')}`}${back.join('')}${stop}`;
  }

  #answer(
    say: Say,
    { plan_id, plan_hash }: PlanView,
    id: string | null,
    about: readonly OpenAction[],
    receipts: readonly Receipt[] = [],
    ends: readonly Receipt[] = receipts,
  ): Said {
    const { open, approvals } = this.#deps.journal.projection;
    const alive = about.flatMap(({ action: { action_id }, waiting }) => {
      const now = open.rows.get(action_id);
      const approvers = (approvals.rows.get(action_id) ?? []).map(({ who }) => who);
      const state = now?.status === 'awaiting' ? ('waiting' as const) : ('approved' as const);
      const ended = ends.some((end) => end.action_id === action_id);
      return ended ? [] : [{ action_id, state, approvers, needed: waiting?.approvers ?? 1 }];
    });
    const ended = ends.map(({ action_id, outcome, approval }) => {
      const approvers = approval?.approvers ?? [];
      const state = outcome === 'vetoed' ? ('vetoed' as const) : ('approved' as const);
      return { action_id, state, approvers, needed: Math.max(1, approvers.length) };
    });
    const { decision, who } = say;
    return { object: 'approval', id, plan_id, plan_hash, decision, who, actions: [...alive, ...ended], receipts };
  }
}

/** The actions that are meant; null when the plan has no such one. */
function chooseFrom({ actions }: PlanView, number: number | null): readonly Chosen[] | null {
  if (number === null) return actions;
  const one = actions[number - 1];
  return one ? [one] : null;
}

export function createApprovals(deps: ApprovalsDeps): Approvals {
  return new Room(deps);
}
