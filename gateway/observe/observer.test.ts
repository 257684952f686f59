import { type Envelope, envelopeSchema, type Reading } from '@fibric/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceOf, identity, observe, type PointOptions, reading } from './fixture.ts';

const KEYS = [
  'agent_id',
  'correlation_id',
  'event_id',
  'event_type',
  'payload',
  'reseller_id',
  'session_id',
  'source',
  'tenant_id',
  'workspace_id',
];
const zone = { kind: 'zone', id: '412' };

function room(options: PointOptions = {}) {
  return observe([deviceOf('room-412', zone, { temperature: options })]);
}

/** Value and quality of each envelope: `21`, `bad:timeout`. */
function told(envelopes: readonly Envelope[]): readonly unknown[] {
  return envelopes.map(({ payload }) =>
    payload['quality'] === 'good'
      ? payload['value']
      : `${String(payload['quality'])}:${String(payload['quality_reason'])}`,
  );
}

describe('an envelope of a reading', () => {
  const value = fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.constant(null));
  const hostile: fc.Arbitrary<Reading> = fc.record({
    device: fc.constant('room-412'),
    point: fc.constant('temperature'),
    value: value as fc.Arbitrary<Reading['value']>,
    quality: fc.constantFrom('good', 'uncertain', 'bad'),
    quality_reason: fc.constantFrom(null, 'retained', 'timeout', 'malformed'),
    provenance: fc.constantFrom('live', 'simulated', 'replayed', 'manual'),
    observed_at: fc.option(fc.string()),
    tenant_id: fc.constant('t_other'),
    workspace_id: fc.constant('ws_other'),
    reseller_id: fc.constant('r_other'),
    event_id: fc.constant('chosen'),
    event_type: fc.constant('Chosen'),
    agent_id: fc.constant('chosen'),
  });

  it('E1 E2 B3 has exactly the ten keys with the tenancy and id of the box, whatever the device says', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 20 }), (batch) => {
        const { observer, envelopes } = room();
        observer.readings(batch);
        for (const envelope of envelopes) {
          expect(Object.keys(envelope).toSorted()).toEqual(KEYS);
          expect(Object.keys(JSON.parse(JSON.stringify(envelope)) as object).toSorted()).toEqual(KEYS);
          expect(envelope).toMatchObject({
            ...identity,
            source: 'mqtt:field',
            event_type: 'zone.temperature',
            agent_id: null,
            session_id: null,
          });
          expect(envelope.event_id).toMatch(/^[0-9a-f-]{36}$/);
          expect(envelopeSchema.safeParse(envelope).success).toBe(true);
        }
        expect(new Set(envelopes.map((e) => e.event_id)).size).toBe(envelopes.length);
        expect(new Set(envelopes.map((e) => e.correlation_id)).size).toBe(envelopes.length);
      }),
    );
  });

  it('says what was read, of what, in which unit, by which device, and when it arrived', () => {
    const { read, envelopes } = room();
    read('room-412', { temperature: 21.4 }, { observed_at: '2026-07-01T07:59:58Z' });
    expect(envelopes[0]?.payload).toEqual({
      entity: zone,
      point: 'temperature',
      value: 21.4,
      unit: 'degC',
      quality: 'good',
      quality_reason: null,
      provenance: 'live',
      observed_at: '2026-07-01T07:59:58Z',
      received_at: '2026-07-01T08:00:00.000Z',
      device: 'room-412',
    });
    expect(Object.isFrozen(envelopes[0]) && Object.isFrozen(envelopes[0]?.payload)).toBe(true);
  });

  it('keeps the mark of a simulated value', () => {
    const { read, envelopes, observer } = room();
    read('room-412', { temperature: 21 }, { provenance: 'simulated' });
    expect(envelopes[0]?.payload['provenance']).toBe('simulated');
    expect(observer.points.fact('zone:412', 'temperature')?.provenance).toBe('simulated');
  });
});

