/** Gathers what policy decides on: everything is looked up here, so that the decision itself is pure. */
import {
  type ActionFacts,
  decide,
  type Facts,
  type HolderFact,
  type InterlockWatch,
  type LeaseFact,
  minOnOff,
  type Moment,
  type OverrideFact,
  type PastChange,
  type PointFact,
  type Policy,
  type Verdict,
  watchInterlocks,
  windowsOpenForMs,
  type WriteFact,
} from '@fibric/policy';
import { type Clock, LIMITS, parseEntityKey, type Provenance } from '@fibric/sdk';
import type { Telling } from '../alerts/outbox.ts';
import type { Action } from '../journal/entries.ts';
import type { Change, Projection } from '../journal/projection.ts';
import type { Points } from '../kernel.ts';
import type { LocalTime } from '../local-time.ts';
import { approvalFact, type People } from './approval.ts';
import { type Before, reads } from './before.ts';
import type { Elapsed } from './elapsed.ts';
import type { Job } from './job.ts';
import { leadingPoint } from '../config/site.ts';
import { leasesOn } from './lease.ts';
import type { KeyTime } from './keys.ts';
import type { Sent } from './sent.ts';
import type { Unseen } from './unseen.ts';

export interface FactSources {
  /** The site's clock, and real time. */
  readonly clock: Clock;
  readonly ioClock: Clock;
  readonly bootId: string;
  /** The wall clock may be believed. */
  readonly clockTrusted: () => boolean;
  readonly localTime: (wallMs: number) => LocalTime;
  readonly real: Provenance;
  readonly points: Points;
  readonly projection: Projection;
  readonly sent: Sent;
  readonly elapsed: Elapsed;
  readonly unseen: Unseen;
  /** The device that goes back by itself when the heartbeat stops; null when there is none. */
  readonly heartbeat: string | null;
  /** Whether people can be told. */
  readonly telling: Telling;
  readonly people: People;
}

function pointFact(sources: FactSources, ref: string): PointFact | null {
  const slash = ref.lastIndexOf('/');
  if (slash < 0 || !parseEntityKey(ref.slice(0, slash))) return null;
  return sources.points.fact(ref.slice(0, slash), ref.slice(slash + 1));
}

/** A point to decide something new on: what was read before a write that nobody has looked at since is uncertain. */
function pointToDecideOn(sources: FactSources, ref: string): PointFact | null {
  const fact = pointFact(sources, ref);
  const outdated = fact?.quality === 'good' && sources.unseen.isOutdated(ref, fact.age_ms);
  return outdated ? { ...fact, quality: 'uncertain' } : fact;
}

/** The fresh read of the leading point, as a fact. */
function currentFact({ resolution }: Pick<Job, 'resolution'>, before: Before | null): PointFact | null {
  if (!before?.current) return null;
  const { point, value, quality, provenance, observed_at } = before.current;
  const unit = resolution.device.points.find(({ name }) => name === point)?.unit ?? null;
  return { value, unit, quality, provenance, source_ts: observed_at, age_ms: 0, unchanged_ms: 0 };
}

/** The action as policy sees it. */
export function actionFacts(operator: string, action: Action): ActionFacts {
  const { capability, connector, tool, effect_class, entity_key, args, value } = action;
  return { operator, capability, connector, tool, effect_class, entity_key, args, value };
}

/**
 * Our changes of a point, newest first: by the monotonic clock within one boot, across boots only the wall clock is left, never below
 * zero. In whole milliseconds, too few rather than too many: what is put on record is what is decided on.
 */
function oursOf({ projection, clock }: FactSources, device: string, point: string): readonly PastChange[] {
  const changes = projection.changes.rows.get(`${device}/${point}`) ?? [];
  const [monoMs, wallMs] = [clock.monoMs(), clock.wallMs()];
  const current = projection.meta.rows.get('epoch');
  const agoMs = ({ epoch, mono_ms, wall_ms }: Change): number =>
    Math.floor(Math.max(0, epoch === current ? monoMs - mono_ms : wallMs - wall_ms));
  return changes.map((change) => ({ ago_ms: agoMs(change), delta: change.delta, by: 'us' }));
}

/** How far back our changes are all remembered; null when there were no more than that. */
function reachOf(ours: readonly PastChange[]): number | null {
  return ours.length < LIMITS.changesKept ? null : (ours.at(-1)?.ago_ms ?? null);
}

/** What is about to be written, the leading point first, and which argument each value comes from. */
function writesOf(job: Pick<Job, 'action' | 'resolution'>, before: Before | null): readonly WriteFact[] {
  const { action, resolution } = job;
  const leading = leadingPoint(resolution.tool);
  const writes = action.target.map((wanted): WriteFact => {
    const { point, value } = wanted;
    const from = resolution.tool.writes.find((write) => write.point === point)?.from;
    const looked = before && point !== leading ? { there: reads(job, before, wanted) } : {};
    return { point, value, arg: from?.kind === 'argument' ? from.argument : null, ...looked };
  });
  return [...writes.filter(({ point }) => point === leading), ...writes.filter(({ point }) => point !== leading)];
}

/** Ours from the journal, and one by anybody that was seen while polling; newest first. */
function changesOf(sources: FactSources, device: string, point: string): Pick<Facts, 'changes' | 'changes_reach_ms'> {
  const ours = oursOf(sources, device, point);
  const changes_reach_ms = reachOf(ours);
  const status = sources.points.get(device, point);
  if (!status?.change_seen) return { changes: ours, changes_reach_ms };
  const ago_ms = Math.floor(sources.clock.monoMs() - status.changed_mono_ms);
  const changes = [{ ago_ms, delta: null, by: 'others' as const }, ...ours].toSorted((a, b) => a.ago_ms - b.ago_ms);
  return { changes, changes_reach_ms };
}

