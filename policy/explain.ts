/** A verdict in plain words, for the CLI and for whoever reads a receipt. */
import type { Evidence } from '@fibric/sdk';
import { seconds } from './kinds/kind.ts';
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
