import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { action, constrained, fact, facts, policyOf } from './test/site.ts';
import type { Facts } from './types.ts';

const ALLOW = policyOf('version: 1\nallow: [hvac.setpoint]');

describe('decide: who may (P3, P5)', () => {
  it('blocks everything when there is no policy (row 15)', () => {
    expect(decide(null, facts(), 'head')).toEqual({
      decision: 'BLOCK',
      noop: false,
      rule: null,
      policy_hash: null,
      stage: 'box',
      reason_code: 'no_policy',
      reason: 'there is no policy, so nothing is permitted',
      rules: [],
      evidence: [],
      effective: null,
      inputs: expect.objectContaining({ form: 'inputs/2', moment: 'head', tool: 'set_setpoint', missing: [] }),
    });
  });

  it('blocks by default what no rule matches (row 19)', () => {
    expect(decide(ALLOW, facts({ action: { capability: 'hvac.mode' } }), 'head')).toMatchObject({
      decision: 'BLOCK',
      rule: null,
      stage: 'grant',
      reason_code: 'default_closed',
      reason: 'no rule lets comfort do hvac.mode on zone:412',
      policy_hash: ALLOW.hash,
    });
  });

  it('blocks by default under a policy that says nothing', () => {
    expect(decide(policyOf('version: 1'), facts(), 'head')).toMatchObject({ reason_code: 'default_closed' });
  });

  it('allows what a rule grants, and names rule and policy', () => {
    expect(decide(ALLOW, facts(), 'head')).toEqual({
      decision: 'ALLOW',
      noop: false,
      rule: 'hvac.setpoint',
      policy_hash: ALLOW.hash,
      stage: 'grant',
      reason_code: 'allowed',
      reason: "rule 'hvac.setpoint' permits it",
      rules: [{ rule: 'hvac.setpoint', decision: 'allow', stage: 'grant', reason: 'permits it' }],
      evidence: [],
      effective: null,
      inputs: expect.objectContaining({ moment: 'head', admitted_in_run: 0 }),
    });
  });

  it('blocks when one of two matching rules is BLOCK (row 20)', () => {
    const policy = policyOf(
      '[{ capability: hvac.setpoint, decision: ALLOW }, { tool: set_setpoint, decision: BLOCK }]',
    );
    expect(decide(policy, facts(), 'admission')).toMatchObject({
      decision: 'BLOCK',
      rule: 'set_setpoint',
      stage: 'grant',
      reason_code: 'blocked_by_rule',
      reason: "rule 'set_setpoint' forbids it",
      rules: [
        { rule: 'set_setpoint', decision: 'block' },
        { rule: 'hvac.setpoint', decision: 'allow' },
      ],
    });
  });

  it('alerts when one of two matching rules is ALERT (row 20)', () => {
    const policy = policyOf(
      '[{ capability: hvac.setpoint, decision: ALLOW }, { tool: set_setpoint, decision: ALERT }]',
    );
    expect(decide(policy, facts(), 'head')).toMatchObject({
      decision: 'ALERT',
      rule: 'set_setpoint',
      reason_code: 'alerted',
      reason: "rule 'set_setpoint' permits it, and a person is told",
    });
  });

  it('blocks with rule_error when a matching rule cannot be evaluated, even beside a BLOCK and an ALLOW (row 20, P4)', () => {
    const broken: Facts = {
      ...facts(),
      point: () => {
        throw new Error('no such table');
      },
    };
    const policy = policyOf(`
version: 1
allow: [hvac.setpoint]
rules:
  - { id: forbid, match: { capability: hvac.setpoint }, decision: BLOCK }
  - id: gated
    match: { tool: set_setpoint }
    decision: ALERT
    constraints: { evidence: [ { point: "zone:{id}/temperature", max_age: 5m } ] }
`);
    expect(decide(policy, broken, 'head')).toMatchObject({
      decision: 'BLOCK',
      rule: 'gated',
      stage: 'evidence',
      reason_code: 'rule_error',
      reason: 'evidence could not be evaluated: no such table',
    });
  });

  it('blocks with rule_error when the facts themselves cannot be read (P4)', () => {
    const acted = action();
    Object.defineProperty(acted, 'entity_key', {
      get: () => {
        throw new Error('torn');
      },
    });
    const policy = policyOf(
      'version: 1\nrules: [{ id: a, match: { capability: hvac.setpoint, entity: "zone:*" }, decision: ALLOW }]',
    );
    expect(decide(policy, { ...facts(), action: acted }, 'head')).toMatchObject({
      decision: 'BLOCK',
      reason_code: 'rule_error',
      reason: 'the rules could not be matched: torn',
    });
  });

  it('tells a person of everything that a live_limited operator does (§2.9)', () => {
    expect(decide(ALLOW, facts({ mode: 'live_limited' }), 'head')).toMatchObject({
      decision: 'ALERT',
      rule: 'hvac.setpoint',
    });
  });
});