function overrideOf(sources: FactSources, { action }: Pick<Job, 'action'>): OverrideFact {
  const status = action.target.map(({ point }) => sources.points.get(action.device, point));
  if (status.some((one) => one?.quality_reason === 'local_override'))
    return { kind: 'in_force', what: `${action.device} says that it is under local control` };
  const hold = sources.projection.holds.rows.get(action.device);
  if (!hold) return { kind: 'none' };
  const what = hold.points.map(({ point, value }) => `${point} at ${String(value)}`).join(', ');
  return { kind: 'past', what, ago_ms: sources.elapsed.atLeast(hold.since), released: false };
}

/** Operators have no priority classes yet: all are of one. */
function holdersOf(sources: FactSources, job: Pick<Job, 'origin' | 'action' | 'resolution'>): readonly HolderFact[] {
  return leasesOn(sources.projection, job)
    .filter(({ origin, ttl_ms }) => origin.operator_uid !== job.origin.operator_uid && ttl_ms !== null)
    .map(({ origin, granted }) => ({
      operator: origin.operator,
      class: 'control',
      held_ms: sources.elapsed.atLeast(granted),
    }));
}

/** What a state that is set can be left to; what else is done cannot be taken back. */
function leaseOf(sources: FactSources, job: Pick<Job, 'action' | 'origin' | 'resolution'>): LeaseFact | null {
  if (job.action.effect_class !== 'absolute_set') return null;
  const own = leasesOn(sources.projection, job).find(({ origin }) => origin.operator_uid === job.origin.operator_uid);
  return {
    deadman: sources.heartbeat === job.action.device ? 'device' : 'gateway',
    fallbacks: ['relinquish', 'baseline', 'value'],
    held_ms: own && own.ttl_ms !== null ? sources.elapsed.atLeast(own.granted) : null,
  };
}

/** What the action itself has been through. */
interface Past {
  /** When an earlier attempt of it was sent. */
  readonly sentMs: number | null;
  /** A channel has taken the alert of it. */
  readonly told: boolean;
}

/** Everything that is known of the action now. */
export function gatherFacts(
  sources: FactSources,
  job: Omit<Job, 'terms' | 'waiting'>,
  before: Before | null,
  { sentMs, told }: Past = { sentMs: null, told: false },
): Facts {
  const { action, origin } = job;
  const leading = leadingPoint(job.resolution.tool);
  const { minute_of_day, weekday } = sources.localTime(sources.clock.wallMs());
  return {
    action: actionFacts(job.origin.operator, action),
    mode: job.origin.mode,
    real: sources.real,
    admitted_in_run: job.admittedBefore,
    now: { wall_ms: sources.clock.wallMs(), minute_of_day, weekday, clock_trusted: sources.clockTrusted() },
    current: currentFact(job, before),
    writes: writesOf(job, before),
    ...changesOf(sources, action.device, leading),
    sent_within: (windowMs) => sources.sent.within(origin.operator, action.capability, windowMs, sentMs),
    override: overrideOf(sources, job),
    holders: holdersOf(sources, job),
    lease: leaseOf(sources, job),
    approval: approvalFact(sources, action.action_id),
    alerts: { accepted: told, unreachable_ms: sources.telling.unreachableMs() },
    point: (ref) => pointToDecideOn(sources, ref),
  };
}

/** What the interlocks of a job say now. What stands is taken back for what was heard, not for what has not been heard of for a moment. */
export function interlocksOf(sources: FactSources, job: Omit<Job, 'terms' | 'waiting'>): InterlockWatch {
  const about = actionFacts(job.origin.operator, job.action);
  const heard = { point: (ref: string) => pointFact(sources, ref) };
  return watchInterlocks(job.policy, about, () => ({ ...gatherFacts(sources, job, null), ...heard }));
}

/** Why equipment that was just started or stopped must stay so yet; null when it need not. */
export function onOffOf(sources: FactSources, job: Omit<Job, 'terms' | 'waiting'>): string | null {
  const about = actionFacts(job.origin.operator, job.action);
  return minOnOff(job.policy, about, () => gatherFacts(sources, job, null));
}

/** Site time that a lease of the job may run: as its rules say, but not past their windows. Null: without an end. */
export function leaseMs(sources: FactSources, job: Job): number | null {
  const { lease } = job.terms;
  if (lease === null) return null;
  return Math.min(lease.ttl, windowsOpenForMs(job.policy, gatherFacts(sources, job, null)) ?? lease.ttl);
}

/** The decision, in time: one that took too long was taken on what no longer is (fault row 28). */
export function judge(sources: FactSources, policy: Policy | null, facts: Facts, moment: Moment): Verdict {
  const beganMs = sources.ioClock.monoMs();
  const verdict = decide(policy, facts, moment);
  const tookMs = sources.ioClock.monoMs() - beganMs;
  if (tookMs <= LIMITS.policyMs) return verdict;
  const reason = `deciding took ${Math.round(tookMs)} ms, at most ${LIMITS.policyMs} ms allowed`;
  const late = { stage: 'box', rule: null, reason_code: 'policy_timeout', reason } as const;
  return { ...verdict, decision: 'BLOCK', noop: false, effective: null, ...late };
}

/** When a key is minted. */
export function keyTime({ clock, bootId, clockTrusted }: FactSources): KeyTime {
  return { now_ms: clock.wallMs(), mono_ms: clock.monoMs(), boot_id: bootId, clock_trusted: clockTrusted() };
}
