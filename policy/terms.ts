/** What the rules that match an action tell the executor, beside the verdict. */
import { type Alert, strictest as strictestAlert } from './kinds/alert.ts';
import { type Approval, strictest as strictestApproval } from './kinds/approval.ts';
import { type Authority, strictest as strictestAuthority } from './kinds/authority.ts';
import { type Idempotency, strictest as strictestIdempotency } from './kinds/idempotency.ts';
import { pointsOf as interlockPoints } from './kinds/interlocks.ts';
import { type Lease, strictest as strictestLease } from './kinds/lease.ts';
import { type Override, strictest as strictestOverride } from './kinds/override.ts';
import { pointsOf as pairPoints } from './kinds/pair.ts';
import { laneOf } from './kinds/single-flight.ts';
import type { Constraint, KindName, Terms } from './kinds/table.ts';
import { openForMs } from './kinds/windows.ts';
import { matchingRules, type Policy } from './rules.ts';
import type { ActionFacts, Facts } from './types.ts';

/** Null where no rule says anything. Durations are milliseconds. */
export interface ExecutionTerms {
  /** Any rule that says stop stops. */
  readonly on_failure: 'stop' | 'continue' | null;
  /** Refused where any rule says so; an older wish gives way only where no rule says otherwise. */
  readonly on_conflict: 'wait' | 'refuse' | 'coalesce';
  /** Any rule that says hold holds. */
  readonly on_unknown: 'hold' | 'release' | null;
  /** Any rule that says reject_plan rejects. */
  readonly on_overrun: 'truncate' | 'reject_plan';
  /** What `single_flight` asks to be alone on, beside the entity itself. */
  readonly lanes: readonly string[];
  /** Points that interlocks and pairs are decided on, as `entity/point`: nothing of ours may move them meanwhile (G-SF-1). */
  readonly decided_on: readonly string[];
  readonly idempotency: Idempotency | null;
  readonly override: Override | null;
  readonly authority: Authority | null;
  readonly lease: Lease | null;
  /** Null also when rules speak of approval and none requires it. */
  readonly approval: Approval | null;
  readonly alert: Alert | null;
}

/** Where rules differ, the stricter one counts. */
export function executionTerms(policy: Policy | null, action: ActionFacts): ExecutionTerms {
  const constraints = constraintsFor(policy, action);
  const all = <K extends KindName>(kind: K): readonly Terms<K>[] => termsOf(constraints, kind);
  const onFailure = all('on_failure');
  const onUnknown = all('on_unknown');
  return {
    on_failure: onFailure.includes('stop') ? 'stop' : (onFailure[0] ?? null),
    on_conflict: strictestConflict(all('on_conflict')),
    on_unknown: onUnknown.includes('hold') ? 'hold' : (onUnknown[0] ?? null),
    on_overrun: all('quantity').some((one) => one.on_overrun === 'reject_plan') ? 'reject_plan' : 'truncate',
    lanes: [...new Set(all('single_flight').flatMap((one) => lane(one, action)))].toSorted(),
    decided_on: decidedOn(all('interlocks'), all('pair'), action),
    idempotency: strictestIdempotency(all('idempotency')),
    override: strictestOverride(all('override')),
    authority: strictestAuthority(all('authority')),
    lease: strictestLease(all('lease')),
    approval: strictestApproval(all('approval')),
    alert: strictestAlert(all('alert')),
  };
}

function decidedOn(
  interlocks: readonly Terms<'interlocks'>[],
  pairs: readonly Terms<'pair'>[],
  action: ActionFacts,
): readonly string[] {
  const points = [
    ...interlocks.flatMap((one) => interlockPoints(one, action)),
    ...pairs.flatMap((one) => pairPoints(one, action)),
  ];
  return [...new Set(points)].toSorted();
}

function strictestConflict(all: readonly Terms<'on_conflict'>[]): ExecutionTerms['on_conflict'] {
  if (all.includes('refuse')) return 'refuse';
  return all.length > 0 && all.every((one) => one === 'coalesce') ? 'coalesce' : 'wait';
}

/** True where a rule rations how often something may be sent: then it must be known what was sent before a restart. */
export function rationsRates(policy: Policy | null): boolean {
  return (policy?.rules ?? []).some(({ constraints }) =>
    termsOf(constraints, 'quantity').some(({ per_window }) => per_window !== undefined),
  );
}

/**
 * For how long the windows of the rules that match stay open: a lease ends with them (G-CS "windows"). Null where no rule has any; 0
 * where one is shut, or the clock is not trusted.
 */
export function windowsOpenForMs(policy: Policy | null, facts: Facts): number | null {
  const windows = termsOf(constraintsFor(policy, facts.action), 'windows');
  return windows.length === 0 ? null : Math.min(...windows.map((one) => openForMs(one, facts)));
}

function constraintsFor(policy: Policy | null, action: ActionFacts): readonly Constraint[] {
  const rules = policy === null ? [] : matchingRules(policy, action);
  return rules.flatMap(({ decision, constraints }) => (decision === 'BLOCK' ? [] : constraints));
}

function termsOf<K extends KindName>(constraints: readonly Constraint[], kind: K): readonly Terms<K>[] {
  return constraints.flatMap((one) => (one.kind === kind ? [one.terms as Terms<K>] : []));
}

function lane(singleFlight: Terms<'single_flight'>, action: ActionFacts): readonly string[] {
  const name = laneOf(singleFlight, action);
  return name === null || name === action.entity_key ? [] : [name];
}