describe('decide: what a rule matches', () => {
  it.each([
    ['the operator', '{ capability: hvac.setpoint, operator: comfort }', { operator: 'floor' }],
    ['the connector', '{ capability: hvac.setpoint, connector: fcu }', { connector: 'ahu' }],
    ['the tool', '{ tool: set_setpoint }', { tool: 'set_mode' }],
    ['the entity', '{ capability: hvac.setpoint, entity: "zone:412" }', { entity_key: 'zone:413' }],
    ['the kind of entity', '{ capability: hvac.setpoint, entity: "zone:*" }', { entity_key: 'room:412' }],
    ['one segment of the entity', '{ capability: hvac.setpoint, entity: "zone:*" }', { entity_key: 'zone:4:12' }],
    ['the capability by glob', '{ capability: "hvac.*" }', { capability: 'lighting.level' }],
    [
      'one segment of the capability (row 29, G-PS-5)',
      '{ capability: "hvac.*" }',
      { capability: 'hvac.zone.setpoint' },
    ],
  ])('by %s', (_, match, other) => {
    const policy = policyOf(`version: 1\nrules: [{ id: a, match: ${match}, decision: ALLOW }]`);
    expect(decide(policy, facts(), 'head').decision).toBe('ALLOW');
    expect(decide(policy, facts({ action: other }), 'head')).toMatchObject({
      decision: 'BLOCK',
      reason_code: 'default_closed',
    });
  });
});

describe('decide: limits (G-PS-1, G-LIM)', () => {
  const limited = policyOf(`
version: 1
allow: [hvac.setpoint, hvac.mode]
limits: { hvac.setpoint: { max_per_run: 20, single_flight: by_zone_id, require_receipt: true } }
`);

  it('cuts a run off at its cap: 500 proposals, 20 admitted in order, 480 not (row 24)', () => {
    let admitted = 0;
    const verdicts = Array.from({ length: 500 }, () => {
      const verdict = decide(limited, facts({ admitted_in_run: admitted }), 'admission');
      if (verdict.decision !== 'BLOCK') admitted += 1;
      return verdict;
    });
    expect(verdicts.findIndex(({ decision }) => decision === 'BLOCK')).toBe(20);
    expect(verdicts.filter(({ reason_code }) => reason_code === 'max_per_run')).toHaveLength(480);
    expect(verdicts[20]).toMatchObject({
      rule: 'limits.hvac.setpoint',
      stage: 'quantity',
      reason: 'this run already has 20 of hvac.setpoint, at most 20 allowed',
    });
  });

  it('constrains only the capability it names, and grants nothing', () => {
    const mode = facts({ action: { capability: 'hvac.mode' }, admitted_in_run: 20 });
    expect(decide(limited, mode, 'admission').decision).toBe('ALLOW');
    const elsewhere = policyOf(`
version: 1
limits: { hvac.setpoint: { max_per_run: 20 } }
rules: [ { id: a, match: { capability: hvac.setpoint, entity: "zone:1" }, decision: ALLOW } ]
`);
    expect(decide(elsewhere, facts(), 'admission')).toMatchObject({ decision: 'BLOCK', reason_code: 'default_closed' });
  });

  it('constrains a grant by tool as well', () => {
    const policy = policyOf(`
version: 1
allow: [hvac.setpoint]
limits: { hvac.setpoint: { max_per_run: 0 } }
rules: [ { id: a, match: { tool: set_setpoint }, decision: ALLOW } ]
`);
    expect(decide(policy, facts(), 'admission')).toMatchObject({ decision: 'BLOCK', reason_code: 'max_per_run' });
  });

  it('says what is out of range before what is beyond the cap, so that only the admissible is truncated (G-LIM-1)', () => {
    const policy = constrained('quantity: { max_per_run: 0 }', 'range: { arg: celsius, max: 20, unit: degC }');
    expect(decide(policy, facts(), 'admission')).toMatchObject({ stage: 'value', reason_code: 'out_of_range' });
  });
});

