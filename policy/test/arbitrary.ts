/** Random policies and random facts over a vocabulary so small that they meet. */
import fc from 'fast-check';
import type { Facts, PastChange, PointFact, WriteFact } from '../types.ts';
import type { OracleConstraints, OraclePolicy, OracleRule, OracleWhen } from './oracle-types.ts';
import { fact, facts, WALL_MS } from './site.ts';

const CAPABILITIES = ['hvac.setpoint', 'hvac.mode', 'lighting.level'] as const;
const POINTS = ['zone:{id}/temperature', 'zone:7/temperature', 'site/fire_alarm', 'zone:{id}/cool_sp'] as const;
const degrees = fc.constantFrom(-5, 0, 18, 20, 20.5, 21, 22, 26, 77);
const spans = fc.constantFrom('30s', '5m', '10m', '2h');
const times = fc.constantFrom('00:00', '06:00', '12:00', '20:00', '23:59');
const optional = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(one, { nil: undefined, freq: 3 });

/** Drops what is undefined, as an author leaves it out. */
function given<T extends object>(part: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined)) as never;
}

const range = fc
  .record({
    arg: fc.constantFrom('celsius', 'celsius', 'celsius', 'zone', 'nothing'),
    from: degrees,
    to: degrees,
    unit: fc.constantFrom('degC', 'degC', 'K'),
    on_exceed: optional(fc.constantFrom('block', 'clamp', 'clamp')),
  })
  .map(({ from, to, ...rest }) => given({ min: Math.min(from, to), max: Math.max(from, to), ...rest }));
const windows = fc
  .record({ days: optional(fc.constantFrom('mon', 'mon-fri', 'fri-mon', 'sun')), from: times, to: times })
  .filter(({ from, to }) => from !== to)
  .map(given);

const rare = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one });

const comparisons = fc
  .record({
    subject: fc.constantFrom(
      { arg: 'celsius' },
      { arg: 'zone' },
      ...['operator', 'entity', 'entity_kind', 'entity_id', 'mode', 'value', 'tool'].map((field) => ({ field })),
    ),
    test: fc.oneof(
      fc
        .record({ sign: fc.constantFrom('lt', 'le', 'gt', 'ge'), than: degrees })
        .map(({ sign, than }) => ({ [sign]: than })),
      fc
        .record({ sign: fc.constantFrom('eq', 'ne'), than: fc.constantFrom(21, '412', 'comfort', true, 'zone') })
        .map(({ sign, than }) => ({ [sign]: than })),
      fc
        .record({
          sign: fc.constantFrom('in', 'not_in'),
          than: fc.constantFrom(['412', '7'], [21, 26.5], ['live'], [21, '412']),
        })
        .map(({ sign, than }) => ({ [sign]: than })),
    ),
  })
  .map(({ subject, test }) => ({ ...subject, ...test }));

