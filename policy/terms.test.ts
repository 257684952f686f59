import { describe, expect, it } from 'vitest';
import { executionTerms, windowsOpenForMs } from './terms.ts';
import { action, constrained, facts, policyOf } from './test/site.ts';

const HOUR = 3_600_000;

describe('executionTerms', () => {
  it('says nothing of its own when the policy says nothing', () => {
    const silent = {
      on_failure: null,
      on_conflict: 'wait',
      on_unknown: null,
      on_overrun: 'truncate',
      lanes: [],
      decided_on: [],
      idempotency: null,
      override: null,
      authority: null,
      lease: null,
      approval: null,
      alert: null,
    };
    expect(executionTerms(null, action())).toEqual(silent);
    expect(executionTerms(policyOf('version: 1\nallow: [hvac.setpoint]'), action())).toEqual(silent);
  });

  it('takes the stricter word where rules differ (G-LIM-5, G-SF-5)', () => {
    const policy = policyOf(`
version: 1
allow: [hvac.setpoint]
limits: { hvac.setpoint: { max_per_run: 20 } }
rules:
  - { id: a, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { on_failure: continue, quantity: { max_per_run: 5, on_overrun: reject_plan } } }
  - { id: b, match: { tool: set_setpoint }, decision: ALLOW, constraints: { on_failure: stop } }
  - { id: c, match: { capability: hvac.mode }, decision: ALLOW, constraints: { on_failure: continue } }
`);
    expect(executionTerms(policy, action())).toMatchObject({ on_failure: 'stop', on_overrun: 'reject_plan' });
    expect(executionTerms(policy, action({ capability: 'hvac.mode', tool: 'set_mode' }))).toMatchObject({
      on_failure: 'continue',
      on_overrun: 'truncate',
    });
  });

  it('lets an older wish give way only where no rule says otherwise, and refuses where one does (G-SF-3)', () => {
    const both = (a: string, b: string) =>
      executionTerms(
        policyOf(`
version: 1
rules:
  - { id: a, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { on_conflict: ${a} } }
  - { id: b, match: { tool: set_setpoint }, decision: ALLOW, constraints: { on_conflict: ${b} } }
`),
        action(),
      ).on_conflict;
    expect([both('coalesce', 'coalesce'), both('coalesce', 'wait'), both('coalesce', 'refuse')]).toEqual([
      'coalesce',
      'wait',
      'refuse',
    ]);
  });

  it('names the lanes that single_flight asks for beside the entity (G-SF-2)', () => {
    expect(executionTerms(constrained('single_flight: by_zone'), action({ args: {} })).lanes).toEqual([]);
    expect(executionTerms(constrained('single_flight: by_loop'), action({ args: { loop: 7 } })).lanes).toEqual([
      'loop:7',
    ]);
    expect(executionTerms(constrained('single_flight: by_loop'), action()).lanes).toEqual([]);
  });

  it('takes the stricter terms of the executor where rules differ', () => {
    const policy = policyOf(`
version: 1
rules:
  - id: a
    match: { capability: hvac.setpoint }
    decision: ALLOW
    constraints:
      idempotency: { scope: episode, max_episode: 4h, re_arm: 20m }
      override: { hold: 4h }
      authority: { bacnet_priority: 13, preempt: [schedule, comfort] }
      lease: { ttl: 45m, renew: true, max_hold: 4h, deadman: device_preferred, fallback: { value: 18 } }
      approval: { within: 4h }
      alert: { delivery: { within: 10m } }
      on_unknown: release
  - id: b
    match: { tool: set_setpoint }
    decision: ALLOW
    constraints:
      idempotency: { scope: episode, max_episode: 8h, re_arm: 1h }
      override: { hold: 1h, release_by: [operator] }
      authority: { bacnet_priority: 14, preempt: [schedule] }
      lease: { ttl: 1h, deadman: gateway, fallback: relinquish }
      approval: { within: 8h, approvers: 2 }
      alert: { delivery: required_before }
      on_unknown: hold
  - id: c
    match: { tool: set_setpoint }
    decision: ALLOW
    constraints: { approval: { required: false, approvers: 5 }, alert: { delivery: queued } }
`);
    expect(executionTerms(policy, action())).toMatchObject({
      on_unknown: 'hold',
      idempotency: { scope: 'episode', max_episode: 4 * HOUR, re_arm: HOUR },
      override: { respect: true, hold: 4 * HOUR, release_by: ['operator'] },
      authority: { bacnet_priority: 14, preempt: ['schedule'] },
      lease: { ttl: 0.75 * HOUR, renew: false, max_hold: 4 * HOUR, deadman: 'gateway', fallback: 'relinquish' },
      approval: { required: true, within: 4 * HOUR, approvers: 2 },
      alert: { delivery: 'required_before' },
    });
  });

  it('asks for no approval where none is required', () => {
    expect(executionTerms(constrained('approval: { required: false }'), action()).approval).toBeNull();
  });
});

describe('windowsOpenForMs: how long a lease may last', () => {
  const at = (weekday: number, minute_of_day: number, clock_trusted = true): ReturnType<typeof facts> =>
    facts({ now: { wall_ms: 0, weekday, minute_of_day, clock_trusted } });
  const office = constrained('windows: [ { days: mon-fri, from: "06:00", to: "20:00" } ]');

  it('is until the window shuts', () => {
    expect(windowsOpenForMs(office, at(3, 1_199))).toBe(60_000);
    expect(windowsOpenForMs(office, at(3, 360))).toBe(14 * HOUR);
  });

  it('is nothing outside, and nothing by a clock that is not trusted (row 91)', () => {
    expect(windowsOpenForMs(office, at(3, 1_200))).toBe(0);
    expect(windowsOpenForMs(office, at(6, 700))).toBe(0);
    expect(windowsOpenForMs(office, at(3, 700, false))).toBe(0);
  });

  it('runs past midnight with its window, and has no end without one', () => {
    const night = constrained('windows: [ { days: fri, from: "22:00", to: "06:00" } ]');
    expect(windowsOpenForMs(night, at(5, 1_380))).toBe(7 * HOUR);
    expect(windowsOpenForMs(night, at(6, 300))).toBe(HOUR);
    expect(windowsOpenForMs(constrained('deadband: { abs: 1 }'), at(5, 1_380))).toBeNull();
  });
});
