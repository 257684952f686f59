import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { explainRules } from './explain.ts';
import { ledger } from './ledger.ts';
import { constrained, fact, facts, policyOf } from './test/site.ts';

describe('what each rule says', () => {
  it('goes constraint by constraint, whatever the decision named first', () => {
    const policy = constrained(
      'idempotency: { scope: episode }',
      'range: { arg: celsius, min: 18, max: 21, unit: degC }',
      'evidence: [ { point: "zone:{id}/temperature", max_age: 5m } ]',
      'min_interval: 10m',
    );
    const given = facts({ changes: [{ ago_ms: 60_000, delta: 1 }], points: { 'zone:412/temperature': fact() } });
    expect(explainRules(ledger(policy, given, 'head'))).toEqual([
      "Rule 'comfort-setpoint' (ALLOW) does not permit it.",
      '  idempotency: tells the executor',
      '  range: FAILS, celsius is 21.5 degC, at most 21 degC allowed',
      '  evidence: holds',
      '  min_interval: FAILS, last changed 60 s ago, at least 600 s apart allowed',
    ]);
    expect(ledger(policy, given, 'admission')[0]?.constraints.map(({ answer }) => answer)).toEqual([
      'told',
      'fails',
      'later',
      'later',
    ]);
  });

  it('tells why a rule that speaks of the capability is not asked, and which forbid, limit or stay silent', () => {
    const policy = policyOf(`
version: 1
allow: [hvac.setpoint]
limits: { hvac.setpoint: { max_per_run: 3 } }
rules:
  - { id: a-floor, match: { capability: hvac.setpoint, operator: floor }, decision: ALLOW }
  - { id: b-suite, match: { capability: hvac.setpoint, entity: 'zone:501' }, decision: ALLOW }
  - { id: c-plant, match: { capability: hvac.setpoint, connector: plant }, decision: ALLOW }
  - { id: d-night, match: { capability: hvac.setpoint }, decision: BLOCK, when: { arg: celsius, gt: 30 } }
  - { id: e-never, match: { capability: hvac.setpoint }, decision: BLOCK }
`);
    expect(ledger(policy, facts(), 'head').map(({ rule, verdict, reason }) => [rule, verdict, reason])).toEqual([
      ['a-floor', 'elsewhere', 'is about operator floor'],
      ['b-suite', 'elsewhere', 'is about entity zone:501'],
      ['c-plant', 'elsewhere', 'is about connector plant'],
      ['d-night', 'silent', 'its `when` does not hold'],
      ['e-never', 'forbids', "rule 'e-never' forbids it"],
      ['hvac.setpoint', 'permits', null],
      ['limits.hvac.setpoint', 'limits', null],
    ]);
    expect(decide(policy, facts(), 'head')).toMatchObject({ decision: 'BLOCK', rule: 'e-never' });
  });

  it('is nothing without a policy', () => {
    expect(ledger(null, facts(), 'head')).toEqual([]);
  });
});
