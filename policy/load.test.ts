import { describe, expect, it } from 'vitest';
import { KIND_NAMES } from './kinds/table.ts';
import { decide } from './decide.ts';
import { formatFinding } from './findings.ts';
import { loadPolicy } from './load.ts';
import type { PolicyRule } from './rules.ts';
import { facts, findingsOf, KNOWN, policyOf } from './test/site.ts';

/** The policy of the tutorial, word for word. */
const TUTORIAL = `# fail-closed: anything not allowed here is refused
version: 1
allow:
- conversations.assign
- conversations.note
limits:
  conversations.assign:
    max_per_run: 20 # cap the blast radius of any one run
    single_flight: by_conversation_id # one in-flight action per conversation
    require_receipt: true
`;

function plain(rules: readonly PolicyRule[]): unknown {
  return rules.map(({ id, match, decision, constraints }) => [
    id,
    match.capability ?? match.tool,
    decision,
    constraints,
  ]);
}

/** The extended form of execution semantics §2.11. */
const WHOLE = `
version: 1
rules:
  - id: comfort-setpoint
    match: { capability: hvac.setpoint, operator: comfort, entity: "zone:*" }
    decision: ALLOW
    maxValue: 26
    when: { any: [ { arg: celsius, le: 24 }, { not: { field: entity_id, in: ["412", "413"] } } ] }
    constraints:
      idempotency: { scope: episode, max_episode: 24h, re_arm: 20m }
      quantity: { max_per_run: 20, per_window: { count: 60, window: 1h }, max_changes_per_day: 12, on_overrun: reject_plan }
      range: { arg: celsius, min: 18, max: 26, unit: degC, on_exceed: block }
      pair: { heat: heat_sp, cool: cool_sp, min_gap: 2.0 }
      step: { max: 2.0, against: effective }
      ramp: { max: 3.0, per: 1h }
      deadband: { abs: 0.2 }
      min_interval: 10m
      min_on_off: { on: 10m, off: 5m, point: "zone:{id}/compressor_status" }
      settle: { per_kelvin: 9m, max: 30m }
      windows: [ { tz: site, days: mon-fri, from: "06:00", to: "20:00" } ]
      evidence:
        - { point: "zone:{id}/temp", max_age: 5m, quality: good, provenance: live, agree: { with: "zone:{id}/temp_b", within: 1.5 } }
      interlocks:
        - { point: "zone:{id}/window_open", must_be: false, max_age: 2m }
        - { point: "site/fire_alarm", must_be: false, max_age: 30s }
      override: { respect: true, hold: 4h, release_by: [timer, operator] }
      authority: { bacnet_priority: 13, preempt: [schedule] }
      lease: { ttl: 45m, renew: true, max_hold: 4h, deadman: device_preferred, fallback: relinquish }
      comfort: { pmv_abs_max: 0.7, required: false }
      approval: { required: false, within: 4h, approvers: 1 }
      alert: { delivery: queued }
      on_failure: stop
      on_unknown: hold
`;