describe('what is told', () => {
  it.each<[deadband: number | null, values: readonly (number | string | boolean)[], told: readonly unknown[]]>([
    [null, [21, 21, 21.01, 21.01], [21, 21.01]],
    [0.5, [21, 21.4, 21.5, 21.6, 21.2, 21, 22.2], [21, 21.6, 21, 22.2]],
    [0.5, ['auto', 'auto', 'heat'], ['auto', 'heat']],
    [0.5, [false, true, true], [false, true]],
  ])('B2 deadband %s: of %j, %j', (deadband, values, expected) => {
    const { read, envelopes } = room({ deadband });
    for (const value of values) read('room-412', { temperature: value });
    expect(told(envelopes)).toEqual(expected);
  });

  it('B2 never leaves what was told further from what is than the deadband', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 5, noNaN: true }),
        fc.array(fc.double({ min: -50, max: 50, noNaN: true })),
        (deadband, values) => {
          const { read, envelopes } = room({ deadband });
          for (const value of values) {
            read('room-412', { temperature: value });
            expect(Math.abs(Number(envelopes.at(-1)?.payload['value']) - value)).toBeLessThanOrEqual(deadband);
          }
        },
      ),
    );
  });

  it('B2 an outage once, whatever its causes are called, and its end, also at the old value', () => {
    const { read, envelopes } = room({ deadband: 1 });
    read('room-412', { temperature: 21 });
    for (const quality_reason of ['timeout', 'timeout', 'disconnected'] as const) {
      read('room-412', { temperature: null }, { quality: 'bad', quality_reason });
    }
    read('room-412', { temperature: 21 });
    expect(told(envelopes)).toEqual([21, 'bad:timeout', 21]);
  });

  it('B1 a null that claims to be good, and what is no finite number, are missing', () => {
    const { read, envelopes, observer } = room();
    read('room-412', { temperature: 20 });
    read('room-412', { temperature: Number.NaN });
    expect(told(envelopes)).toEqual([20, 'bad:sensor_fault']);
    read('room-412', { temperature: 20 });
    read('room-412', { temperature: null });
    expect(observer.points.get('room-412', 'temperature')).toMatchObject({ value: null, quality: 'bad' });
  });

  it('shows a spike with its value as bad, and goes on (row 73)', () => {
    const { read, envelopes } = room({
      plausibility: { range: null, spike: { delta: 3, confirm: 3 }, stuck_ms: null },
    });
    for (const value of [22.5, 68, 22.6]) read('room-412', { temperature: value });
    expect(told(envelopes)).toEqual([22.5, 'bad:spike', 22.6]);
    expect(envelopes[1]?.payload['value']).toBe(68);
  });

  it('says that a value is stuck once, and takes it back when it moves (row 73)', async () => {
    const { read, envelopes, clock } = room({ plausibility: { range: null, spike: null, stuck_ms: 120_000 } });
    for (let minute = 0; minute < 5; minute++) {
      read('room-412', { temperature: 21 });
      await clock.advance(60_000);
    }
    read('room-412', { temperature: 21.1 });
    expect(told(envelopes)).toEqual([21, 'bad:stuck', 21.1]);
  });

  it('B4 doubts a reading whose device is ahead of time, and records what it said (row 94)', () => {
    const { read, envelopes, observer } = room();
    read('room-412', { temperature: 21 }, { observed_at: '2026-07-01T08:00:05Z' });
    read('room-412', { temperature: 21 }, { observed_at: '2026-07-02T08:00:00Z' });
    expect(told(envelopes)).toEqual([21, 'uncertain:clock_skew']);
    expect(observer.points.fact('zone:412', 'temperature')).toMatchObject({
      source_ts: '2026-07-02T08:00:00Z',
      age_ms: 0,
    });
  });

  it('B4 measures how far ahead in the time of the wire, which an accelerated world stretches', () => {
    const simulation = { world: 'w', speed: 60, epoch_ms: 0, started_ms: 0 };
    const { read, envelopes } = observe([deviceOf('room-412', zone, { temperature: {} })], { simulation });
    read('room-412', { temperature: 21 }, { observed_at: '2026-07-01T08:05:00Z' });
    read('room-412', { temperature: 21 }, { observed_at: '2026-07-01T08:05:01Z' });
    expect(told(envelopes)).toEqual([21, 'uncertain:clock_skew']);
  });

  it('a retained value is uncertain and teaches nothing about what is plausible', () => {
    const plausibility = { range: { min: 0, max: 40 }, spike: { delta: 3, confirm: 3 }, stuck_ms: null };
    const { read, envelopes } = room({ plausibility });
    read('room-412', { temperature: 10 }, { quality: 'uncertain', quality_reason: 'retained' });
    read('room-412', { temperature: 90 }, { quality: 'uncertain', quality_reason: 'retained' });
    read('room-412', { temperature: 21 });
    expect(told(envelopes)).toEqual(['uncertain:retained', 'bad:out_of_range', 21]);
  });

  it('is a defect of the driver when there is no such point', () => {
    const { observer } = room();
    expect(() => observer.readings([reading('room-412', 'nonsense', 1)])).toThrow('room-412/nonsense');
  });
});

