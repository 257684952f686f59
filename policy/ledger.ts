/** What each rule says of an action, constraint by constraint, also where it is not what decided: for people who ask why. */
import { askAll, forbids } from './inspect.ts';
import { clamp } from './clamp.ts';
import type { Answer } from './kinds/kind.ts';
import { type Constraint, KINDS, type KindName } from './kinds/table.ts';
import type { Match, Policy, PolicyRule, RuleDecision } from './rules.ts';
import { matchingRules } from './rules.ts';
import type { ActionFacts, Facts, Moment } from './types.ts';

/** One constraint of a rule. `later`: it is asked only at the head of the lane; `told`: never, it tells the executor what to do. */
export interface ConstraintAccount {
  readonly kind: KindName;
  readonly stage: string;
  readonly answer: 'holds' | 'fails' | 'noop' | 'note' | 'later' | 'told';
  readonly reason: string | null;
}

/** One rule that speaks of the capability. */
export interface RuleAccount {
  readonly rule: string;
  readonly says: RuleDecision;
  /**
   * `permits`: it grants, and all its constraints hold. `limits`: it grants nothing, and they hold. `blocks`: one does not. `forbids`: it is a
   * BLOCK. `silent`: it is a BLOCK whose `when` does not hold. `elsewhere`: it is about something else.
   */
  readonly verdict: 'permits' | 'limits' | 'blocks' | 'forbids' | 'silent' | 'elsewhere';
  readonly reason: string | null;
  readonly constraints: readonly ConstraintAccount[];
}

/** Every rule about the capability or the tool of the action, by id. */
export function ledger(policy: Policy | null, facts: Facts, moment: Moment): readonly RuleAccount[] {
  if (policy === null) return [];
  const { action } = facts;
  const matching = matchingRules(policy, action);
  const permitting = matching.filter(({ decision }) => decision !== 'BLOCK');
  const clamped = clamp(
    permitting.flatMap(({ constraints }) => constraints),
    facts,
  );
  const about = [...(policy.byCapability.get(action.capability) ?? []), ...(policy.byTool.get(action.tool) ?? [])];
  return about
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((rule) => {
      if (!matching.includes(rule)) return elsewhere(rule, action);
      if (rule.decision === 'BLOCK') return forbidding(rule, forbids(rule, clamped, facts)[0]?.reason ?? null);
      const asked = new Map<Constraint, Answer[]>(rule.constraints.map((one) => [one, []]));
      askAll(rule, moment, clamped, facts, (one, answer) => asked.get(one)?.push(answer));
      return granting(
        rule,
        [...asked].map(([{ kind }, answers]) => accountOf(kind, answers)),
      );
    });
}

function elsewhere({ id, decision, match }: PolicyRule, action: ActionFacts): RuleAccount {
  const reason = `is about ${otherThan(match, action)}`;
  return { rule: id, says: decision, verdict: 'elsewhere', reason, constraints: [] };
}

/** The first part of the match that the action does not meet. */
function otherThan({ operator, connector, entity }: Match, action: ActionFacts): string {
  if (operator !== null && operator !== action.operator) return `operator ${operator}`;
  if (connector !== null && connector !== action.connector) return `connector ${connector}`;
  return `entity ${entity ?? ''}`;
}

function forbidding({ id, decision }: PolicyRule, reason: string | null): RuleAccount {
  const verdict = reason === null ? 'silent' : 'forbids';
  return { rule: id, says: decision, verdict, reason: reason ?? 'its `when` does not hold', constraints: [] };
}

function granting({ id, decision }: PolicyRule, constraints: readonly ConstraintAccount[]): RuleAccount {
  const failed = constraints.find(({ answer }) => answer === 'fails');
  const verdict = failed ? 'blocks' : decision === 'LIMIT' ? 'limits' : 'permits';
  return { rule: id, says: decision, verdict, reason: failed?.reason ?? null, constraints };
}

function accountOf(kind: KindName, answers: readonly Answer[]): ConstraintAccount {
  const { stage, at } = KINDS[kind];
  if (answers.length === 0) return { kind, stage, answer: at.length === 0 ? 'told' : 'later', reason: null };
  // Asked of what was proposed and of what a clamp makes of it, the worse answer counts.
  const worst = answers.find((answer) => answer?.kind === 'fails') ?? answers.find((answer) => answer !== null) ?? null;
  return { kind, stage, answer: worst?.kind ?? 'holds', reason: worst?.reason ?? null };
}