describe('loadPolicy: spellings (G-PS-1)', () => {
  it("compiles the tutorial's form: allow grants, limits constrain", () => {
    expect(plain(policyOf(TUTORIAL).rules)).toEqual([
      ['conversations.assign', 'conversations.assign', 'ALLOW', []],
      ['conversations.note', 'conversations.note', 'ALLOW', []],
      [
        'limits.conversations.assign',
        'conversations.assign',
        'LIMIT',
        [
          { kind: 'single_flight', terms: 'by_conversation_id' },
          { kind: 'quantity', terms: { max_per_run: 20, on_overrun: 'truncate' } },
        ],
      ],
    ]);
  });

  it('compiles a TrustPolicy[], with maxValue or max_value, tool or capability', () => {
    const rules = policyOf(`
- { tool: order.refund, decision: ALLOW, maxValue: 100 }
- { capability: hvac.setpoint, connector: fcu, decision: ALERT, max_value: 26, min_value: -5 }
- { tool: notify.send, decision: BLOCK }
`).rules;
    expect(plain(rules)).toEqual([
      ['order.refund', 'order.refund', 'ALLOW', [{ kind: 'value', terms: { max: 100, min: null } }]],
      ['hvac.setpoint', 'hvac.setpoint', 'ALERT', [{ kind: 'value', terms: { max: 26, min: -5 } }]],
      ['notify.send', 'notify.send', 'BLOCK', []],
    ]);
    expect(rules[0]?.match).toMatchObject({ tool: 'order.refund', capability: null });
    expect(rules[1]?.match).toMatchObject({ connector: 'fcu' });
    // The site has no tool of that name: it is the capability that is meant.
    expect(rules[2]?.match).toMatchObject({ tool: null, capability: 'notify.send' });
  });

  it('loads JSON, which is YAML', () => {
    expect(plain(policyOf('[{"capability":"hvac.setpoint","decision":"ALLOW"}]').rules)).toEqual([
      ['hvac.setpoint', 'hvac.setpoint', 'ALLOW', []],
    ]);
  });

  it('compiles rules with their constraints, durations in milliseconds and defaults filled in', () => {
    const policy = policyOf(`
version: 1
rules:
  - id: comfort-setpoint
    match: { capability: hvac.setpoint, operator: comfort, entity: "zone:*" }
    decision: ALERT
    maxValue: 26
    constraints:
      on_failure: stop
      quantity: { max_per_run: 20, on_overrun: reject_plan }
      range: { arg: celsius, min: 18, max: 26, unit: degC, on_exceed: block }
      step: { max: 2.0, against: effective }
      deadband: { abs: 0.2 }
      min_interval: 10m
      windows: [ { tz: site, days: mon-fri, from: "06:00", to: "20:00" } ]
      evidence:
        - { point: "zone:{id}/temperature", max_age: 5m, quality: good, provenance: live }
      interlocks:
        - { point: "site/fire_alarm", must_be: false, max_age: 30s }
      single_flight: by_zone
`);
    expect(plain(policy.rules)).toEqual([
      [
        'comfort-setpoint',
        'hvac.setpoint',
        'ALERT',
        [
          { kind: 'value', terms: { max: 26, min: null } },
          { kind: 'single_flight', terms: 'by_zone' },
          { kind: 'on_failure', terms: 'stop' },
          { kind: 'range', terms: { arg: 'celsius', min: 18, max: 26, unit: 'degC', on_exceed: 'block' } },
          { kind: 'quantity', terms: { max_per_run: 20, on_overrun: 'reject_plan' } },
          {
            kind: 'evidence',
            terms: [
              {
                point: 'zone:{id}/temperature',
                max_age: 300_000,
                quality: 'good',
                provenance: 'live',
                allow_uncertain: false,
              },
            ],
          },
          { kind: 'interlocks', terms: [{ point: 'site/fire_alarm', must_be: false, max_age: 30_000 }] },
          { kind: 'windows', terms: [{ tz: 'site', days: 'mon-fri', from: '06:00', to: '20:00' }] },
          { kind: 'min_interval', terms: 600_000 },
          { kind: 'step', terms: { max: 2, against: 'effective' } },
          { kind: 'deadband', terms: { abs: 0.2 } },
        ],
      ],
    ]);
  });

  it('evaluates several files as one set, with the rule ids of each', () => {
    const loaded = loadPolicy(
      [
        { file: 'tenant.yaml', text: '[{ capability: hvac.setpoint, decision: BLOCK }]' },
        { file: 'operator.yaml', text: 'version: 1\nallow: [hvac.setpoint]' },
      ],
      KNOWN,
    );
    if ('findings' in loaded) throw new Error('refused');
    expect(loaded.policy.rules.map(({ id }) => id)).toEqual(['hvac.setpoint', 'hvac.setpoint#2']);
    expect(decide(loaded.policy, facts(), 'head')).toMatchObject({ decision: 'BLOCK', rule: 'hvac.setpoint' });
  });
});