describe('a value past its time', () => {
  it('B1 is missing everywhere at once, and told once (row 73)', async () => {
    const { read, envelopes, observer, clock } = room({ stale_ms: 600_000 });
    read('room-412', { temperature: 21 });
    await clock.advance(600_000);
    expect(observer.points.get('room-412', 'temperature')?.value).toBe(21);
    await clock.advance(1);
    expect(observer.points.get('room-412', 'temperature')).toMatchObject({
      value: null,
      quality: 'bad',
      quality_reason: 'stale',
    });
    expect(observer.points.fact('zone:412', 'temperature')).toMatchObject({
      value: null,
      quality: 'bad',
      age_ms: 600_001,
    });
    await clock.advance(3_600_000);
    expect(told(envelopes)).toEqual([21, 'bad:stale']);
    expect(envelopes[1]?.payload).toMatchObject({ value: null, received_at: '2026-07-01T08:00:00.000Z' });
  });

  it('is told within a tenth of its limit, thirty seconds at most', async () => {
    const { read, envelopes, clock } = room({ stale_ms: 20_000 });
    read('room-412', { temperature: 21 });
    await clock.advance(22_001);
    expect(told(envelopes)).toEqual([21, 'bad:stale']);
  });

  it('is not told again by a driver that finds out later, and its end is', async () => {
    const { read, envelopes, clock } = room({ stale_ms: 20_000 });
    read('room-412', { temperature: 21 });
    await clock.advance(60_000);
    read('room-412', { temperature: null }, { quality: 'bad', quality_reason: 'disconnected' });
    read('room-412', { temperature: 21 });
    expect(told(envelopes)).toEqual([21, 'bad:stale', 21]);
  });

  it('is missing also when it was implausible before', async () => {
    const { read, envelopes, clock } = room({
      stale_ms: 20_000,
      plausibility: { range: { min: 0, max: 40 }, spike: null, stuck_ms: null },
    });
    read('room-412', { temperature: 90 });
    await clock.advance(60_000);
    expect(told(envelopes)).toEqual(['bad:out_of_range', 'bad:stale']);
  });

  it('never comes where a point is told of changes only', async () => {
    const { read, envelopes, clock } = room({ stale_ms: Number.POSITIVE_INFINITY });
    read('room-412', { temperature: 21 });
    await clock.advance(86_400_000);
    expect(told(envelopes)).toEqual([21]);
  });

  it('is looked for no more after stop', async () => {
    const { read, observer, envelopes, clock } = room({ stale_ms: 20_000 });
    read('room-412', { temperature: 21 });
    observer.stop();
    await clock.advance(60_000);
    expect(envelopes).toHaveLength(1);
    expect(clock.waiting).toBe(0);
  });
});

