/** For tests: a policy that goes on because its file has a finding, and what it says: up to 26 °C. */
import type { Evaluation } from '../executor/evaluate.ts';
import type { PolicyView } from '../policies/view.ts';
import type { PolicyQuestion } from './view.ts';

export const POLICY: PolicyView = {
  object: 'policy',
  operator: 'comfort',
  uid: 'op_1',
  state: 'kept',
  hash: 'c'.repeat(64),
  rules: 2,
  activated: {
    seq: 2,
    at: '2026-07-02T08:00:00.000Z',
    who: 'site file',
    sources: [{ file: 'policy.yaml', sha256: 'd'.repeat(64), key: null, counter: null }],
  },
  text: '{"id":"comfort-setpoint"}',
  findings: [
    {
      file: 'policy.yaml',
      line: 7,
      column: 3,
      path: 'limits.hvac.setpoint',
      message: "unknown key 'max_per_runs'; did you mean 'max_per_run'?",
    },
  ],
  warnings: [],
};

export function evaluationOf({ operator, capability, entity, args, value }: PolicyQuestion): Evaluation | null {
  if (operator !== null && operator !== POLICY.operator) return null;
  const fits = (value ?? 0) <= 26;
  const decision = fits ? 'ALLOW' : 'BLOCK';
  const reason = fits ? "rule 'comfort-setpoint' permits it" : `celsius is ${value} degC, at most 26 degC allowed`;
  return {
    object: 'policy_evaluation',
    at: '2026-07-02T08:00:00.000Z',
    operator: POLICY.operator,
    mode: 'live',
    capability,
    entity_key: entity,
    args,
    value,
    device: 'fcu-412',
    policy_hash: POLICY.hash,
    moment: fits ? 'head' : 'admission',
    decision,
    rule: 'comfort-setpoint',
    stage: fits ? 'grant' : 'value',
    reason_code: fits ? 'allowed' : 'out_of_range',
    reason,
    noop: false,
    effective: null,
    hurdles: [{ stage: 'lease', reason_code: 'leased', reason: 'floor holds a lease on it' }],
    rules: [],
    evidence: [],
    explanation: `${decision}: ${reason}.`,
  };
}
