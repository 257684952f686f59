/** The shipped operator as the gateway runs it: its folder in a real host, its policy file before the real decision. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decide, type Facts, loadPolicy, type PointFact, type Policy } from '@fibric/policy';
import {
  CAPABILITIES,
  type Envelope,
  envelopeSchema,
  type ExecutionPlan,
  type PointValue,
  type Sensed,
  type SensedPoint,
} from '@fibric/sdk';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createOperatorHost } from './operator-host/process.ts';
import { keptLog, rulesReasoner } from './operator-host/testing.ts';
import { parseTime, systemClock } from './system.ts';

const FOLDER = fileURLToPath(new URL('../operators/comfort', import.meta.url));
const FIXTURES = readdirSync(`${FOLDER}/fixtures`);

const READS: Readonly<Record<string, readonly string[]>> = {
  'climate.read': ['temperature', 'setpoint', 'window'],
  'occupancy.read': ['motion'],
  'lighting.read': ['scene'],
};

/** The world as the recorded envelopes tell it so far. */
class Recorded {
  readonly #zones = new Map<
    string,
    Map<string, { point: Omit<SensedPoint, 'age_s' | 'unchanged_s'>; atMs: number; sinceMs: number }>
  >();
  #bookings: unknown = null;
  nowMs = 0;

  /** Takes one envelope in; true when it is one that wakes comfort. */
  take({ event_type, payload }: Envelope): boolean {
    this.nowMs = parseTime(String(payload['received_at'] ?? payload['at'])) ?? this.nowMs;
    if (event_type === 'bookings.listed') this.#bookings = payload;
    if (payload['entity'] !== undefined) this.#reading(payload);
    return ['cron.tick', 'zone.motion', 'zone.window'].includes(event_type);
  }

  #reading(payload: Envelope['payload']): void {
    const { id } = payload['entity'] as { id: string };
    const { value, unit, quality, quality_reason, provenance, device } = payload as unknown as SensedPoint;
    const zone = this.#zones.get(id) ?? new Map();
    this.#zones.set(id, zone);
    const before = zone.get(payload['point']);
    const sinceMs = before?.point.value === value ? before.sinceMs : this.nowMs;
    zone.set(payload['point'], {
      point: { value, unit, quality, quality_reason, provenance, device },
      atMs: this.nowMs,
      sinceMs,
    });
  }

  sense(capability: string, args: Readonly<Record<string, unknown>>): unknown {
    if (capability === 'bookings.read') return this.#bookings;
    const zones = [...this.#zones].filter(([id]) => args['entity'] === undefined || args['entity'] === `zone:${id}`);
    const entities = zones.map(([id, points]) => ({
      kind: 'zone',
      id,
      points: Object.fromEntries(
        [...points]
          .filter(([name]) => READS[capability]?.includes(name))
          .map(([name, { point, atMs, sinceMs }]) => [
            name,
            { ...point, age_s: (this.nowMs - atMs) / 1_000, unchanged_s: (this.nowMs - sinceMs) / 1_000 },
          ]),
      ),
    }));
    return { at: '', entities } satisfies Sensed;
  }
}

function envelopes(fixture: string): readonly Envelope[] {
  const lines = readFileSync(`${FOLDER}/fixtures/${fixture}`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => envelopeSchema.parse(JSON.parse(line)));
}

/** Replays a fixture through a host of its own; the plans that hold actions, each with its time of day. */
async function replay(fixture: string): Promise<readonly string[]> {
  const world = new Recorded();
  const host = createOperatorHost({
    operator: 'comfort',
    folder: FOLDER,
    settings: {},
    state: {},
    clock: systemClock(),
    log: keptLog(),
    bound: (capability) => (capability === 'bookings.read' && !fixture.startsWith('hotel') ? [] : ['bound']),
    reasoning: ({ model }) => rulesReasoner().resolve(model),
  });
  onTestFinished(() => host.stop());
  await host.start();
  const plans: string[] = [];
  for (const event of envelopes(fixture)) {
    if (!world.take(event)) continue;
    const utc = Temporal.Instant.fromEpochMilliseconds(world.nowMs).toString();
    const result = await host.run({
      run_id: event.event_id,
      event,
      now: { utc, zone: 'UTC', local: utc.slice(0, 19) },
      sense: async (capability, args) => world.sense(capability, args),
    });
    if (result.kind === 'failed') throw new Error(`${result.reason_code}: ${result.reason}`);
    const { actions, reasoning } = result.plan as ExecutionPlan;
    if (actions.length > 0) plans.push(`${utc.slice(11, 16)} ${reasoning}`);
  }
  return plans;
}

