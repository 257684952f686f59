/** What the driver sends, what it says of it, and how the device's answer is read. */
import { afterEach, describe, expect, it } from 'vitest';
import { CountingClock, until } from '../../test/contract/harness.ts';
import type { Clock } from '@fibric/sdk';
import { type Rig, type Setup, TOPIC, command, openRig, ref } from './test-kit.ts';

const rigs: Rig[] = [];
const STATE = `${TOPIC}/state`;
const points = {
  setpoint: { topic: 'state', path: 'setpoint', set: { topic: 'set', payload: '{"setpoint":{value}}' } },
  mode: { topic: 'state', path: 'mode', type: 'string', set: { topic: 'mode/set' } },
  valve: { topic: 'state', path: 'valve' },
};

async function open(setup: Partial<Setup> = {}): Promise<Rig> {
  const rig = await openRig({ points, ...setup });
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

describe('D2 a write', () => {
  it('is one publish a point, in order, with QoS 1 and never retained', async () => {
    const rig = await open();
    const result = await rig.driver.write(command({ setpoint: 21.5, mode: 'heat' }));
    expect(rig.broker.published).toEqual([
      { topic: `${TOPIC}/set`, payload: '{"setpoint":21.5}', qos: 1, retain: false, dup: false },
      { topic: `${TOPIC}/mode/set`, payload: 'heat', qos: 1, retain: false, dup: false },
    ]);
    expect(result).toEqual({
      kind: 'acknowledged',
      response: {
        protocol: 'mqtt',
        code: 'puback',
        latency_ms: expect.any(Number),
        request: `${TOPIC}/set {"setpoint":21.5}\n${TOPIC}/mode/set heat`,
        reply: null,
      },
    });
  });

  it.each([
    [{ valve: 1 }, 'room-412/valve is not a point that can be written'],
    [{ setpoint: 21, mode: 7 }, 'room-412/mode cannot be set to 7'],
  ])('of which one point cannot be sent sends nothing: %j', async (writes, message) => {
    const rig = await open();
    const result = await rig.driver.write(command(writes));
    expect(result).toEqual({ kind: 'not_sent', reason_code: 'invalid_parameter', message });
    await rig.settled();
    expect(rig.broker.published).toEqual([]);
  });

  it('that the broker refuses (MQTT 5) is refused', async () => {
    const rig = await open({ connection: { version: 5 }, prepare: (broker) => void (broker.puback = () => 0x87) });
    const result = await rig.driver.write(command({ setpoint: 21 }));
    expect(result).toMatchObject({
      kind: 'refused',
      reason_code: 'device_refused',
      message: 'Publish error: Not authorized (0x87)',
      response: { code: 'refused', reply: 'Publish error: Not authorized (0x87)' },
    });
  });

  it('carries its key where the protocol has room for one (MQTT 5)', async () => {
    const rig = await open({ connection: { version: 5 } });
    await rig.driver.write(command({ setpoint: 21 }));
    expect(rig.broker.properties[0]).toMatch(/fibric-key.+comfort:zone:412:setpoint@once#1$/s);
  });

  it('of which the broker has taken a part is in doubt', async () => {
    const prepare: Setup['prepare'] = (broker) => {
      broker.puback = ({ topic }) => (topic === `${TOPIC}/set` ? 0 : 0x87);
    };
    const rig = await open({ connection: { version: 5 }, prepare });
    expect(await rig.driver.write(command({ setpoint: 21, mode: 'heat' }))).toMatchObject({
      kind: 'doubt',
      reason_code: 'device_refused',
      message: 'the broker took 1 of 2 messages, then refused: Publish error: Not authorized (0x87)',
    });
  });

  it('whose link is lost is in doubt, and is not sent again by a new one (row 63)', async () => {
    const rig = await open({ prepare: (broker) => void (broker.puback = () => null) });
    const result = rig.driver.write(command({ setpoint: 21 }));
    await until('the command', () => rig.broker.published.length === 1);
    rig.broker.drop();
    expect(await result).toMatchObject({
      kind: 'doubt',
      reason_code: 'connection_failed',
      response: { code: 'lost', request: `${TOPIC}/set {"setpoint":21}`, reply: null },
    });
    await until('a new link', () => rig.broker.connects.length === 2 && rig.sink.now?.status === 'connected');
    await rig.settled();
    expect(rig.broker.published).toHaveLength(1);
  });

  it('without a link is not sent, and not kept for later', async () => {
    const rig = await open();
    rig.broker.connack = null;
    rig.broker.drop();
    await until('the loss', () => rig.sink.now?.status === 'error');
    expect(await rig.driver.write(command({ setpoint: 21 }))).toMatchObject({
      kind: 'not_sent',
      reason_code: 'connection_failed',
    });
    rig.broker.connack = 0;
    rig.broker.drop();
    await until('a new link', () => rig.sink.now?.status === 'connected');
    await rig.settled();
    expect(rig.broker.published).toEqual([]);
  });

  it('cut off by a reset is in doubt at once', async () => {
    const rig = await open({ prepare: (broker) => void (broker.puback = () => null) });
    const result = rig.driver.write(command({ setpoint: 21 }));
    await until('the command', () => rig.broker.published.length === 1);
    await rig.driver.reset('room-412');
    expect(rig.sink.now).toMatchObject({ status: 'error', detail: expect.stringMatching(/: the link was reset$/) });
    expect(await result).toMatchObject({ kind: 'doubt', reason_code: 'connection_failed' });
  });
});

describe('D1 a read after a write', () => {
  it('takes the answer that came before it was asked for', async () => {
    const rig = await open();
    await rig.driver.write(command({ setpoint: 21.5 }));
    rig.broker.send(STATE, '{"setpoint":21.5,"valve":30}');
    await rig.settled();
    const readings = await rig.driver.read([ref('setpoint'), ref('valve')], 60_000);
    expect(readings.map(({ value }) => value)).toEqual([21.5, 30]);
  });

  it('takes nothing that is older than the command, and nothing retained (row 69)', async () => {
    const rig = await open();
    rig.broker.send(STATE, '{"setpoint":21.5}');
    await rig.settled();
    await rig.driver.write(command({ setpoint: 21.5 }));
    rig.broker.send(STATE, '{"setpoint":21.5}', { retain: true });
    await rig.settled();
    expect(await rig.driver.read([ref('setpoint')], 20)).toMatchObject([{ value: null, quality_reason: 'timeout' }]);
  });

  it('waits for a newer message when the last does not confirm, and takes that one when none comes', async () => {
    const rig = await open();
    await rig.driver.write(command({ setpoint: 21.5 }));
    rig.broker.send(STATE, '{"setpoint":20}'); // was under way before the command arrived
    await rig.settled();
    const reading = rig.driver.read([ref('setpoint')], 60_000);
    rig.broker.send(STATE, '{"setpoint":21.5}');
    expect(await reading).toMatchObject([{ value: 21.5 }]);
    await rig.driver.write(command({ setpoint: 23 }));
    rig.broker.send(STATE, '{"setpoint":22}'); // the device's own limit
    await rig.settled();
    expect(await rig.driver.read([ref('setpoint')], 20)).toMatchObject([{ value: 22, quality: 'good' }]);
  });

  it('takes nothing from before the link was lost', async () => {
    const rig = await open();
    await rig.driver.write(command({ setpoint: 21.5 }));
    rig.broker.send(STATE, '{"setpoint":21.5}');
    await rig.settled();
    rig.broker.drop();
    await until('a new link', () => rig.broker.connects.length === 2 && rig.sink.now?.status === 'connected');
    expect(await rig.driver.read([ref('setpoint')], 20)).toMatchObject([{ value: null, quality_reason: 'timeout' }]);
  });

  it('takes nothing from a command that was settled long ago', async () => {
    let nowMs = 0;
    const rig = await open({ clock: skippingClock(() => nowMs) });
    await rig.driver.write(command({ setpoint: 21.5 }));
    rig.broker.send(STATE, '{"setpoint":21.5}');
    await rig.settled();
    nowMs = 300_000;
    expect(await rig.driver.read([ref('setpoint')], 20)).toMatchObject([{ value: null, quality_reason: 'timeout' }]);
  });
});

describe('D3 a read', () => {
  it('ends when the link is lost', async () => {
    const rig = await open();
    const reading = rig.driver.read([ref('valve')], 120_000);
    rig.broker.drop();
    expect(await reading).toMatchObject([{ value: null, quality: 'bad', quality_reason: 'disconnected' }]);
  });

  it('of several points waits for each of them', async () => {
    const rig = await open();
    const reading = rig.driver.read([ref('valve'), ref('mode')], 5_000);
    rig.broker.send(STATE, '{"mode":"heat"}');
    rig.broker.send(STATE, '{"valve":3}');
    expect((await reading).map(({ value }) => value)).toEqual([3, 'heat']);
  });
});

function skippingClock(extraMs: () => number): Clock {
  const real = new CountingClock();
  return {
    wallMs: () => real.wallMs(),
    monoMs: () => real.monoMs() + extraMs(),
    after: real.after.bind(real),
  };
}
