/** How the driver comes to a broker, stays there and comes back. */
import { Aedes } from 'aedes';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../test/contract/harness.ts';
import { type Rig, type Setup, TOPIC, openRig, startRig } from './test-kit.ts';

const rigs: Rig[] = [];
const points = { temperature: { path: 'temperature' }, window: { topic: 'window', type: 'boolean' } };

async function start(setup: Partial<Setup> = {}): Promise<Rig> {
  const rig = await startRig({ points, ...setup });
  rigs.push(rig);
  return rig;
}

async function open(setup: Partial<Setup> = {}): Promise<Rig> {
  const rig = await openRig({ points, ...setup });
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function statusOf(rig: Rig, status: string): Promise<string> {
  await until(status, () => rig.sink.now?.status === status);
  return rig.sink.now?.detail ?? '';
}

const where = /^127\.0\.0\.1:\d+/.source;

describe('a connection', () => {
  it('begins with a clean session under a name of its own', async () => {
    const rig = await open();
    const [connect] = rig.broker.connects;
    expect(connect?.[6]).toBe(4); // MQTT 3.1.1 §3.1.2.2
    expect((connect?.[7] ?? 0) & 2).toBe(2); // MQTT 3.1.1 §3.1.2.4, clean session
    expect(connect?.toString('latin1')).toContain('fibric-field-');
  });

  it('speaks MQTT 5 when told so', async () => {
    const rig = await open({ connection: { version: 5, client_id: 'gateway-1' } });
    expect(rig.broker.connects[0]?.[6]).toBe(5);
    expect(rig.broker.connects[0]?.toString('latin1')).toContain('gateway-1');
    rig.broker.send(TOPIC, '{"temperature":20}');
    await rig.settled();
    expect(rig.heard('temperature')).toEqual([[20, 'good', null]]);
  });

  it('subscribes again, and delivers bad once and then the next message, after an outage', async () => {
    const rig = await open();
    rig.broker.send(TOPIC, '{"temperature":20}');
    await rig.settled();
    rig.broker.drop();
    await until('the new link', () => rig.broker.filters.length === 2 && rig.sink.now?.status === 'connected');
    rig.broker.send(TOPIC, '{"temperature":21}');
    await rig.settled();
    expect(rig.broker.filters[1]).toEqual([TOPIC, `${TOPIC}/window`]);
    expect(rig.heard('temperature')).toEqual([
      [20, 'good', null],
      [null, 'bad', 'disconnected'],
      [21, 'good', null],
    ]);
    expect(rig.heard('window')).toEqual([[null, 'bad', 'disconnected']]);
    expect(rig.sink.statuses.map(({ status }) => status)).toEqual(['connected', 'error', 'connected']);
  });

  it('renews a link on which something came that is not MQTT', async () => {
    const rig = await open();
    rig.broker.sendRaw(Buffer.from([0x00, 0xff, 0xff, 0xff, 0xff, 0xff]));
    await until('the new link', () => rig.broker.connects.length === 2 && rig.sink.now?.status === 'connected');
    expect(rig.heard('temperature')).toEqual([[null, 'bad', 'disconnected']]);
  });

  it('says that nobody is there', async () => {
    const rig = await start({ prepare: (broker) => broker.stop() });
    expect(await statusOf(rig, 'error')).toMatch(new RegExp(`${where}: connect ECONNREFUSED`));
    expect(rig.heard('temperature')).toEqual([[null, 'bad', 'disconnected']]);
    expect(await rig.driver.probe()).toMatchObject({ status: 'error', latency_ms: null });
  });

  it('speaks TLS where the URL says mqtts', async () => {
    const rig = await start({ connection: { url: 'mqtts://127.0.0.1:1' } });
    expect(await statusOf(rig, 'error')).toBe('127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1');
    await rig.close();
    const plain = createServer(
      (socket) =>
        void socket
          .on('error', () => {})
          .resume()
          .end('this is no TLS'),
    );
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const address = plain.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const other = await start({ connection: { url: `mqtts://127.0.0.1:${port}` } });
    expect(await statusOf(other, 'error')).toMatch(/wrong version number|packet length too long/);
    await other.close();
    await new Promise<void>((resolve) => plain.close(() => resolve()));
  });

  it.each(['connack', 'suback'] as const)('says that the broker does not answer: %s', async (which) => {
    const prepare: Setup['prepare'] = (broker) => void (broker[which] = null);
    const rig = await start({ connection: { timeout: '100ms' }, prepare });
    expect(await statusOf(rig, 'error')).toMatch(/connack timeout|no answer to CONNECT and SUBSCRIBE in time/);
  });

  it('says which topics the broker does not grant', async () => {
    const rig = await open({ prepare: (broker) => void (broker.suback = 0x80) });
    const refused = [TOPIC, `${TOPIC}/window`].map((topic) => `the broker refused topic ${topic}`).join('; ');
    expect(rig.sink.now).toMatchObject({ status: 'degraded', detail: expect.stringContaining(`, but ${refused}`) });
  });

  it('says which topics make no sense together, and works for the others', async () => {
    const rig = await open({ topic: 'hotel/#', points: { all: { path: 'a' }, below: { topic: 'b', path: 'b' } } });
    expect(rig.sink.now?.detail).toMatch(/, but room-412\/below: # is the last level of a filter$/);
    expect(rig.broker.filters).toEqual([['hotel/#']]);
  });

  it('answers a probe only when the broker does', async () => {
    const rig = await open({ connection: { timeout: '100ms' } });
    expect(await rig.driver.probe()).toMatchObject({ status: 'connected', latency_ms: expect.any(Number) });
    rig.broker.unsuback = null;
    expect(await rig.driver.probe()).toMatchObject({
      status: 'error',
      detail: expect.stringMatching(/, but it does not answer$/),
    });
  });
});

describe('credentials', () => {
  const connection = { auth: { user: 'MQTT_USER', pass: 'MQTT_PASSWORD' } };

  it('come from their slots at every attempt', async () => {
    const secrets: Record<string, string> = { MQTT_USER: 'gateway' };
    const rig = await start({ connection, secrets });
    expect(await statusOf(rig, 'pending_auth')).toBe('the secret slot MQTT_PASSWORD is empty');
    expect(rig.broker.connects).toEqual([]);
    secrets['MQTT_PASSWORD'] = 'first';
    await statusOf(rig, 'connected');
    secrets['MQTT_PASSWORD'] = 'second';
    rig.broker.drop();
    await until('the new link', () => rig.broker.connects.length === 2);
    const sent = rig.broker.connects.map((connect) => connect.toString('latin1'));
    expect(sent[0]).toMatch(/gateway.*first$/s);
    expect(sent[1]).toMatch(/gateway.*second$/s);
  });

  it.each([4, 5])('that the broker does not take are asked for: code %i', async (code) => {
    const rig = await start({ prepare: (broker) => void (broker.connack = code) });
    expect(await statusOf(rig, 'pending_auth')).toMatch(
      new RegExp(`${where} refused the credentials: Connection refused: `),
    );
  });
});

it('a broker that does not speak MQTT 5 is told apart from one that is not there', async () => {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => void aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const rig = await start({ connection: { url: `mqtt://127.0.0.1:${port}`, version: 5 } });
  expect(await statusOf(rig, 'error')).toMatch(/does not speak this version of MQTT: .*; try version: 4$/);
  await rig.close();
  await new Promise<void>((resolve) => aedes.close(resolve));
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