const whens: fc.Arbitrary<OracleWhen> = fc.letrec<{ when: OracleWhen }>((tie) => ({
  when: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    comparisons,
    fc.record({ all: fc.array(tie('when'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ any: fc.array(tie('when'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ not: tie('when') }),
  ),
})).when;

const quantity = fc
  .record({
    max_per_run: fc.constantFrom(0, 1, 4, 20),
    per_window: optional(fc.record({ count: fc.constantFrom(0, 3, 8), window: fc.constantFrom('10m', '2h') })),
    max_changes_per_day: optional(fc.constantFrom(0, 1, 4)),
  })
  .map(given);
const pair = fc.oneof(
  fc.record({
    heat: fc.constantFrom('setpoint', 'zone:{id}/setpoint', 'zone:7/temperature'),
    cool: fc.constantFrom('cool_sp', 'zone:{id}/cool_sp', 'setpoint'),
    min_gap: fc.constantFrom(0, 0.4, 2),
  }),
  fc.record({ exclusive: fc.constantFrom(['setpoint', 'cool_sp'], ['zone:{id}/cool_sp', 'site/fire_alarm']) }),
);
const lease = fc
  .record({
    ttl: fc.constant('5m'),
    max_hold: optional(fc.constantFrom('10m', '2h')),
    deadman: optional(fc.constantFrom('device', 'device_preferred', 'gateway', 'none')),
    fallback: fc.constantFrom('relinquish', 'baseline', { value: 18 }),
  })
  .map(given);
const evidence = fc
  .record({
    point: fc.constantFrom(...POINTS),
    max_age: spans,
    allow_uncertain: optional(fc.boolean()),
    agree: optional(fc.record({ with: fc.constantFrom(...POINTS), within: fc.constantFrom(0, 0.5, 5) })),
  })
  .map(given);
const interlock = fc.record({
  point: fc.constantFrom(...POINTS),
  must_be: fc.constantFrom(true, false, 21),
  max_age: spans,
});
const override = fc
  .record({
    hold: optional(fc.constantFrom('10m', '2h')),
    release_by: optional(fc.constantFrom(['timer'], ['operator'], ['timer', 'operator'])),
  })
  .map(given);
const approval = fc
  .record({
    required: optional(fc.boolean()),
    within: optional(fc.constantFrom('10m', '2h')),
    approvers: optional(fc.constantFrom(1, 2)),
  })
  .map(given);
const fewOf = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { minLength: 1, maxLength: 2 });

const KINDS: { readonly [K in keyof OracleConstraints]-?: fc.Arbitrary<unknown> } = {
  quantity,
  range,
  pair,
  ramp: fc.record({ max: fc.constantFrom(0.5, 1.1, 3), per: fc.constantFrom('10m', '2h') }),
  min_on_off: fc.record({ on: spans, off: spans, point: fc.constantFrom(...POINTS) }),
  settle: fc.record({ per_kelvin: fc.constantFrom('5m', '10m'), max: fc.constantFrom('10m', '2h') }),
  override,
  authority: fc.record({ preempt: optional(fc.constantFrom(['schedule'], ['floor', 'control'])) }).map(given),
  lease,
  comfort: fc.record({ pmv_abs_max: fc.constantFrom(0.1, 0.3, 1), required: optional(fc.boolean()) }).map(given),
  approval,
  alert: fc.record({ delivery: fc.constantFrom('queued', 'required_before', { within: '5m' }, { within: '2h' }) }),
  idempotency: fc.record({ scope: fc.constantFrom('once', 'episode') }),
  on_unknown: fc.constantFrom('hold', 'release'),
  step: fc.record({ max: fc.constantFrom(0.5, 1, 2, 60) }),
  deadband: fc.record({ abs: fc.constantFrom(0.2, 0.5, 1.5) }),
  min_interval: spans,
  windows: fewOf(windows),
  evidence: fewOf(evidence),
  interlocks: fewOf(interlock),
  single_flight: fc.constantFrom('by_zone', 'by_zone_id', 'by_loop'),
  on_conflict: fc.constantFrom('wait', 'refuse', 'coalesce'),
  on_failure: fc.constantFrom('stop', 'continue'),
};

/** Those that not only block come more often. */
const OFTEN = [
  ...(Object.keys(KINDS) as (keyof OracleConstraints)[]),
  'range',
  'range',
  'deadband',
  'comfort',
] as const;

/** Few of them, so that not everything is blocked, and each is now and then the one that blocks. */
export const constraints: fc.Arbitrary<OracleConstraints> = fc
  .array(fc.oneof(...OFTEN.map((name) => fc.tuple(fc.constant(name), KINDS[name]))), { maxLength: 3 })
  .map((some) => Object.fromEntries(some) as OracleConstraints);

const subject = fc.oneof(
  fc.record({ capability: fc.constantFrom(...CAPABILITIES, 'hvac.*', '*.setpoint') }),
  fc.record({ tool: fc.constantFrom('set_setpoint', 'set_mode') }),
);
const scope = fc
  .record({
    connector: rare(fc.constantFrom('fcu', 'ahu')),
    operator: rare(fc.constantFrom('comfort', 'floor')),
    entity: rare(fc.constantFrom('zone:412', 'zone:*', '*:*', 'site:*')),
  })
  .map(given);
const bounds = fc
  .record({ bound: rare(degrees), least: fc.boolean() })
  .map(({ bound, least }) => (bound === undefined ? {} : least ? { minValue: bound } : { maxValue: bound }));
const decision = fc.constantFrom('ALLOW', 'ALLOW', 'ALLOW', 'ALERT', 'BLOCK') satisfies fc.Arbitrary<
  OracleRule['decision']
>;

const rule = fc.record({ subject, scope, bounds, decision, when: rare(whens), constraints }).map((part) => ({
  match: { ...part.subject, ...part.scope },
  decision: part.decision,
  ...part.bounds,
  ...given({ when: part.when }),
  constraints: part.constraints,
}));

export const policies: fc.Arbitrary<OraclePolicy> = fc
  .record({
    allow: fc.uniqueArray(fc.constantFrom(...CAPABILITIES), { maxLength: 2 }),
    limit: fc
      .record({ max_per_run: optional(fc.constantFrom(0, 1, 8)), single_flight: rare(fc.constant('by_zone')) })
      .map(given),
    limited: fc.boolean(),
    rules: fc.array(rule, { maxLength: 4 }),
  })
  .map(({ allow, limit, limited, rules }) => ({
    version: 1,
    allow,
    limits: limited && allow[0] !== undefined ? { [allow[0]]: limit } : {},
    rules: rules.map((one, i) => ({ id: `r${i}`, ...one })),
  }));

const anyPoint: fc.Arbitrary<PointFact> = fc.record({
  value: fc.constantFrom(20, 21, 21, 21.4, Number.NaN, null, true, false, false, 'auto'),
  unit: fc.constantFrom('degC', 'degC', 'K', null),
  quality: fc.constantFrom('good', 'good', 'good', 'uncertain', 'bad'),
  provenance: fc.constantFrom('live', 'live', 'live', 'live', 'simulated', 'replayed', 'manual'),
  source_ts: fc.constantFrom(null, null, ...[0, 5_000, 5_001].map((ahead) => new Date(WALL_MS + ahead).toISOString())),
  age_ms: fc.constantFrom(0, 30_000, 30_001, 299_000, 7_200_000),
  unchanged_ms: fc.constantFrom(0, 30_000, 600_000, 7_200_000),
});

/** Half of them as they should be. */
const pointFacts: fc.Arbitrary<PointFact> = fc.oneof(
  anyPoint,
  fc
    .record({
      value: fc.constantFrom(20, 21, 21.4, 25, 0, true, false),
      unchanged_ms: fc.constantFrom(30_000, 600_000),
    })
    .map(fact),
);

const changes: fc.Arbitrary<readonly PastChange[]> = fc.array(
  fc.record({
    ago_ms: fc.constantFrom(1_000, 300_000, 600_000, 9_000_000, 90_000_000),
    delta: fc.constantFrom(null, 1, 1, -0.5, 4),
    by: fc.constantFrom('us', 'us', 'others'),
  }),
  { maxLength: 2 },
);

const writes: fc.Arbitrary<readonly WriteFact[]> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(21, 21, 21.5, 20, 26.5, Number.NaN)
      .map((value) => [{ point: 'setpoint', value, arg: 'celsius' }]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<readonly WriteFact[]>(
      [],
      [{ point: 'setpoint', value: 'hot', arg: 'celsius' }],
      [{ point: 'setpoint', value: true, arg: null }],
      [
        { point: 'setpoint', value: 26.5, arg: 'celsius' },
        { point: 'cool_sp', value: 26.5, arg: 'celsius' },
      ],
      [
        { point: 'setpoint', value: 21, arg: 'celsius' },
        { point: 'cool_sp', value: 24, arg: null },
      ],
      [
        { point: 'setpoint', value: 21, arg: 'celsius' },
        { point: 'mode', value: 1, arg: null, there: true },
      ],
      [
        { point: 'setpoint', value: 21, arg: 'celsius' },
        { point: 'mode', value: 1, arg: null, there: false },
      ],
    ),
  },
);

/** What the executor knows of people, leases and channels; now and then nobody has looked. */
const surroundings = fc.record({
  changes_reach_ms: fc.constantFrom(null, null, 300_000, 9_000_000),
  sent_within: fc
    .constantFrom(0, 0, 2, 3, 8)
    .map((sent) => (windowMs: number) => (windowMs > 600_000 ? sent : Math.floor(sent / 2))),
  override: fc.constantFrom<Facts['override']>(
    { kind: 'none' },
    { kind: 'none' },
    null,
    { kind: 'in_force', what: 'slot 8' },
    ...[0, 600_000, 7_200_000, 14_400_000].flatMap((ago_ms) =>
      [true, false].map((released) => ({ kind: 'past', what: 'slot 8', ago_ms, released }) as const),
    ),
  ),
  holders: fc.constantFrom<Facts['holders']>(
    [],
    [],
    null,
    [{ operator: 'floor', class: 'schedule', held_ms: 60_000 }],
    [{ operator: 'floor', class: 'control', held_ms: 59_999 }],
    [
      { operator: 'night', class: 'control', held_ms: 60_000 },
      { operator: 'night', class: 'other', held_ms: 60_000 },
    ],
  ),
  lease: fc.option(
    fc.record({
      deadman: fc.constantFrom('device', 'gateway', 'none'),
      fallbacks: fc.subarray(['relinquish', 'baseline', 'value'] as const, { minLength: 1 }),
      held_ms: fc.constantFrom(null, null, 0, 600_000, 7_200_000),
    }),
    { freq: 6 },
  ),
  approval: fc.option(
    fc.record({
      approvers: fc.constantFrom<readonly string[]>([], ['ann'], ['ann', 'ann'], ['ann', 'bo'], ['ann', 'bo']),
      age_ms: fc.constantFrom(0, 600_000, 7_200_001),
      basis_changed: fc.constantFrom(false, false, true),
    }),
  ),
  alerts: fc.option(fc.record({ accepted: fc.boolean(), unreachable_ms: fc.constantFrom(0, 300_000, 7_200_001) })),
});

const dampness = pointFacts.map((one) => (typeof one.value === 'number' ? { ...one, value: one.value * 2 } : one));
const maybePoint = fc.option(pointFacts, { freq: 5 });

/** Facts of one action; now and then the points cannot even be asked for. */
export const allFacts: fc.Arbitrary<Facts> = fc
  .record({
    acted: fc.record({
      operator: fc.constantFrom('comfort', 'comfort', 'floor'),
      capability: fc.constantFrom('hvac.setpoint', 'hvac.setpoint', ...CAPABILITIES, 'hvac.zone.setpoint'),
      connector: fc.constantFrom('fcu', 'fcu', 'ahu'),
      tool: fc.constantFrom('set_setpoint', 'set_mode', 'other'),
      entity_key: fc.constantFrom('zone:412', 'zone:412', 'zone:7', 'site:1', 'zone:4:12', 'nothing'),
      args: fc.constantFrom<Record<string, unknown>>(
        { zone: '412', celsius: 21 },
        { zone: '412', celsius: 26.5 },
        { celsius: 26.5 },
        { celsius: '21' },
        { zone: '' },
        {},
      ),
      effect_class: fc.constantFrom('absolute_set', 'absolute_set', 'absolute_set', 'relative_or_pulse'),
      value: fc.constantFrom(21, 21, 18, 26, 26.5, -6, null, Number.NaN, Number.POSITIVE_INFINITY),
    }),
    mode: fc.constantFrom('live', 'live', 'live', 'live_limited', 'shadow'),
    real: fc.constantFrom('live', 'live', 'live', 'simulated'),
    admitted_in_run: fc.constantFrom(0, 0, 1, 4, 20),
    weekday: fc.integer({ min: 1, max: 7 }),
    minute_of_day: fc.constantFrom(0, 359, 360, 720, 1_199, 1_200, 1_439),
    clock_trusted: fc.constantFrom(true, true, true, false),
    current: fc.oneof(
      { weight: 2, arbitrary: fc.constant(fact({ value: 20.9 })) },
      { weight: 1, arbitrary: maybePoint },
    ),
    writes,
    /** What is written is what the argument says, as with most tools. */
    asGiven: fc.boolean(),
    surroundings,
    changes,
    points: fc.tuple(maybePoint, maybePoint, maybePoint, maybePoint, fc.option(dampness, { freq: 5 })),
    torn: fc.constantFrom(...Array.from({ length: 20 }, (_, i) => i === 0)),
  })
  .map(({ acted, weekday, minute_of_day, clock_trusted, points, torn, asGiven, surroundings: around, ...rest }) => {
    const [here, there, alarm, cool, damp] = points;
    const known = new Map([
      ['zone:412/temperature', here],
      ['zone:7/temperature', there],
      ['site/fire_alarm', alarm],
      ['zone:412/cool_sp', cool],
      ['zone:412/humidity', damp],
    ]);
    const point = (ref: string): PointFact | null => {
      if (torn) throw new Error('torn');
      return known.get(ref) ?? null;
    };
    const celsius: unknown = acted.args['celsius'];
    const writes: readonly WriteFact[] =
      asGiven && typeof celsius === 'number' ? [{ point: 'setpoint', value: celsius, arg: 'celsius' }] : rest.writes;
    return {
      ...facts({ action: acted }),
      ...rest,
      ...around,
      writes,
      now: { wall_ms: WALL_MS, weekday, minute_of_day, clock_trusted },
      point,
    };
  });
