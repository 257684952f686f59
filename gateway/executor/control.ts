/**
 * Keeps the promises that outlast an action: leases end by themselves, interlocks are watched for as long as a lease stands, a hand on
 * a leased device is noticed, and the software stop holds (execution §2.12).
 *
 * K4 A lease ends when its time is over, also when the process was not there then; a release that fails is tried again for ever.
 * K5 An interlock that trips, or falls silent, takes back what stands under it.
 */
import { FibricError, LIMITS, type Log, messageOf, type Receipt, type Timer } from '@fibric/sdk';
import { raise } from '../alerts/raise.ts';
import type { AlertSubject } from '../journal/alerts.ts';
import type { Lease } from '../journal/leases.ts';
import type { Stop } from '../journal/projection.ts';
import { interlocksOf } from './facts.ts';
import { type LeaseView, leaseViews } from './lease-view.ts';
import { remainingMs } from './lease.ts';
import { ownLanes } from './lane-set.ts';
import { confirmed } from './override.ts';
import type { DisposeDeps } from './dispose.ts';
import { type Cause, jobOfLease, release, type Released } from './release.ts';
import { stopped } from './stop.ts';
import { equals } from './verify.ts';

export interface ControlDeps extends DisposeDeps {
  readonly log: Log;
}

/** What came of asking for the end of a lease, or of a hold on a value set by hand. */
export interface ReleaseReport {
  readonly object: 'lease_release';
  readonly id: string;
  /** `pending`: not possible now; it is tried again until it is. `hold_ended`: what was set by hand may be written over again. */
  readonly result: 'released' | 'yielded' | 'ended' | 'pending' | 'hold_ended';
  readonly reason: string | null;
  readonly receipt: Receipt | null;
}

export interface StopOrder {
  readonly who: string;
  readonly reason: string | null;
  /** Also take back every lease. */
  readonly release: boolean;
}

export interface Control {
  /** The software stop, or null. */
  readonly stop: Stop | null;
  /** In force when this returns its promise; durable when that resolves. */
  stopAll(order: StopOrder): Promise<Stop>;
  /** Throws `conflict` when there is no stop. */
  clearStop(who: string): Promise<void>;
  leases(): readonly LeaseView[];
  /** Null: there is no lease or hold of that id. Throws `conflict` while a stop forbids it. */
  release(id: string, who: string): Promise<ReleaseReport | null>;
  /** Other rules count from now on, and with them other interlocks. */
  rulesChanged(): void;
  /** A point has news: it may be one that a lease depends on. */
  heard(ref: { readonly device: string; readonly point: string; readonly entity_key: string }): void;
  /** A receipt about this lease is durable: it was opened, kept, moved or ended. */
  changed(leaseId: string): void;
  start(): void;
  /** Starts nothing new, and resolves when what it had begun has ended. */
  close(): Promise<void>;
}

/** A lease on its way out. */
interface Ending {
  cause: Cause;
  tries: number;
  problem: string | null;
  timer: Timer | null;
  work: Promise<Released> | null;
}

