/**
 * A decision by 200 rules at the head of the lane: p50 and p99 of one, by how many rules there are and how many of them speak of the
 * action. `--decisions` a round. The policies are those of a site: a rule a zone and capability, each with what a setpoint usually asks.
 */
import { decide, type Facts, loadPolicy, type PointFact, type Policy } from '@fibric/policy';
import { type Figures, type Goal, now, option, quantile, rounds, type Variant } from './lib.ts';

const DECISIONS = option('decisions', 20_000);
const CAPABILITIES = Array.from({ length: 20 }, (_, i) => (i === 0 ? 'hvac.setpoint' : `plant.valve${i}`));

const CONSTRAINTS = `{ range: { arg: celsius, min: 16, max: 26, unit: degC }, step: { max: 6 }, ramp: { max: 9, per: 1h }, deadband: { abs: 0.1 },
      min_interval: 10m, quantity: { max_per_run: 30, per_window: { count: 600, window: 1h } }, windows: [ { days: mon-sun, from: "00:00", to: "24:00" } ],
      evidence: [ { point: "zone:{id}/temperature", max_age: 5m }, { point: "zone:{id}/motion", max_age: 5m } ],
      interlocks: [ { point: "zone:{id}/window_open", must_be: false, max_age: 5m } ] }`;

/** `count` rules, of which `matching` speak of the action; the others are about other zones or capabilities, half each. */
function policyOf(count: number, matching: number): Policy {
  const lines = Array.from({ length: count }, (_, i) => {
    const capability = i < matching || i % 2 === 0 ? 'hvac.setpoint' : CAPABILITIES[1 + (i % 19)];
    const entity = i < matching ? 'zone:*' : `zone:${500 + i}`;
    const match = `{ capability: ${capability}, entity: "${entity}" }`;
    return `  - { id: rule-${i}, match: ${match}, decision: ALLOW, constraints: ${CONSTRAINTS} }`;
  });
  const names = new Set(CAPABILITIES);
  const text = `version: 1\nrules:\n${lines.join('\n')}\n`;
  const loaded = loadPolicy([{ file: 'bench', text }], { capabilities: names, tools: names });
  if ('findings' in loaded) throw new Error(JSON.stringify(loaded.findings[0]));
  return loaded.policy;
}

function factOf(value: PointFact['value'], unit: string | null): PointFact {
  const when = { source_ts: null, age_ms: 2_000, unchanged_ms: 900_000 };
  return { value, unit, quality: 'good', provenance: 'live', ...when };
}

const POINTS: Readonly<Record<string, PointFact>> = {
  'zone:412/temperature': factOf(20.4, 'degC'),
  'zone:412/motion': factOf(true, null),
  'zone:412/window_open': factOf(false, null),
};

const FACTS: Facts = {
  action: {
    ...{ operator: 'comfort', capability: 'hvac.setpoint', connector: 'fcu', tool: 'hvac.setpoint' },
    ...{ effect_class: 'absolute_set', entity_key: 'zone:412', args: { zone: '412', celsius: 21.5 }, value: 21.5 },
  },
  mode: 'live',
  real: 'live',
  admitted_in_run: 3,
  now: { wall_ms: Date.UTC(2026, 6, 1, 12), minute_of_day: 720, weekday: 3, clock_trusted: true },
  current: factOf(20, 'degC'),
  writes: [{ point: 'setpoint', value: 21.5, arg: 'celsius' }],
  changes: Array.from({ length: 12 }, (_, i) => ({ ago_ms: (i + 1) * 1_200_000, delta: 0.5, by: 'us' })),
  changes_reach_ms: null,
  sent_within: () => 12,
  override: { kind: 'none' },
  holders: [],
  lease: { deadman: 'gateway', fallbacks: ['baseline'], held_ms: null },
  approval: null,
  alerts: { accepted: false, unreachable_ms: 0 },
  point: (ref) => POINTS[ref] ?? null,
};

function decided(count: number, matching: number): Variant {
  return async (): Promise<Figures> => {
    const policy = policyOf(count, matching);
    const verdict = decide(policy, FACTS, 'head');
    if (verdict.decision !== 'ALLOW') throw new Error(`${verdict.reason_code}: ${verdict.reason}`);
    const took: number[] = [];
    for (let i = 0; i < DECISIONS; i++) {
      const start = now();
      decide(policy, FACTS, 'head');
      took.push((now() - start) * 1_000);
    }
    return { p50_us: quantile(took, 0.5), p99_us: quantile(took, 0.99) };
  };
}

const variants = new Map<string, Variant>([
  ['10 rules, 1 matches', decided(10, 1)],
  ['200 rules, 1 matches', decided(200, 1)],
  ['200 rules, all match', decided(200, 200)],
]);

const goals: readonly Goal[] = [
  { name: 'p99 µs of 200 rules, one matches', figure: 'p99_us', variant: '200 rules, 1 matches', atMost: 1_000 },
  { name: 'p99 µs of 200 rules, all match', figure: 'p99_us', variant: '200 rules, all match', atMost: 1_000 },
];

await rounds('policy', variants, goals);