describe('loadPolicy: the whole of the rule schema (§2.11)', () => {
  it('takes the rule of the specification, with every constraint there is', () => {
    const loaded = loadPolicy([{ file: 'policy.yaml', text: WHOLE }], KNOWN);
    expect('findings' in loaded ? loaded.findings.map(formatFinding) : []).toEqual([]);
    const kinds = 'policy' in loaded ? loaded.policy.rules[0]?.constraints.map(({ kind }) => kind) : [];
    const missing = KIND_NAMES.filter((name) => kinds?.includes(name) !== true);
    expect(missing).toEqual(['single_flight', 'on_conflict']);
  });

  const constrained = (constraint: string): readonly string[] =>
    findingsOf(
      `version: 1\nrules: [{ id: a, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { ${constraint} } }]`,
    );

  it.each([
    ['quantity: { on_overrun: truncate }', 'needs max_per_run, per_window or max_changes_per_day'],
    ['quantity: { max_changes_per_day: 33 }', '<=32'],
    ['quantity: { per_window: { count: -1, window: 1h } }', '>=0'],
    ['override: { respect: false }', "expected true: a person's override is always respected"],
    ['override: { release_by: [] }', '>=1'],
    ['authority: { bacnet_priority: 8 }', 'expected 9 to 16: slots 1 to 8 belong to people and safety'],
    ['lease: { ttl: 45m }', 'fallback'],
    ['lease: { ttl: 0s, fallback: baseline }', 'a lease of no time is none'],
    ['lease: { ttl: 45m, max_hold: 30m, fallback: baseline }', 'max_hold is shorter than ttl'],
    ['approval: { approvers: 0 }', '>=1'],
    ['alert: { delivery: soon }', 'queued'],
    ['idempotency: { scope: once, re_arm: 20m }', 'are an episode’s'],
    ['idempotency: { scope: episode, max_episode: 48h }', 'at most 24h'],
    ['pair: { heat: a, cool: b }', 'min_gap'],
    ['pair: { exclusive: [a] }', '>=2'],
    ['comfort: { pmv_abs_max: 4 }', '<=3'],
    ['evidence: [ { point: "zone:{id}/temperature", max_age: 5m, agree: { with: "zone:7/x" } } ]', 'within'],
    ['min_on_off: { on: 10m, off: 5m }', 'point'],
    ['settle: { per_kelvin: 9 }', 'expected a duration'],
  ])('refuses %s', (constraint, message) => {
    expect(constrained(constraint).join('\n')).toContain(message);
  });

  it('warns of constraints of a rule that forbids anyway', () => {
    const text =
      '[{ capability: hvac.mode, decision: BLOCK, maxValue: 3 }, { capability: hvac.mode, decision: ALLOW }]';
    const loaded = loadPolicy([{ file: 'policy.yaml', text }], KNOWN);
    expect('warnings' in loaded ? loaded.warnings.map(({ message }) => message) : []).toEqual([
      'forbids whatever its constraints and bounds say: write when it forbids as `when`',
    ]);
  });
});

