/**
 * The rules that outlast a decision, asked by themselves: interlocks between the intent and the send and for as long as a lease stands,
 * and the rest of equipment before a release. Pure; the same predicates as in the whole decision, so that all always agree.
 */
import { messageOf } from '@fibric/sdk';
import { resolved } from './kinds/gate.ts';
import { checkConstraint, type Constraint, type KindName } from './kinds/table.ts';
import { matchingRules, type Policy } from './rules.ts';
import type { ActionFacts, Facts } from './types.ts';

export interface InterlockWatch {
  /** What they look at, as `entity/point`. */
  readonly points: readonly string[];
  /** Why one of them does not hold; null when all do. */
  readonly tripped: string | null;
  /** For how long they hold if nothing is heard: then the first value is too old. Infinity without interlocks. */
  readonly holds_ms: number;
}

const NONE: InterlockWatch = { points: [], tripped: null, holds_ms: Number.POSITIVE_INFINITY };

/** What the interlocks of the rules that match say, and when to ask again. `facts` are gathered only when there are any. */
export function watchInterlocks(policy: Policy | null, action: ActionFacts, facts: () => Facts): InterlockWatch {
  const interlocks = constraintsOn(policy, action, 'interlocks');
  if (interlocks.length === 0) return NONE;
  const known = facts();
  const watched = interlocks.flatMap(({ terms }) =>
    terms.map(({ point, max_age }) => ({ ref: resolved(point, { action }), max_age })),
  );
  const left = watched.map(({ ref, max_age }) => max_age - (known.point(ref)?.age_ms ?? 0));
  const holds_ms = Math.min(Number.POSITIVE_INFINITY, ...left);
  return { points: watched.map(({ ref }) => ref), tripped: firstReason(interlocks, known, () => true), holds_ms };
}

/** Why equipment must stay as it is yet. A status that cannot be read does not keep it for ever: a release is not a start. */
export function minOnOff(policy: Policy | null, action: ActionFacts, facts: () => Facts): string | null {
  const minimums = constraintsOn(policy, action, 'min_on_off');
  return minimums.length === 0 ? null : firstReason(minimums, facts(), (code) => /^min_(on|off)$/.test(code));
}

function constraintsOn<K extends KindName>(policy: Policy | null, action: ActionFacts, kind: K) {
  const rules = policy === null ? [] : matchingRules(policy, action).filter(({ decision }) => decision !== 'BLOCK');
  return rules.flatMap(({ constraints }) =>
    constraints.filter((one): one is Extract<Constraint, { kind: K }> => one.kind === kind),
  );
}

function firstReason(
  constraints: readonly Constraint[],
  facts: Facts,
  counts: (reasonCode: string) => boolean,
): string | null {
  for (const constraint of constraints) {
    try {
      const answer = checkConstraint(constraint, facts);
      if (answer?.kind === 'fails' && counts(answer.reason_code)) return answer.reason;
    } catch (error) {
      if (counts('rule_error')) return `${constraint.kind} could not be evaluated: ${messageOf(error)}`;
    }
  }
  return null;
}
