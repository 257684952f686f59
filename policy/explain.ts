/** A verdict in plain words, for the CLI and for whoever reads a receipt. */
import type { Evidence } from '@fibric/sdk';
import { seconds } from './kinds/kind.ts';
import type { ConstraintAccount, RuleAccount } from './ledger.ts';
import type { Facts, Verdict } from './types.ts';

/** What was decided, why, by which rule, and what was looked at: a few lines of text. */
export function explain(verdict: Verdict, facts: Facts): string {
  const { operator, capability, entity_key } = facts.action;
  const may = verdict.decision === 'BLOCK' ? 'may not' : 'may';
  const told = verdict.decision === 'ALERT' ? ', and a person is told' : '';
  const rule = verdict.rule === null ? '' : `, rule '${verdict.rule}'`;
  return [
    `${verdict.decision}: ${operator} ${may} do ${capability} on ${entity_key}${told}.`,
    `${verdict.reason} (${verdict.reason_code}${rule}, stage ${verdict.stage}).`,
    ...others(verdict).map((reason) => `Also: ${reason}.`),
    ...notes(verdict).map((reason) => `Note: ${reason}.`),
    ...verdict.evidence.map((one) => `Looked at ${sight(one)}.`),
  ].join('\n');
}

function others(verdict: Verdict): readonly string[] {
  return verdict.rules
    .filter(({ decision, reason }) => decision === 'block' && reason !== verdict.reason)
    .map(({ rule, reason }) => `${reason} (rule '${rule}')`);
}

/** What holds, and is worth a word all the same. */
function notes(verdict: Verdict): readonly string[] {
  return verdict.rules
    .filter(({ decision, stage }) => decision !== 'block' && stage !== 'grant')
    .map(({ rule, reason }) => `${reason} (rule '${rule}')`);
}

function sight({ point, value, unit, quality, provenance, age_ms }: Evidence): string {
  return `${point}: ${String(value)}${unit === null ? '' : ` ${unit}`}, ${quality}, ${provenance}, ${seconds(age_ms)} old`;
}

const SAYS: Readonly<Record<RuleAccount['verdict'], string>> = {
  permits: 'permits it',
  limits: 'holds, and grants nothing by itself',
  blocks: 'does not permit it',
  forbids: 'forbids it',
  silent: 'does not forbid it',
  elsewhere: 'is not asked',
};

/** Every rule that speaks of the capability, and what each of its constraints says: a few lines of text a rule. */
export function explainRules(rules: readonly RuleAccount[]): readonly string[] {
  return rules.flatMap(({ rule, says, verdict, reason, constraints }) => {
    const why = verdict === 'silent' || verdict === 'elsewhere' || verdict === 'forbids' ? `: ${reason ?? ''}` : '';
    return [`Rule '${rule}' (${says}) ${SAYS[verdict]}${why}.`, ...constraints.map(constraintLine)];
  });
}

const ANSWERS: Readonly<Record<ConstraintAccount['answer'], string>> = {
  holds: 'holds',
  fails: 'FAILS',
  noop: 'nothing to write',
  note: 'holds',
  later: 'asked at the head of the lane',
  told: 'tells the executor',
};

function constraintLine({ kind, answer, reason }: ConstraintAccount): string {
  return `  ${kind}: ${ANSWERS[answer]}${reason === null ? '' : `, ${reason}`}`;
}
