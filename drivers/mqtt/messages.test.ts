/** What the driver makes of what arrives. */
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '@fibric/sdk';
import { until } from '../../test/contract/harness.ts';
import { type Rig, type Setup, DEVICE, TOPIC, command, openRig, ref } from './test-kit.ts';

const rigs: Rig[] = [];

async function open(setup: Setup): Promise<Rig> {
  const rig = await openRig(setup);
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

const temperature = { path: 'temperature' };

describe('a message becomes readings', () => {
  it('of the points whose path it has, in one batch, and leaves the others alone', async () => {
    const rig = await open({
      points: { temperature, co2: { path: 'air.co2[1]' }, pir: { path: 'pir', type: 'boolean', above: 0 } },
    });
    rig.broker.send(TOPIC, '{"temperature":21.5,"air":{"co2":[1,612]}}');
    rig.broker.send(TOPIC, '{"pir":2}');
    await rig.settled();
    expect(rig.sink.delivered).toEqual([
      {
        device: DEVICE,
        point: 'temperature',
        value: 21.5,
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        observed_at: null,
      },
      {
        device: DEVICE,
        point: 'co2',
        value: 612,
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        observed_at: null,
      },
      {
        device: DEVICE,
        point: 'pir',
        value: true,
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        observed_at: null,
      },
    ]);
  });

  it('of a bare value on a topic of its own', async () => {
    const rig = await open({
      points: { window: { topic: 'window', type: 'boolean', map: { open: true, closed: false } } },
    });
    rig.broker.send(`${TOPIC}/window`, 'open');
    await rig.settled();
    expect(rig.heard('window')).toEqual([[true, 'good', null]]);
  });

  it('through a wildcard, subscribed once with QoS 1', async () => {
    const rig = await open({ topic: 'hotel/+/412', points: { temperature, humidity: { path: 'humidity' } } });
    expect(rig.broker.filters).toEqual([['hotel/+/412']]);
    rig.broker.send('hotel/room/412', '{"temperature":20}', { qos: 0 });
    rig.broker.send('hotel/room/413', '{"temperature":30}');
    await rig.settled();
    expect(rig.heard('temperature')).toEqual([[20, 'good', null]]);
  });

  it.each([
    ['"2026-07-02T10:00:00+02:00"', '2026-07-02T08:00:00.000Z'],
    ['1782979200', '2026-07-02T08:00:00.000Z'],
    ['1782979200250', '2026-07-02T08:00:00.250Z'],
    ['"yesterday"', null],
    ['9e99', null],
    ['-1', null],
  ])("with the device's own time, if it is one: %s", async (at, observed) => {
    const rig = await open({ points: { temperature: { ...temperature, time: 'at' } } });
    rig.broker.send(TOPIC, `{"temperature":20,"at":${at}}`);
    await rig.settled();
    expect(rig.sink.delivered[0]).toMatchObject({ value: 20, observed_at: observed });
  });

  it('never of our own command that a wildcard brings back (row 69)', async () => {
    const rig = await open({
      points: { setpoint: { topic: '+', path: 'setpoint', set: { topic: 'set', payload: '{"setpoint":{value}}' } } },
    });
    await rig.driver.write(command({ setpoint: 22 }));
    rig.broker.send(`${TOPIC}/set`, '{"setpoint":22}');
    await rig.settled();
    expect(rig.sink.delivered).toEqual([]);
    rig.broker.send(`${TOPIC}/state`, '{"setpoint":22}');
    await rig.settled();
    expect(rig.heard('setpoint')).toEqual([[22, 'good', null]]);
  });
});

describe('a retained message', () => {
  it('is uncertain until the device speaks (row 69)', async () => {
    const rig = await open({ points: { temperature } });
    rig.broker.send(TOPIC, '{"temperature":19}', { retain: true });
    rig.broker.send(TOPIC, '{"temperature":20}');
    await rig.settled();
    expect(rig.heard('temperature')).toEqual([
      [19, 'uncertain', 'retained'],
      [20, 'good', null],
    ]);
  });

  it('and a repeated one answer no read (row 69)', async () => {
    const rig = await open({ points: { temperature } });
    const reading = rig.driver.read([ref('temperature')], 5_000);
    rig.broker.send(TOPIC, '{"temperature":18}', { retain: true });
    rig.broker.send(TOPIC, '{"temperature":19}', { dup: true });
    rig.broker.send(TOPIC, '{"temperature":20}');
    expect(await reading).toMatchObject([{ value: 20, quality: 'good' }]);
    expect(rig.heard('temperature').map(([value]) => value)).toEqual([18, 20]);
  });

  it('that is taken back says nothing', async () => {
    const rig = await open({ points: { temperature } });
    rig.broker.send(TOPIC, '');
    await rig.settled();
    expect([rig.sink.delivered, rig.log.lines]).toEqual([[], []]);
  });
});

describe('D6 a message that cannot be understood', () => {
  it.each([
    ['binary', Buffer.from([0x00, 0xff, 0xfe, 0x80]), 'not UTF-8 text'],
    ['1 MB', Buffer.alloc(1_000_000, 'x'), `1000000 bytes, more than ${LIMITS.messageBytes}`],
    ['cut off', '{"temperature":2', 'not JSON'],
    ['a word', 'warm', 'not JSON'],
    ['a number', '21.5', 'not a JSON object'],
    ['null', 'null', 'not a JSON object'],
    ['too deep for a parser that recurses', '['.repeat(100_000), 'not JSON'],
    ['a key for JavaScript', '{"temperature":20,"__proto__":{"quality":"good"}}', "has a key '__proto__'"],
    ['another', '{"temperature":20,"a":[{"constructor":1}]}', "has a key 'constructor'"],
    ['one in disguise', String.raw`{"\u005f_proto__":1}`, "has a key '__proto__'"],
  ])('(%s) is in the log, makes its points bad once, and hurts nothing', async (_name, payload, reason) => {
    const rig = await open({ points: { temperature } });
    rig.broker.send(TOPIC, payload);
    rig.broker.send(TOPIC, payload);
    rig.broker.send(TOPIC, '{"temperature":20}');
    await rig.settled();
    expect(rig.heard('temperature')).toEqual([
      [null, 'bad', 'malformed'],
      [20, 'good', null],
    ]);
    expect(rig.log.lines).toEqual([
      {
        level: 'warn',
        message: 'a message could not be understood',
        fields: {
          topic: TOPIC,
          reason,
          sample: payload.toString('utf8').slice(0, 100),
          bytes: payload.length,
          count: 1,
        },
      },
    ]);
    expect((await rig.driver.probe()).detail).toMatch(/; 2 messages not understood, 0 of another world$/);
  });

  it.each([
    ['"warm"', 'string'],
    ['null', 'null'],
    ['[20]', 'array'],
    ['{"value":20}', 'object'],
    ['true', 'boolean'],
  ])('a value of the wrong type (%s) makes its point bad once, and answers a read', async (value, found) => {
    const rig = await open({ points: { temperature, co2: { path: 'co2' } } });
    const reading = rig.driver.read([ref('temperature')], 5_000);
    rig.broker.send(TOPIC, `{"temperature":${value},"co2":600}`);
    rig.broker.send(TOPIC, `{"temperature":${value}}`);
    rig.broker.send(TOPIC, '{"temperature":20}');
    await rig.settled();
    expect(rig.heard('temperature')).toEqual([
      [null, 'bad', 'wrong_type'],
      [20, 'good', null],
    ]);
    expect(rig.heard('co2')).toEqual([[600, 'good', null]]);
    expect(await reading).toMatchObject([{ value: null, quality: 'bad', quality_reason: 'wrong_type' }]);
    expect(rig.log.lines.map(({ fields }) => fields['reason'])).toEqual([`temperature: expected number, got ${found}`]);
  });

  it('says which words a map knows', async () => {
    const rig = await open({
      points: { window: { path: 'window', type: 'boolean', map: { open: true, closed: false } } },
    });
    rig.broker.send(TOPIC, '{"window":"ajar"}');
    await rig.settled();
    expect(rig.log.lines[0]?.fields['reason']).toBe('window: expected one of open, closed, got string');
  });
});

describe('D7 worlds', () => {
  const world = { kind: 'simulated', id: 'w1' } as const;
  const ours = (fields: string): string => `{"provenance":"simulated","world":"w1",${fields}}`;

  it.each([
    ['no mark', '{"temperature":20}', 'does not speak as a simulator', `${DEVICE} does not speak as a simulator`],
    [
      'another world',
      '{"provenance":"simulated","world":"w2","temperature":20}',
      "speaks for world 'w2'",
      `${DEVICE} speaks for world 'w2'`,
    ],
  ])('a simulated site refuses a message with %s and says so', async (_name, payload, reason, detail) => {
    const rig = await open({ world, points: { temperature } });
    rig.broker.send(TOPIC, payload);
    rig.broker.send(TOPIC, payload);
    await until('the objection', () => rig.sink.now?.status === 'error');
    expect(rig.sink.now?.detail).toBe(`${detail}, and this site is world 'w1'`);
    await rig.settled();
    expect(rig.sink.delivered).toEqual([]);
    expect(rig.log.lines).toMatchObject([
      { message: "a message does not come from the site's own simulator", fields: { topic: TOPIC, reason, count: 1 } },
    ]);
    rig.broker.send(TOPIC, ours('"temperature":21'));
    await until('the recovery', () => rig.sink.now?.status === 'connected');
    expect(rig.sink.delivered).toMatchObject([{ value: 21, quality: 'good', provenance: 'simulated' }]);
  });

  it('a simulated site refuses a bare value', async () => {
    const rig = await open({ world, points: { temperature: { topic: 'temperature' } } });
    rig.broker.send(`${TOPIC}/temperature`, '21.5');
    await until('the objection', () => rig.sink.now?.status === 'error');
    expect(rig.sink.delivered).toEqual([]);
  });

  it('a simulated site sends no command to a device that has not shown its mark on this link', async () => {
    const points = { setpoint: { topic: 'state', path: 'setpoint', set: { topic: 'set' } } };
    const rig = await open({ world, points });
    const refused = { kind: 'not_sent', reason_code: 'world_mismatch' };
    expect(await rig.driver.write(command({ setpoint: 22 }))).toMatchObject(refused);
    rig.broker.send(`${TOPIC}/state`, ours('"setpoint":20'), { retain: true });
    await rig.settled();
    expect((await rig.driver.write(command({ setpoint: 22 }))).kind).toBe('acknowledged');
    rig.broker.drop();
    await until('the link again', () => rig.broker.connects.length === 2 && rig.sink.now?.status === 'connected');
    expect(await rig.driver.write(command({ setpoint: 23 }))).toMatchObject(refused);
    expect(rig.broker.published).toHaveLength(1);
  });

  it.each(['simulated', 'replayed', 'manual'])('a live site tags what calls itself %s', async (provenance) => {
    const rig = await open({ points: { temperature } });
    rig.broker.send(TOPIC, `{"provenance":"${provenance}","world":"w1","temperature":20}`);
    await rig.settled();
    expect(rig.sink.delivered).toMatchObject([{ value: 20, provenance }]);
  });

  it('a live site takes any other claim for what it is worth', async () => {
    const rig = await open({ points: { temperature } });
    rig.broker.send(TOPIC, '{"provenance":["live"],"temperature":20}');
    await rig.settled();
    expect(rig.sink.delivered).toMatchObject([{ value: 20, provenance: 'live' }]);
  });
});