describe('decide: moments and stages', () => {
  const policy = constrained(
    'range: { arg: celsius, max: 26, unit: degC }',
    'evidence: [ { point: "zone:{id}/temperature", max_age: 5m }, { point: "site/outside", max_age: 1h } ]',
    'step: { max: 1 }',
    'min_interval: 10m',
  );

  it('asks at admission only what needs no device', () => {
    expect(decide(policy, facts({ current: null, target: null }), 'admission').decision).toBe('ALLOW');
  });

  it('stops at the first stage that fails, and names all that failed there and everything it looked at', () => {
    const verdict = decide(
      policy,
      facts({ points: { 'zone:412/temperature': fact({ age_ms: 312_000 }), 'site/outside': fact({ value: 4 }) } }),
      'head',
    );
    expect(verdict).toMatchObject({
      decision: 'BLOCK',
      rule: 'comfort-setpoint',
      stage: 'evidence',
      reason_code: 'stale_or_bad',
      reason: 'zone:412/temperature is 312 s old, at most 300 s allowed',
      rules: [{ rule: 'comfort-setpoint', decision: 'block', stage: 'evidence' }],
    });
    expect(verdict.evidence).toEqual([
      { point: 'zone:412/temperature', ...fact({ age_ms: 312_000 }) },
      { point: 'site/outside', ...fact({ value: 4 }) },
    ]);
  });

  it('uses the policy of the moment: tightened while an action waits, it blocks (row 26)', () => {
    const before = constrained('range: { arg: celsius, max: 26, unit: degC }');
    const after = constrained('range: { arg: celsius, max: 21, unit: degC }');
    expect(decide(before, facts(), 'admission').decision).toBe('ALLOW');
    expect(decide(after, facts(), 'head')).toMatchObject({ decision: 'BLOCK', reason_code: 'out_of_range' });
  });

  it('permits with nothing to write when every constraint holds and the change is within the deadband', () => {
    const banded = constrained('deadband: { abs: 0.2 }');
    expect(decide(banded, facts({ current: fact({ value: 21.4 }) }), 'head')).toMatchObject({
      decision: 'ALLOW',
      noop: true,
      stage: 'motion',
      reason_code: 'deadband',
      reason: 'the device is at 21.4 degC, 21.5 differs by 0.1, less than 0.2: nothing to write',
    });
  });

  it('does not let a deadband open what another constraint closes', () => {
    const both = constrained('deadband: { abs: 0.2 }', 'min_interval: 10m');
    const soon = facts({ current: fact({ value: 21.4 }), changes: [{ ago_ms: 60_000, delta: 1 }] });
    expect(decide(both, soon, 'head')).toMatchObject({ decision: 'BLOCK', noop: false, reason_code: 'min_interval' });
  });
});
