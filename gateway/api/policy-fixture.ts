/** For tests: a policy that goes on because its file has a finding. */
import type { PolicyView } from '../policies/view.ts';

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
    sources: [{ file: 'policy.yaml', sha256: 'd'.repeat(64) }],
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
