import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { explain } from './explain.ts';
import { constrained, fact, facts, policyOf } from './test/site.ts';
import type { Facts } from './types.ts';

function explained(policy: ReturnType<typeof policyOf> | null, given: Facts): string {
  return explain(decide(policy, given, 'head'), given);
}

describe('explain', () => {
  it('says what was compared with what, and what was looked at', () => {
    const policy = constrained('evidence: [ { point: "zone:{id}/temperature", max_age: 5m } ]');
    expect(
      explained(policy, facts({ points: { 'zone:412/temperature': fact({ value: 20.4, age_ms: 312_000 }) } })),
    ).toBe(
      [
        'BLOCK: comfort may not do hvac.setpoint on zone:412.',
        "zone:412/temperature is 312 s old, at most 300 s allowed (stale_or_bad, rule 'comfort-setpoint', stage evidence).",
        'Looked at zone:412/temperature: 20.4 degC, good, live, 312 s old.',
      ].join('\n'),
    );
  });

  it('says what else failed beside the first', () => {
    const policy = constrained('step: { max: 1 }', 'min_interval: 10m');
    expect(explained(policy, facts({ changes: [{ ago_ms: 60_000, delta: 1 }] }))).toContain(
      "Also: from 20 to 21.5 degC is a step of 1.5, at most 1 allowed (rule 'comfort-setpoint').",
    );
  });

  it('speaks of permission too, and of silence', () => {
    const policy = policyOf('[{ capability: hvac.setpoint, decision: ALERT }]');
    expect(explained(policy, facts())).toBe(
      [
        'ALERT: comfort may do hvac.setpoint on zone:412, and a person is told.',
        "rule 'hvac.setpoint' permits it, and a person is told (alerted, rule 'hvac.setpoint', stage grant).",
      ].join('\n'),
    );
    expect(explained(null, facts())).toContain('there is no policy, so nothing is permitted (no_policy, stage box).');
  });
});
