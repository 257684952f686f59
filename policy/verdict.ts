/** Putting a decision into the words that stand on a receipt. */
import type { Mode, RuleVerdict } from '@fibric/sdk';
import type { Failure, Inspection, Note } from './inspect.ts';
import type { DecisionInputs } from './replay.ts';
import type { Policy, PolicyRule } from './rules.ts';
import type { Clamp } from './clamp.ts';
import type { Verdict } from './types.ts';

/** A block that no single rule decided. */
export function refusal(stage: Failure['stage'], reason_code: string, reason: string): Failure {
  return { rule: null, stage, reason_code, reason, rank: 0 };
}

/** No rule was asked. */
export const NOTHING_FOUND: Pick<Inspection, 'failures' | 'evidence'> = { failures: [], evidence: [] };

/** BLOCK, because of `failure`; beside it, whatever else failed at the same stage. */
export function blocked(
  policy: Policy | null,
  { rule, stage, reason_code, reason }: Failure,
  rules: readonly PolicyRule[] = [],
  found = NOTHING_FOUND,
  inputs: DecisionInputs | null = null,
): Verdict {
  const failed = found.failures.filter((failure) => failure.stage === stage);
  const blocking = new Set(failed.map((failure) => failure.rule));
  return {
    decision: 'BLOCK',
    noop: false,
    rule,
    policy_hash: policy?.hash ?? null,
    stage,
    reason_code,
    reason,
    rules: [...failed.map(failureVerdict), ...rules.filter(({ id }) => !blocking.has(id)).flatMap(grantVerdict)],
    evidence: found.evidence,
    effective: null,
    inputs,
  };
}

/** ALLOW or ALERT, and perhaps nothing to write. `granting` is not empty. */
export function permitted(
  policy: Policy,
  granting: readonly PolicyRule[],
  mode: Mode,
  { noop, notes, evidence, clamped }: Inspection,
  inputs: DecisionInputs,
): Verdict {
  // §2.9: a person is told of everything that a `live_limited` operator does; G-CS "range": and of every clamp.
  const alerting = granting.find((rule) => rule.decision === 'ALERT');
  const told = alerting !== undefined || mode === 'live_limited' || clamped.clamps.length > 0;
  const rule = (alerting ?? granting[0])?.id ?? null;
  const permits = `rule '${rule ?? ''}' permits it${clamped.clamps.map(inWords).join('')}${told ? ', and a person is told' : ''}`;
  const code = clamped.clamps.length > 0 ? 'clamped' : told ? 'alerted' : 'allowed';
  return {
    decision: told ? 'ALERT' : 'ALLOW',
    noop: noop !== null,
    rule,
    policy_hash: policy.hash,
    stage: noop === null ? 'grant' : 'motion',
    reason_code: noop?.reason_code ?? code,
    reason: noop?.reason ?? permits,
    rules: [...granting.flatMap(grantVerdict), ...notes.map(noteVerdict)],
    evidence,
    effective: clamped.effective,
    inputs,
  };
}

function inWords({ arg, from, to, unit }: Clamp): string {
  return `, ${arg} clamped from ${from} to ${to} ${unit}`;
}

function failureVerdict({ rule, stage, reason }: Failure): RuleVerdict {
  return { rule: rule ?? '', decision: 'block', stage, reason };
}

function noteVerdict({ rule, stage, reason }: Note): RuleVerdict {
  return { rule, decision: 'allow', stage, reason };
}

function grantVerdict({ id, decision }: PolicyRule): readonly RuleVerdict[] {
  if (decision === 'BLOCK' || decision === 'LIMIT') return [];
  return [{ rule: id, decision: decision === 'ALERT' ? 'alert' : 'allow', stage: 'grant', reason: 'permits it' }];
}