class SiteControl implements Control {
  readonly #deps: ControlDeps;
  readonly #endings = new Map<string, Ending>();
  /** By lease: when to look again, and the points that it depends on. */
  readonly #watched = new Map<string, { readonly timer: Timer; readonly keys: readonly string[] }>();
  readonly #byPoint = new Map<string, Set<string>>();
  /** By lease: a look at its device that is under way. */
  readonly #suspects = new Map<string, Promise<void>>();
  /** Real time from which the next of several releases may start. */
  #nextSlotMs = 0;
  #closed = false;

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  get stop(): Stop | null {
    return stopped(this.#deps.journal.projection);
  }

  start(): void {
    for (const lease of this.#leases()) this.#watch(lease);
  }

  rulesChanged(): void {
    for (const { lease_id } of this.#leases()) this.#check(lease_id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { timer } of this.#watched.values()) timer.cancel();
    for (const { timer } of this.#endings.values()) timer?.cancel();
    await Promise.all([...this.#suspects.values(), ...[...this.#endings.values()].map(({ work }) => work)]);
  }

  async stopAll({ who, reason, release: takeBack }: StopOrder): Promise<Stop> {
    const { journal, lanes, log, announce } = this.#deps;
    journal.append({ type: 'stop/1', state: 'on', who, reason, release: takeBack });
    lanes.withdraw();
    const why = reason === null ? '' : ` (${reason})`;
    raise({ journal, log }, 'stopped', `everything is stopped by ${who}${why}; nothing is sent until it is cleared`);
    await journal.durable();
    announce('gateway.stopped', { who, reason, release: takeBack }, null);
    if (takeBack) for (const lease of this.#leases()) if (lease.ttl_ms !== null) this.#finish(lease, { kind: 'stop' });
    return this.stop as Stop;
  }

  async clearStop(who: string): Promise<void> {
    const { journal, log, announce } = this.#deps;
    if (!this.stop) throw new FibricError('conflict', 'there is no stop to clear');
    journal.append({ type: 'stop/1', state: 'off', who, reason: null, release: false });
    await journal.durable();
    log.warn({ who }, `the stop is cleared by ${who}`);
    announce('gateway.stop_cleared', { who }, null);
    for (const lease of this.#leases()) {
      const ending = this.#endings.get(lease.lease_id);
      if (ending) this.#finish(lease, ending.cause);
      else this.#watch(lease);
    }
  }

  leases(): readonly LeaseView[] {
    const { journal, facts, elapsed } = this.#deps;
    const ending = (id: string) => this.#endings.get(id) ?? null;
    return leaseViews(journal.projection, elapsed, facts.clock.wallMs(), ending);
  }

  async release(id: string, who: string): Promise<ReleaseReport | null> {
    const { journal } = this.#deps;
    const { leases, holds } = journal.projection;
    const lease = leases.rows.get(id);
    const report = { object: 'lease_release', id, reason: null, receipt: null } as const;
    if (!lease) {
      const hold = [...holds.rows.values()].find((one) => (one.lease_id ?? one.device) === id);
      if (!hold) return null;
      if (!hold.terms.by_person)
        throw new FibricError('conflict', `the rule for ${hold.device} leaves it alone until its time is over`);
      const { device, entity_key, points, lease_id } = hold;
      const about = { device, entity_key, points, lease_id, hold: null, refers_to: [] };
      journal.append({ type: 'override/1', state: 'off', ...about, seen: 'person', who });
      await journal.durable();
      return { ...report, result: 'hold_ended' };
    }
    if (stopped(journal.projection, 'lease'))
      throw new FibricError('conflict', 'everything is stopped: clear the stop, or stop again with --release');
    let end = await this.#now(lease, { kind: 'asked', who });
    // Its time was just found not to be over; that somebody asks for its end is another cause.
    if (end.kind === 'kept') end = await this.#now(lease, { kind: 'asked', who });
    if (end.kind !== 'ended') return { ...report, result: 'pending', reason: end.kind === 'later' ? end.reason : null };
    return { ...report, result: end.how === 'gone' ? 'ended' : end.how, receipt: end.receipt };
  }

  changed(leaseId: string): void {
    const lease = this.#deps.journal.projection.leases.rows.get(leaseId);
    if (lease) this.#watch(lease);
    else this.#forget(leaseId);
  }

  heard({ device, point, entity_key }: Parameters<Control['heard']>[0]): void {
    if (this.#watched.size === 0) return;
    for (const id of this.#byPoint.get(`${entity_key}/${point}`) ?? []) this.#check(id);
    for (const id of this.#byPoint.get(`=${device}/${point}`) ?? []) this.#look(id, device, point);
  }

  #leases(): readonly Lease[] {
    return [...this.#deps.journal.projection.leases.rows.values()];
  }

  #aboutLease(id: string): Partial<AlertSubject> {
    const lease = this.#deps.journal.projection.leases.rows.get(id);
    if (!lease) return {};
    const { capability, entity_key } = lease.action;
    return { operator: lease.origin.operator, capability, entity_key };
  }

  #forget(id: string): void {
    const known = this.#watched.get(id);
    known?.timer.cancel();
    for (const key of known?.keys ?? []) {
      const ids = this.#byPoint.get(key);
      ids?.delete(id);
      if (ids?.size === 0) this.#byPoint.delete(key);
    }
    this.#watched.delete(id);
  }

  /** Notes what a lease depends on, and looks again when its time is over or its interlocks fall silent. */
  #watch(lease: Lease): void {
    const { lease_id } = lease;
    this.#forget(lease_id);
    if (this.#closed || this.#endings.has(lease_id)) return;
    const job = jobOfLease(this.#deps, lease);
    const interlocks = job && interlocksOf(this.#deps.facts, job);
    const looked = lease.hold === null ? [] : lease.watch.map(({ point }) => `=${lease.action.device}/${point}`);
    const keys = [...(interlocks?.points ?? []), ...looked];
    for (const key of keys) this.#byPoint.set(key, (this.#byPoint.get(key) ?? new Set()).add(lease_id));
    // A millisecond past the last good one.
    const silentMs = (interlocks?.holds_ms ?? Number.POSITIVE_INFINITY) + 1;
    const waitMs = Math.min(remainingMs(lease, this.#deps.elapsed), Math.max(silentMs, 0));
    const timer = Number.isFinite(waitMs)
      ? this.#deps.facts.clock.after(Math.max(0, waitMs), () => this.#check(lease_id))
      : { cancel: () => undefined };
    this.#watched.set(lease_id, { timer, keys });
  }

  /** Ends the lease if its time is over or its interlocks no longer hold. */
  #check(id: string): void {
    const lease = this.#deps.journal.projection.leases.rows.get(id);
    if (!lease) return this.#forget(id);
    if (remainingMs(lease, this.#deps.elapsed) <= 0) return this.#finish(lease, { kind: 'expired' });
    const job = jobOfLease(this.#deps, lease);
    const tripped = lease.ttl_ms === null || !job ? null : interlocksOf(this.#deps.facts, job).tripped;
    if (tripped === null) this.#watch(lease);
    else this.#finish(lease, { kind: 'interlock', reason: tripped });
  }

  /** A leased point has news: when it is not what we left there, the device is asked. */
  #look(id: string, device: string, point: string): void {
    const { journal, facts, log } = this.#deps;
    const lease = journal.projection.leases.rows.get(id);
    const now = facts.points.get(device, point);
    const job = lease && jobOfLease(this.#deps, lease);
    if (!lease || !now || !job || this.#suspects.has(id)) return;
    const written = lease.watch.find((watch) => watch.point === point)?.written;
    const ours = lease.ours.find((state) => state.point === written)?.value ?? null;
    const tolerance = job.resolution.tool.verify?.tolerance ?? 0;
    const local = now.quality_reason === 'local_override';
    if (!local && (now.quality !== 'good' || equals(now.value, ours, tolerance))) return;
    const look = this.#suspect(id)
      .catch((error: unknown) => log.error({ lease_id: id }, `looking for a hand on ${device}: ${messageOf(error)}`))
      .finally(() => this.#suspects.delete(id));
    this.#suspects.set(id, look);
  }

  async #suspect(id: string): Promise<void> {
    const { journal, lanes } = this.#deps;
    const first = journal.projection.leases.rows.get(id);
    const job = first && jobOfLease(this.#deps, first);
    if (!job) return;
    const hold = await lanes.acquire(ownLanes(job));
    if (hold.kind !== 'held') return;
    try {
      const lease = journal.projection.leases.rows.get(id);
      if (!lease || !(await confirmed(this.#deps, { ...job, action: lease.action }, lease))) return;
      this.#forget(id);
      const { operator } = lease.origin;
      const { capability, entity_key, device } = lease.action;
      raise(this.#deps, 'overridden', `${device} was set by hand; it is left alone`, {
        operator,
        capability,
        entity_key,
      });
    } finally {
      hold.release();
    }
  }

  /** Takes a lease back: at once when it is urgent, else in its turn among those that end together. */
  #finish(lease: Lease, cause: Cause): void {
    const urgent = cause.kind === 'interlock' || cause.kind === 'asked';
    this.#schedule(lease.lease_id, cause, urgent ? 0 : this.#slotMs());
  }

  #slotMs(): number {
    const nowMs = this.#deps.ioClock.monoMs();
    const startMs = Math.max(nowMs, this.#nextSlotMs);
    this.#nextSlotMs = startMs + LIMITS.releaseStaggerMs;
    return startMs - nowMs;
  }

  #schedule(id: string, cause: Cause, waitMs: number): void {
    this.#forget(id);
    const known = this.#endings.get(id);
    if (this.#closed || known?.work) return;
    known?.timer?.cancel();
    const ending: Ending = { tries: 0, problem: null, work: null, ...known, cause, timer: null };
    this.#endings.set(id, ending);
    // While everything is stopped it waits for the stop to be cleared.
    if (stopped(this.#deps.journal.projection, 'lease')) return;
    ending.timer = this.#deps.ioClock.after(waitMs, () => void this.#try(id, ending));
  }

  /** The end of a lease at once, whatever else was planned for it. */
  async #now(lease: Lease, cause: Cause): Promise<Released> {
    const { lease_id } = lease;
    this.#forget(lease_id);
    const known = this.#endings.get(lease_id);
    known?.timer?.cancel();
    const ending = known ?? { cause, tries: 0, problem: null, timer: null, work: null };
    if (!ending.work) ending.cause = cause;
    this.#endings.set(lease_id, ending);
    return this.#try(lease_id, ending);
  }

  #try(id: string, ending: Ending): Promise<Released> {
    ending.work ??= release(this.#deps, id, ending.cause)
      .catch((error: unknown): Released => ({ kind: 'later', reason: messageOf(error), failed: true }))
      .then((end) => {
        ending.work = null;
        this.#tried(id, ending, end);
        return end;
      });
    return ending.work;
  }

  #tried(id: string, ending: Ending, end: Released): void {
    const { journal, log } = this.#deps;
    if (end.kind === 'later') {
      const news = end.failed && ending.problem !== end.reason;
      ending.problem = end.reason;
      ending.tries++;
      if (this.#closed || journal.failure) return;
      const waitMs = Math.min(LIMITS.releaseRetryMs * 2 ** (ending.tries - 1), LIMITS.releaseRetryMaxMs);
      const words = `the lease ${id} cannot be taken back yet: ${end.reason}`;
      if (news) raise({ journal, log }, 'release_failed', words, this.#aboutLease(id));
      else log.warn({ lease_id: id, tries: ending.tries }, words);
      return this.#schedule(id, ending.cause, waitMs);
    }
    this.#endings.delete(id);
    this.#forget(id);
    const lease = journal.projection.leases.rows.get(id);
    if (lease) this.#watch(lease);
  }
}

export function createControl(deps: ControlDeps): Control {
  return new SiteControl(deps);
}
