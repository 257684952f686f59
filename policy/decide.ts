/**
 * The whole decision, on one screen. Pure and total: the same policy and facts give the same verdict, and no throw leaves here.
 *
 * P3 Silence blocks: no policy, or no rule that matches and grants (explicit grant).
 * P4 A rule that cannot be evaluated blocks; it is never skipped (error blocks).
 * P5 Any matching BLOCK blocks, and every constraint of every matching rule must hold (block wins).
 * P6 Neither the order nor the repetition of rules changes a decision; adding a BLOCK, a limit or a constraint, or taking away a
 *    grant that has no constraints, never turns a block into a permission (monotone tightening). A `clamp` is no such constraint: it
 *    changes what is asked, and then permits only what would have been permitted had that been asked, and never in silence.
 */
import { messageOf } from '@fibric/sdk';
import { type Failure, firstFailure, inspect } from './inspect.ts';
import { inputsOf } from './replay.ts';
import { matchingRules, type Policy } from './rules.ts';
import type { Decide, Facts, Moment, Verdict } from './types.ts';
import { blocked, NOTHING_FOUND, permitted, refusal } from './verdict.ts';

/** May this happen? At `admission` only what needs no device is asked, at the `head` of the lane everything. */
export const decide: Decide = (policy, facts, moment) => {
  if (policy === null) {
    const nothing = refusal('box', 'no_policy', 'there is no policy, so nothing is permitted');
    return blocked(null, nothing, [], NOTHING_FOUND, inputsOf(facts, moment, []));
  }
  try {
    return judge(policy, facts, moment);
  } catch (error) {
    return blocked(policy, refusal('grant', 'rule_error', `the rules could not be matched: ${messageOf(error)}`));
  }
};

function judge(policy: Policy, facts: Facts, moment: Moment): Verdict {
  const rules = matchingRules(policy, facts.action);
  if (rules.every(({ decision }) => decision === 'LIMIT'))
    return blocked(policy, silence(facts), [], NOTHING_FOUND, inputsOf(facts, moment, []));
  // Errors first, then rules that say BLOCK, then constraints that do not hold, in the order of their stages.
  const found = inspect(rules, facts, moment);
  const inputs = inputsOf(facts, moment, found.missing);
  const failure = firstFailure(found.failures);
  if (failure !== null) return blocked(policy, failure, rules, found, inputs);
  // A rule that forbids something else permits nothing.
  const granting = rules.filter(({ decision }) => decision === 'ALLOW' || decision === 'ALERT');
  if (granting.length === 0) return blocked(policy, silence(facts), rules, found, inputs);
  return permitted(policy, granting, facts.mode, found, inputs);
}

function silence({ action }: Facts): Failure {
  const { operator, capability, entity_key } = action;
  return refusal('grant', 'default_closed', `no rule lets ${operator} do ${capability} on ${entity_key}`);
}