describe('comfort in its host', () => {
  test.each(FIXTURES)('%s gives the same plans twice', async (fixture) => {
    const [first, second] = await Promise.all([replay(fixture), replay(fixture)]);
    expect(first).toEqual(second);
    expect(first).toMatchSnapshot();
  });
});

describe('comfort’s policy', () => {
  const known = { capabilities: new Set(CAPABILITIES.keys()), tools: new Set<string>() };

  function policy(): Policy {
    const file = `${FOLDER}/policy.yaml`;
    const loaded = loadPolicy([{ file, text: readFileSync(file, 'utf8') }], known);
    if ('findings' in loaded) throw new Error(JSON.stringify(loaded.findings));
    expect(loaded.warnings).toEqual([]);
    return loaded.policy;
  }

  const good = (value: PointValue, unit: string | null = null): PointFact => ({
    value,
    unit,
    quality: 'good',
    provenance: 'live',
    source_ts: null,
    age_ms: 60_000,
    unchanged_ms: 60_000,
  });

  function facts(celsius: number, points: Readonly<Record<string, PointFact>> = {}, rest: Partial<Facts> = {}): Facts {
    const known: Readonly<Record<string, PointFact>> = {
      'zone:412/temperature': good(20, 'degC'),
      'zone:412/motion': good(true),
      ...points,
    };
    return {
      action: {
        operator: 'comfort',
        capability: 'hvac.setpoint',
        connector: 'fcu',
        tool: 'hvac.setpoint',
        effect_class: 'absolute_set',
        entity_key: 'zone:412',
        args: { zone: '412', celsius },
        value: celsius,
      },
      mode: 'live',
      real: 'live',
      admitted_in_run: 0,
      now: { wall_ms: 0, minute_of_day: 0, weekday: 1, clock_trusted: true },
      current: good(17, 'degC'),
      writes: [{ point: 'setpoint', value: celsius, arg: 'celsius' }],
      changes: [],
      changes_reach_ms: null,
      sent_within: () => 0,
      override: null,
      holders: null,
      lease: null,
      approval: null,
      alerts: null,
      point: (ref) => known[ref] ?? null,
      ...rest,
    };
  }

  const verdict = (given: Facts): string => {
    const { decision, reason_code, noop } = decide(policy(), given, 'head');
    return `${decision}${noop ? ' noop' : ''}${decision === 'BLOCK' ? ` ${reason_code}` : ''}`;
  };

  test('lets it go from setback to comfort on fresh, good evidence', () => {
    expect(verdict(facts(21.5))).toBe('ALLOW');
  });

  test.each([
    ['stale', { ...good(20), age_ms: 301_000 }],
    ['bad', { ...good(20), quality: 'bad' as const }],
    ['spiking', { ...good(68.1), quality: 'bad' as const }],
    ['uncertain', { ...good(20), quality: 'uncertain' as const }],
    ['without a value', { ...good(null) }],
  ])('blocks while the temperature is %s', (_, temperature) => {
    expect(verdict(facts(21.5, { 'zone:412/temperature': temperature }))).toMatch(
      /^BLOCK (stale_or_bad|evidence_missing)$/,
    );
  });

  test('blocks while motion is not known, on replayed values, out of bounds, in leaps, and too soon', () => {
    expect(verdict(facts(21.5, { 'zone:412/motion': { ...good(null), quality: 'bad' } }))).toMatch(/^BLOCK/);
    expect(verdict(facts(21.5, { 'zone:412/motion': { ...good(true), provenance: 'replayed' } }))).toBe(
      'BLOCK not_live',
    );
    expect(verdict(facts(26.5))).toBe('BLOCK out_of_range');
    expect(verdict(facts(15.9))).toBe('BLOCK out_of_range');
    expect(verdict(facts(24))).toBe('BLOCK step_exceeded');
    expect(verdict(facts(21.5, {}, { changes: [{ ago_ms: 599_000, delta: 4.5, by: 'us' }] }))).toBe(
      'BLOCK min_interval',
    );
    expect(verdict(facts(21.5, {}, { admitted_in_run: 30 }))).toBe('BLOCK max_per_run');
  });

  test('grants nothing to others and nothing else to comfort', () => {
    const { action } = facts(21.5);
    expect(verdict(facts(21.5, {}, { action: { ...action, operator: 'floor' } }))).toBe('BLOCK default_closed');
    expect(
      verdict(facts(21.5, {}, { action: { ...action, capability: 'hvac.mode', args: { zone: '412', mode: 'off' } } })),
    ).toBe('BLOCK default_closed');
  });
});