describe('loadPolicy: what it refuses', () => {
  it('answers with all findings at once: unknown keys, versions, words and names (rows 16, 18, G-PS-2, G-PS-3)', () => {
    expect(
      findingsOf(`version: 2
alow: [hvac.setpoint]
allow: [order.hold, hvac.setpoint, hvac_setpoint]
limits:
  hvac.setpoint: { max_per_runs: 20, require_receipt: false }
  hvac.setpont: { max_per_run: 0x14 }
rules:
  - id: night
    match: { capability: hvac.mode, enitity: "zone:*" }
    decision: allow
    constraints:
      min_interval: 10
      range: { arg: celsius, max: 26 }
      pairs: { heat: a, cool: b }
  - match: { operator: comfort }
    decision: BLOCK
    id: day
`),
    ).toEqual([
      'policy.yaml:1:10 version: expected 1, got 2',
      "policy.yaml:2:1 unknown key 'alow'; did you mean 'allow'?",
      "policy.yaml:3:9 allow[0]: unknown capability 'order.hold'; did you mean 'orders.hold'?",
      "policy.yaml:3:36 allow[2]: expected noun.verb, such as hvac.setpoint, got 'hvac_setpoint'",
      "policy.yaml:5:20 limits.hvac.setpoint: unknown key 'max_per_runs'; did you mean 'max_per_run'?",
      'policy.yaml:5:55 limits.hvac.setpoint.require_receipt: expected true: every action leaves a receipt, got false',
      "policy.yaml:6:3 limits: key 'hvac.setpont': unknown capability 'hvac.setpont'; did you mean 'hvac.setpoint'?",
      'policy.yaml:6:32 limits.hvac.setpont.max_per_run: a number is written in plain decimal such as 20 or 0.5, got 0x14; put it in quotes if it is a name',
      "policy.yaml:9:37 rules[0].match: unknown key 'enitity'; did you mean 'entity'?",
      "policy.yaml:10:15 rules[0].decision: expected one of ALLOW, ALERT, BLOCK, got 'allow'; did you mean 'ALLOW'?",
      'policy.yaml:12:21 rules[0].constraints.min_interval: expected a duration such as 250ms, 5s, 15m, 4h or 2d, got 10',
      'policy.yaml:13:14 rules[0].constraints.range.unit: is missing: expected one of 1, degC, K, %, ppm, lx, Pa, kPa, bar, m/s, m3/h, l/s, …',
      "policy.yaml:14:7 rules[0].constraints: unknown key 'pairs'; did you mean 'pair'?",
      'policy.yaml:15:12 rules[1].match: needs either capability or tool',
    ]);
  });

  it.each([
    ['an empty file (row 15)', '', 'expected a set of keys, or a list, got nothing'],
    [
      'a duplicate key (row 16)',
      'version: 1\nallow: [hvac.mode]\nallow: [hvac.setpoint]\n',
      "the key 'allow' stands here twice",
    ],
    ['an alias (row 17)', 'version: 1\nallow: &a [hvac.mode]\nrules: *a\n', 'an alias (*a) is not accepted'],
    ['a decision in the wrong case (row 18)', '[{ capability: hvac.mode, decision: Block }]', "did you mean 'BLOCK'?"],
    [
      'NO for false (row 18)',
      'version: 1\nrules: [{ id: a, match: { capability: hvac.mode }, decision: ALLOW, constraints: { interlocks: [{ point: site/fire, must_be: NO, max_age: 1m }] } }]',
      'write true or false, or "NO" in quotes',
    ],
    ['020 (row 18)', '[{ capability: hvac.mode, decision: ALLOW, maxValue: 020 }]', 'plain decimal'],
    ['1_0 (row 18)', '[{ capability: hvac.mode, decision: ALLOW, maxValue: 1_0 }]', 'plain decimal'],
    [
      'a negative count (row 23)',
      'version: 1\nallow: [hvac.mode]\nlimits: { hvac.mode: { max_per_run: -1 } }',
      'expected number to be >=0',
    ],
    [
      'a limit beyond 2^53 (row 23)',
      '[{ capability: hvac.mode, decision: ALLOW, maxValue: 9007199254740993 }]',
      'too large to be exact',
    ],
    [
      'an unknown tool (G-PS-2)',
      '[{ tool: order.hold, decision: ALLOW }]',
      "unknown tool 'order.hold'; did you mean 'orders.hold'?",
    ],
    [
      'a limit that limits nothing (G-PS-1)',
      'version: 1\nallow: [hvac.mode]\nlimits: { hvac.setpoint: { max_per_run: 1 } }',
      "3:11 limits.hvac.setpoint: limits 'hvac.setpoint', which nothing here grants: add it to allow, or take the limit away",
    ],
    [
      'a limit on what is only blocked (G-PS-1)',
      'version: 1\nlimits: { hvac.mode: { max_per_run: 1 } }\nrules: [{ id: a, match: { capability: hvac.mode }, decision: BLOCK }]',
      'which nothing here grants',
    ],
    [
      'one bound in two spellings',
      '[{ capability: hvac.mode, decision: ALLOW, maxValue: 1, max_value: 2 }]',
      '[0].max_value: is maxValue in another spelling',
    ],
    [
      'bounds that exclude everything',
      '[{ capability: hvac.mode, decision: ALLOW, maxValue: 1, minValue: 2 }]',
      'its lower bound 2 is above its upper bound 1',
    ],
    ['neither capability nor tool', '[{ decision: ALLOW }]', 'needs either capability or tool'],
    [
      'both capability and tool',
      '[{ capability: hvac.mode, tool: set_mode, decision: ALLOW }]',
      'needs either capability or tool',
    ],
    [
      'an id used twice',
      'version: 1\nrules:\n  - { id: a, match: { capability: hvac.mode }, decision: ALLOW }\n  - { id: a, match: { capability: hvac.mode }, decision: BLOCK }',
      "4:5 rules[1]: the id 'a' is used more than once",
    ],
    [
      'an id that allow has taken',
      'version: 1\nallow: [hvac.mode]\nrules:\n  - { id: hvac.mode, match: { capability: hvac.mode }, decision: ALLOW }',
      'is used more than once',
    ],
    ['a glob that matches nothing', 'version: 1\nallow: ["door.*"]', "'door.*' matches no known capability"],
    ['a glob of many segments (row 29)', 'version: 1\nallow: ["**"]', 'expected noun.verb'],
    [
      'a predicate in code (G-PS-4)',
      '[{ capability: hvac.mode, decision: ALLOW, when: "a > 1" }]',
      "[0].when: expected a set of keys, got 'a > 1'",
    ],
    [
      'a predicate of two tests',
      '[{ capability: hvac.mode, decision: ALLOW, when: { field: value, gt: 1, lt: 5 } }]',
      'needs one of eq, ne, lt, le, gt, ge, in, not_in',
    ],
    [
      'a predicate over nothing',
      '[{ capability: hvac.mode, decision: ALLOW, when: { gt: 1 } }]',
      'needs either arg or field',
    ],
    [
      'a predicate over a field that does not exist',
      '[{ capability: hvac.mode, decision: ALLOW, when: { not: { field: entitty, eq: "zone:412" } } }]',
      "did you mean 'entity'?",
    ],
    [
      'a window without hours',
      'version: 1\nrules: [{ id: a, match: { capability: hvac.mode }, decision: ALLOW, constraints: { windows: [{ from: "06:00", to: "06:00" }] } }]',
      'from and to are the same',
    ],
    [
      'a day that is none',
      'version: 1\nrules: [{ id: a, match: { capability: hvac.mode }, decision: ALLOW, constraints: { windows: [{ days: weekdays, from: "06:00", to: "07:00" }] } }]',
      'expected days such as mon-fri',
    ],
    [
      'a range without bounds',
      'version: 1\nrules: [{ id: a, match: { capability: hvac.mode }, decision: ALLOW, constraints: { range: { arg: a, unit: degC } } }]',
      'needs min or max',
    ],
    [
      'a placeholder that is none',
      'version: 1\nrules: [{ id: a, match: { capability: hvac.mode }, decision: ALLOW, constraints: { evidence: [{ point: "zone:{zone}/t", max_age: 1m }] } }]',
      'expected entity/point',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(findingsOf(text).join('\n')).toContain(message);
  });

  it('loads none of the files when one has a finding', () => {
    const good = { file: 'good.yaml', text: 'version: 1\nallow: [hvac.mode]' };
    const loaded = loadPolicy([good, { file: 'bad.yaml', text: 'version: 1\nalow: []' }], KNOWN);
    expect(loaded).toMatchObject({ findings: [{ file: 'bad.yaml', line: 2, column: 1 }] });
  });
});

describe('loadPolicy: what it warns of', () => {
  it('warns of a glob that grants, not of one that blocks (G-PS-5)', () => {
    const text = '[{ capability: "hvac.*", decision: ALLOW }, { capability: "*.hold", decision: BLOCK }]';
    const loaded = loadPolicy([{ file: 'p.yaml', text }], KNOWN);
    if ('findings' in loaded) throw new Error('refused');
    expect(loaded.warnings.map(formatFinding)).toEqual([
      "p.yaml:1:2 [0]: 'hvac.*' also permits what is added later: name each capability",
    ]);
  });

  it('warns of terms that are accepted and not acted on', () => {
    const constraints = '{ on_unknown: hold, authority: { bacnet_priority: 13 }, on_failure: stop }';
    const text = `version: 1\nrules:\n  - { id: r, match: { capability: hvac.mode }, decision: ALLOW, constraints: ${constraints} }\n`;
    const loaded = loadPolicy([{ file: 'p.yaml', text }], KNOWN);
    expect('warnings' in loaded ? loaded.warnings.map(formatFinding) : []).toEqual([
      'p.yaml:3:5 rules[0]: authority.bacnet_priority is not acted on: no driver here writes into a priority array',
    ]);
  });
});

describe('the compiled policy', () => {
  it('P1 is frozen through and through', () => {
    const policy = policyOf(TUTORIAL);
    const limit = policy.rules[2];
    expect(Object.isFrozen(policy)).toBe(true);
    expect(Object.isFrozen(policy.rules)).toBe(true);
    expect(Object.isFrozen(limit?.match)).toBe(true);
    expect(Object.isFrozen(limit?.constraints[1]?.terms)).toBe(true);
  });

  it('P1 has one hash for one content, whatever its order and layout, and another for another', () => {
    const a = policyOf('version: 1\nallow: [hvac.mode, hvac.setpoint]').hash;
    expect(a).toMatch(/^[0-9a-f]{64}$/);
    expect(policyOf('{ "allow": [ "hvac.setpoint", "hvac.mode" ], "version": 1 }').hash).toBe(a);
    expect(
      policyOf('[{ capability: hvac.mode, decision: ALLOW }, { capability: hvac.setpoint, decision: ALLOW }]').hash,
    ).toBe(a);
    expect(policyOf('version: 1\nallow: [hvac.mode]').hash).not.toBe(a);
    expect(policyOf('[{ capability: hvac.mode, decision: ALLOW, maxValue: 1 }]').hash).not.toBe(
      policyOf('[{ capability: hvac.mode, decision: ALLOW, maxValue: 2 }]').hash,
    );
  });

  it('P2 keeps the rules of one capability apart from all others', () => {
    const others = Array.from(
      { length: 1_000 },
      (_, i) => `  - { id: r${i}, match: { capability: lighting.level, entity: "zone:${i}" }, decision: ALLOW }`,
    );
    const policy = policyOf(['version: 1', 'allow: ["hvac.*"]', 'rules:', ...others].join('\n'));
    expect(policy.byCapability.get('hvac.setpoint')).toHaveLength(1);
    expect(policy.byCapability.get('lighting.level')).toHaveLength(1_000);
  });
});