describe('a connection', () => {
  it('tells of a change of its state once, with what it was before', () => {
    const { observer, envelopes } = room();
    observer.status('field', 'connected', 'session open');
    observer.status('field', 'connected', 'still there');
    observer.status('field', 'error', 'connection refused');
    expect(envelopes.map((e) => [e.event_type, e.source, e.payload['previous'], e.payload['status']])).toEqual([
      ['connector.status_changed', 'mqtt:field', null, 'connected'],
      ['connector.status_changed', 'mqtt:field', 'connected', 'error'],
    ]);
    expect(observer.connections()).toEqual([
      {
        id: 'field',
        protocol: 'mqtt',
        status: 'error',
        detail: 'connection refused',
        since: '2026-07-01T08:00:00.000Z',
      },
    ]);
  });
});

describe('what is sensed', () => {
  const bindings = new Map([
    ['climate.read', ['field']],
    ['occupancy.read', ['field']],
  ]);
  const site = () =>
    observe(
      [
        deviceOf(
          'room-412',
          zone,
          { temperature: {}, motion: { unit: null } },
          { 'climate.read': ['temperature'], 'occupancy.read': ['motion'] },
        ),
        deviceOf('fcu-412', zone, { setpoint: {}, temperature: {} }, { 'climate.read': ['setpoint', 'temperature'] }),
        deviceOf('room-413', { kind: 'zone', id: '413' }, { temperature: {} }, { 'climate.read': ['temperature'] }),
      ],
      { bindings },
    );

  it('is an entity with the points of all its devices, each with its age and for how long it has been so', async () => {
    const { read, observer, clock } = site();
    read('room-412', { temperature: 21 });
    read('fcu-412', { setpoint: 17 });
    await clock.advance(30_000);
    read('fcu-412', { setpoint: 17 });
    await clock.advance(2_500);
    const { at, entities } = observer.sense('climate.read', { zone: '412' });
    expect(at).toBe('2026-07-01T08:00:32.500Z');
    expect(entities).toHaveLength(1);
    expect(entities[0]).toMatchObject({ kind: 'zone', id: '412' });
    expect(entities[0]?.points).toEqual({
      temperature: {
        value: 21,
        unit: 'degC',
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        age_s: 32.5,
        unchanged_s: 32.5,
        change_seen: false,
        device: 'room-412',
      },
      setpoint: {
        value: 17,
        unit: 'degC',
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        age_s: 2.5,
        unchanged_s: 32.5,
        change_seen: false,
        device: 'fcu-412',
      },
    });
  });

  it('of a point that several devices carry is what was heard last', async () => {
    const { read, observer, clock } = site();
    read('room-412', { temperature: 21 });
    await clock.advance(1_000);
    read('fcu-412', { temperature: 23 });
    expect(observer.points.fact('zone:412', 'temperature')?.value).toBe(23);
    await clock.advance(1_000);
    read('room-412', { temperature: 21 });
    expect(observer.sense('climate.read', {}).entities[0]?.points['temperature']?.value).toBe(21);
  });

  it('leaves out what was never heard of, and keeps the entity', () => {
    const { observer } = site();
    expect(observer.sense('climate.read', {}).entities).toEqual([
      { kind: 'zone', id: '412', points: {} },
      { kind: 'zone', id: '413', points: {} },
    ]);
  });

  it.each([
    [{}, ['412', '413']],
    [{ zone: '413' }, ['413']],
    [{ entity: 'zone:412' }, ['412']],
    [{ dock: '413' }, []],
    [{ zone: '999' }, []],
  ])('with %j is that of %j', (args, ids) => {
    const { observer } = site();
    expect(observer.sense('climate.read', args).entities.map((entity) => entity.id)).toEqual(ids);
  });

  it('is only what the profile lists under the capability', () => {
    const { read, observer } = site();
    read('room-412', { motion: true, temperature: 20 });
    expect(Object.keys(observer.sense('occupancy.read', {}).entities[0]?.points ?? {})).toEqual(['motion']);
    expect(observer.sense('energy.read', {}).entities).toEqual([]);
  });
});

it('lists every point that was heard of', () => {
  const { read, observer } = room();
  expect(observer.points.all()).toEqual([]);
  read('room-412', { temperature: 21 });
  expect(observer.points.all().map((point) => [point.device, point.point, point.entity_key, point.value])).toEqual([
    ['room-412', 'temperature', 'zone:412', 21],
  ]);
});
