/**
 * Which rule would decide an action now, and why: everything that would be asked of it is asked, on fresh data, and nothing is proposed,
 * reserved or sent.
 */
import {
  type Effective,
  executionTerms,
  explain,
  explainRules,
  ledger,
  type Moment,
  type RuleAccount,
} from '@fibric/policy';
import { type Evidence, type Identity, isoTime, makeEnvelope, type Mode } from '@fibric/sdk';
import type { Bindings } from '../bindings.ts';
import type { Proposal } from '../kernel.ts';
import { type Admitted, admitAction } from './admit.ts';
import { argumentsFor } from './arguments.ts';
import { readBefore } from './before.ts';
import { broken } from './breaker.ts';
import type { DisposeDeps } from './dispose.ts';
import { actionFacts, gatherFacts, judge, keyTime } from './facts.ts';
import { heldBack as heldOff } from './holds.ts';
import { originOf, type Job } from './job.ts';
import { checkKey } from './keys.ts';
import { leaseRefusal } from './lease.ts';
import { heldBack } from './override.ts';
import { stopEnding, stopped } from './stop.ts';

export interface EvaluateDeps extends DisposeDeps {
  readonly identity: Identity;
  readonly bindings: Bindings;
}

/** An action that an operator might propose. */
export interface Wish {
  readonly operator: Proposal['operator'];
  readonly requires: readonly string[];
  readonly mode: Mode;
  readonly capability: string;
  /** `kind:id`; null: the arguments name it. */
  readonly entity: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  /** The quantity that a ceiling applies to, such as the temperature of a setpoint; null: the arguments hold it. */
  readonly value: number | null;
}

/** Something beside the rules that stands in the way now. */
export interface Hurdle {
  readonly stage: string;
  readonly reason_code: string;
  readonly reason: string;
}

export interface Evaluation {
  readonly object: 'policy_evaluation';
  readonly at: string;
  readonly operator: string;
  readonly mode: Mode;
  readonly capability: string;
  readonly entity_key: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
  readonly device: string | null;
  readonly policy_hash: string | null;
  /** How far it would get: what admission refuses never comes to the head of the lane. */
  readonly moment: Moment;
  readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK';
  readonly rule: string | null;
  readonly stage: string;
  readonly reason_code: string;
  readonly reason: string;
  /** The device is there already: nothing would be written. */
  readonly noop: boolean;
  /** What would be written in place of what was asked for; null: just that. */
  readonly effective: Effective | null;
  /** What is asked beside the rules, before and after them, and would end it as well. */
  readonly hurdles: readonly Hurdle[];
  readonly rules: readonly RuleAccount[];
  readonly evidence: readonly Evidence[];
  /** All of it in words. */
  readonly explanation: string;
}

/** Throws `invalid_parameter` where the wish itself makes no sense. */
export async function evaluate(deps: EvaluateDeps, wish: Wish): Promise<Evaluation> {
  const proposal = proposalOf(deps, wish);
  const planned = { capability: wish.capability, args: argumentsFor(deps.bindings.capability(wish.capability), wish) };
  const policy = deps.policyOf(wish.operator.uid);
  const context = { bindings: deps.bindings, keys: deps.keys, policy, time: keyTime(deps.facts) };
  const admitted = admitAction(planned, { plan_id: 'pl_none', ordinal: 0 }, proposal, context);
  if (admitted.kind === 'refused') return refusedOf(deps, wish, admitted);
  const { action, resolution } = admitted;
  const origin = originOf(proposal);
  const terms = executionTerms(policy, actionFacts(origin.operator, action));
  const job: Job = { origin, reasoning: null, action, resolution, policy, terms, waiting: null, admittedBefore: 0 };
  const before = await readBefore(deps, job);
  const atAdmission = gatherFacts(deps.facts, job, null);
  const early = judge(deps.facts, job.policy, atAdmission, 'admission');
  const moment: Moment = early.decision === 'BLOCK' ? 'admission' : 'head';
  const facts = moment === 'admission' ? atAdmission : gatherFacts(deps.facts, job, before);
  const verdict = moment === 'admission' ? early : judge(deps.facts, job.policy, facts, 'head');
  const rules = ledger(job.policy, facts, moment);
  const { decision, rule, stage, reason_code, reason, noop, effective, evidence, policy_hash } = verdict;
  const hurdles = [...hurdlesOf(deps, job), ...(before.fault ? [{ ...before.fault, stage: 'device' }] : [])];
  const { entity_key, args, value, device } = action;
  return {
    ...about(deps, wish),
    ...{ entity_key, args, value, device, policy_hash, moment, decision, rule, stage, reason_code, reason, noop },
    ...{ effective, hurdles, rules, evidence },
    explanation: [explain(verdict, facts), ...explainRules(rules)].join('\n'),
  };
}

const about = ({ facts }: EvaluateDeps, { operator, mode, capability }: Wish) =>
  ({
    object: 'policy_evaluation',
    at: isoTime(facts.clock.wallMs()),
    operator: operator.name,
    mode,
    capability,
  }) as const;

/** What never becomes an action is not asked about. */
function refusedOf(deps: EvaluateDeps, wish: Wish, refused: Extract<Admitted, { kind: 'refused' }>): Evaluation {
  const { action, stage, reason_code, reason } = refused;
  const { entity_key, args, value } = action;
  return {
    ...about(deps, wish),
    ...{ entity_key, args, value, device: null, stage, reason_code, reason },
    policy_hash: deps.policyOf(wish.operator.uid)?.hash ?? null,
    moment: 'admission',
    decision: 'BLOCK',
    rule: null,
    noop: false,
    effective: null,
    hurdles: [],
    rules: [],
    evidence: [],
    explanation: `BLOCK: no rule is asked.\n${reason} (${reason_code}, stage ${stage}).`,
  };
}

function proposalOf({ identity }: EvaluateDeps, { operator, requires, mode }: Wish): Proposal {
  const asked = { event_id: 'evaluation', source: 'gateway', event_type: 'policy.evaluated', payload: {} };
  const event = makeEnvelope(identity, asked);
  const by = { proposed_by: 'rules', reasoner: null } as const;
  return { run_id: 'evaluation', operator, requires, mode, event, ...by, plan: null, state: null };
}

function hurdlesOf(deps: EvaluateDeps, job: Job): readonly Hurdle[] {
  const { projection } = deps.journal;
  const stop = stopped(projection);
  const key = checkKey(job.action, deps.keys);
  const done = key.kind === 'deduped' ? `it had its effect already: ${key.receipt_id}` : null;
  const off = heldOff(job.origin, projection, false);
  const found = [
    stop && stopEnding(stop),
    off && { stage: 'box', ...off },
    done === null ? null : { stage: 'key', reason_code: 'deduped', reason: done },
    key.kind === 'refused' ? { stage: 'key', ...key } : null,
    broken(projection, job),
    heldBack(deps, job, deps.facts.clock.wallMs()),
    leaseRefusal(projection, deps.elapsed, job),
  ];
  return found.flatMap((one) => {
    if (one === null) return [];
    const { stage, reason_code, reason } = one;
    return [{ stage: stage ?? 'box', reason_code, reason }];
  });
}
