import { describe, expect, it } from 'vitest';
import { decide } from '../decide.ts';
import { facts, policyOf } from '../test/site.ts';
import type { Facts } from '../types.ts';

function ask(when: string, given: Facts = facts(), decision = 'ALLOW'): string {
  const policy = policyOf(`[{ capability: hvac.setpoint, decision: ${decision}, when: ${when} }]`);
  const verdict = decide(policy, given, 'admission');
  return verdict.decision === 'BLOCK' ? `${verdict.reason_code}: ${verdict.reason}` : verdict.decision;
}

describe('when: predicates as data (G-PS-4)', () => {
  it.each([
    '{ arg: celsius, eq: 21.5 }',
    '{ arg: celsius, ne: 22 }',
    '{ arg: celsius, lt: 22 }',
    '{ arg: celsius, le: 21.5 }',
    '{ arg: celsius, gt: 21 }',
    '{ arg: celsius, ge: 21.5 }',
    '{ arg: zone, in: ["412", "413"] }',
    '{ arg: zone, not_in: ["414"] }',
    '{ field: operator, eq: comfort }',
    '{ field: capability, eq: hvac.setpoint }',
    '{ field: connector, eq: fcu }',
    '{ field: tool, eq: set_setpoint }',
    '{ field: entity, eq: "zone:412" }',
    '{ field: entity_kind, eq: zone }',
    '{ field: entity_id, eq: "412" }',
    '{ field: effect_class, eq: absolute_set }',
    '{ field: mode, in: [live, live_limited] }',
    '{ field: value, lt: 22 }',
    '{ all: [ { arg: celsius, gt: 21 }, { not: { field: operator, eq: floor } } ] }',
    '{ any: [ { arg: celsius, gt: 30 }, { field: operator, eq: comfort } ] }',
  ])('%s holds', (when) => {
    expect(ask(when)).toBe('ALLOW');
  });

  it('blocks where it does not hold, whatever else permits (contract §4)', () => {
    const policy = policyOf(
      '[{ capability: hvac.setpoint, decision: ALLOW }, { capability: hvac.setpoint, decision: ALERT, when: { all: [ { arg: celsius, gt: 24 }, { any: [ { arg: zone, in: ["7", "8"] } ] } ] } }]',
    );
    expect(decide(policy, facts(), 'head')).toMatchObject({
      decision: 'BLOCK',
      stage: 'grant',
      reason_code: 'when_false',
      reason: 'it is permitted only when (celsius > 24 and (zone in 7, 8))',
    });
  });

  it.each([
    ['a missing argument', '{ arg: humidity, gt: 3 }', 'argument humidity is missing'],
    ['an inherited name', '{ arg: toString, eq: "a" }', 'argument toString is missing'],
    [
      'a missing argument beside what would do',
      '{ any: [ { arg: celsius, gt: 3 }, { arg: humidity, gt: 3 } ] }',
      'missing',
    ],
    ['a missing argument that is denied', '{ not: { arg: humidity, gt: 3 } }', 'missing'],
    ['a number against a word', '{ arg: zone, lt: 500 }', 'zone is "412", no number'],
    ['a word against a number', '{ arg: celsius, eq: "21.5" }', 'not to be compared'],
    ['a set of mixed types', '{ arg: celsius, in: [21.5, "21.5"] }', 'not to be compared'],
  ])('%s is an error, and blocks (row 21)', (_, when, why) => {
    const said = ask(when);
    expect(said).toContain('rule_error: when could not be evaluated');
    expect(said).toContain(why);
  });

  it.each([null, Number.NaN, Number.POSITIVE_INFINITY])('a value of %s is an error, and blocks (row 21)', (value) => {
    expect(ask('{ field: value, ne: 3 }', facts({ action: { value } }))).toContain('rule_error');
  });

  it('says when a rule forbids; where that cannot be told, it does', () => {
    const hot = (celsius: unknown): string => {
      const policy = policyOf(
        '[{ capability: hvac.setpoint, decision: ALLOW }, { capability: hvac.setpoint, decision: BLOCK, when: { arg: celsius, gt: 24 } }]',
      );
      const { decision, reason } = decide(policy, facts({ action: { args: { celsius } } }), 'admission');
      return `${decision}: ${reason}`;
    };
    expect(hot(25)).toBe("BLOCK: rule 'hvac.setpoint#2' forbids it when celsius > 24");
    expect(hot(23)).toBe("ALLOW: rule 'hvac.setpoint' permits it");
    expect(hot('25')).toContain('BLOCK: when could not be evaluated');
  });

  it('permits nothing by not forbidding', () => {
    expect(ask('{ arg: celsius, gt: 24 }', facts(), 'BLOCK')).toContain('default_closed');
  });
});
