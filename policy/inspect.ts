/** Asks every constraint of the rules that match, and keeps what did not hold and what was looked at. */
import type { Evidence } from '@fibric/sdk';
import { messageOf } from '@fibric/sdk';
import { clamp, type Clamped } from './clamp.ts';
import { type Answer, type Stage, STAGES } from './kinds/kind.ts';
import { inWords } from './kinds/when.ts';
import { checkConstraint, type Constraint, KIND_NAMES, KINDS } from './kinds/table.ts';
import type { PolicyRule } from './rules.ts';
import type { Facts, Moment, PointFact } from './types.ts';

/** Something that blocks. The lowest `rank` is the one to name: an error, then a BLOCK, then constraints in the order of their stages. */
export interface Failure {
  readonly rule: string | null;
  readonly stage: Stage;
  readonly reason_code: string;
  readonly reason: string;
  readonly rank: number;
}

/** There is nothing to write, because the device is where the action wants it. */
export interface Noop {
  readonly reason_code: string;
  readonly reason: string;
}

/** Something that holds, and that a person should know of. */
export interface Note {
  readonly rule: string;
  readonly stage: Stage;
  readonly reason: string;
}

export interface Inspection {
  readonly failures: readonly Failure[];
  readonly noop: Noop | null;
  readonly notes: readonly Note[];
  readonly evidence: readonly Evidence[];
  /** Points that were asked for and of which nothing is known. */
  readonly missing: readonly string[];
  readonly clamped: Clamped;
}

const ERROR_RANK = 0;
const BLOCK_RANK = 1;

/** Asks `rules` everything that applies at `moment`. */
export function inspect(rules: readonly PolicyRule[], facts: Facts, moment: Moment): Inspection {
  const { watched, evidence, missing } = watch(facts);
  const failures: Failure[] = [];
  const notes: Note[] = [];
  let noop: Noop | null = null;
  const permitting = rules.filter(({ decision }) => decision !== 'BLOCK');
  const clamped = clamp(
    permitting.flatMap(({ constraints }) => constraints),
    watched,
  );
  for (const rule of rules) {
    if (rule.decision === 'BLOCK') failures.push(...forbids(rule, clamped, watched));
    askAll(rule, moment, clamped, watched, (constraint, answer) => {
      if (answer?.kind === 'noop') noop ??= answer;
      else if (answer?.kind === 'note')
        notes.push({ rule: rule.id, stage: KINDS[constraint.kind].stage, reason: answer.reason });
      else if (answer !== null) failures.push(failureOf(rule, constraint, answer));
    });
  }
  return { failures, noop, notes, evidence: evidence(), missing: missing(), clamped };
}

/**
 * Asks the constraints of a rule that are asked at `moment`, and tells `take` of each answer; one that concerns a clamp as well is asked
 * twice. A decision by many rules asks thousands, so nothing is made for each but its answer.
 */
export function askAll(
  rule: PolicyRule,
  moment: Moment,
  clamped: Clamped,
  proposed: Facts,
  take: (constraint: Constraint, answer: Answer) => void,
): void {
  if (rule.decision === 'BLOCK') return;
  for (const constraint of rule.constraints) {
    if (!KINDS[constraint.kind].at.includes(moment)) continue;
    if (proposed === clamped.facts) take(constraint, ask(constraint, proposed));
    else for (const facts of factsFor(constraint, clamped, proposed)) take(constraint, ask(constraint, facts));
  }
}

/** The facts, with an eye on what is looked at. */
function watch(facts: Facts) {
  const seen = new Map<string, PointFact | null>();
  const watched: Facts = {
    ...facts,
    point: (ref) => {
      const fact = facts.point(ref);
      seen.set(ref, fact);
      return fact;
    },
  };
  const evidence = (): readonly Evidence[] =>
    [...seen].flatMap(([point, fact]) => (fact === null ? [] : [{ point, ...fact }]));
  const missing = (): readonly string[] => [...seen].flatMap(([point, fact]) => (fact === null ? [point] : []));
  return { watched, evidence, missing };
}

/**
 * Grant and value are asked of what was proposed and of what would be written, so that a clamp gets round neither; later stages only of
 * what would be written. A bound to clamp to is not one that the proposal must keep.
 */
function factsFor(constraint: Constraint, { facts: effective }: Clamped, proposed: Facts): readonly Facts[] {
  if (proposed === effective) return [proposed];
  const { stage } = KINDS[constraint.kind];
  const clamps = constraint.kind === 'range' && constraint.terms.on_exceed === 'clamp';
  return !clamps && (stage === 'grant' || stage === 'value') ? [proposed, effective] : [effective];
}

/** The failure to name; among equals that of the first rule by id. Null when there is none. */
export function firstFailure(failures: readonly Failure[]): Failure | null {
  return failures.toSorted((a, b) => a.rank - b.rank)[0] ?? null;
}

/** An error is an answer too, and it blocks (P4). */
function ask(constraint: Constraint, facts: Facts): Answer {
  try {
    return checkConstraint(constraint, facts);
  } catch (error) {
    const reason = `${constraint.kind} could not be evaluated: ${messageOf(error)}`;
    return { kind: 'fails', reason_code: 'rule_error', reason };
  }
}

/** A rule that forbids does so always, or where its `when` holds; where that cannot be told, it is an error. */
export function forbids(rule: PolicyRule, clamped: Clamped, proposed: Facts): readonly Failure[] {
  const forbidden = (condition: string): Failure => {
    const reason = `rule '${rule.id}' forbids it${condition}`;
    return { rule: rule.id, stage: 'grant', reason_code: 'blocked_by_rule', reason, rank: BLOCK_RANK };
  };
  const when = rule.constraints.find((constraint) => constraint.kind === 'when');
  if (when === undefined) return [forbidden('')];
  return factsFor(when, clamped, proposed).flatMap((facts) => {
    const answer = ask(when, facts);
    if (answer === null) return [forbidden(` when ${inWords(when.terms)}`)];
    return answer.reason_code === 'rule_error' ? [failureOf(rule, when, answer)] : [];
  });
}

function failureOf(rule: PolicyRule, constraint: Constraint, answer: NonNullable<Answer>): Failure {
  const { stage } = KINDS[constraint.kind];
  const order = BLOCK_RANK + 1 + STAGES.indexOf(stage) * KIND_NAMES.length + KIND_NAMES.indexOf(constraint.kind);
  const rank = answer.reason_code === 'rule_error' ? ERROR_RANK : order;
  return { rule: rule.id, stage, reason_code: answer.reason_code, reason: answer.reason, rank };
}
