/** The embedded broker, with mqtt.js as a stranger at its door. */
import { createServer } from 'node:net';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { LIMITS } from '@fibric/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { CountingClock, RecordingLog, until } from '../../test/contract/harness.ts';
import { type Broker, type BrokerOptions, createBroker } from './broker.ts';

const brokers: Broker[] = [];
const clients: MqttClient[] = [];
const auth = { user: 'BROKER_USER', pass: 'BROKER_PASSWORD' };
const secrets: Readonly<Record<string, string>> = { BROKER_USER: 'sensors', BROKER_PASSWORD: 'let me in' };

function broker(options: Partial<BrokerOptions> = {}): { broker: Broker; log: RecordingLog } {
  const log = new RecordingLog();
  const made = createBroker({
    host: '127.0.0.1',
    port: 0,
    auth: null,
    clock: new CountingClock(),
    log,
    secret: (slot) => secrets[slot] ?? null,
    ...options,
  });
  brokers.push(made);
  return { broker: made, log };
}

async function client(port: number, options: IClientOptions = {}): Promise<MqttClient> {
  const made = await connectAsync(
    `mqtt://127.0.0.1:${port}`,
    { reconnectPeriod: 0, protocolVersion: 4, ...options },
    false,
  );
  clients.push(made);
  return made;
}

afterEach(async () => {
  for (const one of clients.splice(0)) one.end(true);
  for (const one of brokers.splice(0)) await one.stop();
});

describe('the embedded broker', () => {
  it('carries a message of MQTT 3.1.1 from one client to another', async () => {
    const port = await broker().broker.start();
    const [from, to] = [await client(port), await client(port)];
    const heard: string[] = [];
    to.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await to.subscribeAsync('room/+', { qos: 1 });
    await from.publishAsync('room/412', '21.5', { qos: 1 });
    await until('the message', () => heard.length > 0);
    expect(heard).toEqual(['room/412 21.5']);
  });

  it('refuses a client of MQTT 5', async () => {
    const port = await broker().broker.start();
    await expect(client(port, { protocolVersion: 5 })).rejects.toThrow();
  });

  it('lets in only who knows both secrets, when it has any', async () => {
    const port = await broker({ auth }).broker.start();
    await expect(client(port)).rejects.toThrow('Bad username or password');
    await expect(client(port, { username: 'sensors' })).rejects.toThrow('Bad username or password');
    await expect(client(port, { username: 'sensors', password: 'LET ME IN' })).rejects.toThrow(
      'Bad username or password',
    );
    await expect(client(port, { username: 'other', password: 'let me in' })).rejects.toThrow(
      'Bad username or password',
    );
    expect((await client(port, { username: 'sensors', password: 'let me in' })).connected).toBe(true);
  });

  it.each(['0.0.0.0', '::', '192.168.1.4', 'gateway.example'])(
    'is for this machine only without auth: not on %s',
    async (host) => {
      await expect(broker({ host }).broker.start()).rejects.toMatchObject({
        code: 'config_invalid',
        message: `the broker would listen on ${host} for anybody: give it auth, or a loopback address`,
      });
    },
  );

  it('does not start with an empty slot', async () => {
    await expect(broker({ auth, secret: () => '' }).broker.start()).rejects.toMatchObject({
      code: 'secret_missing',
      message: "the broker's secret slot BROKER_USER is empty",
    });
  });

  it('says that its port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    await expect(broker({ port }).broker.start()).rejects.toMatchObject({
      code: 'port_in_use',
      message: expect.stringContaining(`the broker cannot listen on 127.0.0.1:${port}: `),
    });
    await new Promise<void>((resolve) => other.close(() => resolve()));
  });

  it.each([
    [
      'a message that is too long',
      'room/1',
      LIMITS.messageBytes + 1,
      `${LIMITS.messageBytes + 1} bytes on room/1, more than ${LIMITS.messageBytes}`,
    ],
    ['a topic of its own', '$SYS/x', 1, '$SYS/x belongs to the broker'],
  ])('closes on %s, and says so in the log (row 68)', async (_name, topic, bytes, reason) => {
    const { broker: made, log } = broker();
    const sender = await client(await made.start());
    sender.publish(topic, Buffer.alloc(bytes, 'x'), { qos: 1 });
    await until('the end of the connection', () => !sender.connected);
    expect(log.lines).toMatchObject([
      {
        level: 'warn',
        message: 'the broker closed a connection',
        fields: { client: sender.options.clientId, reason, count: 1 },
      },
    ]);
  });

  it('outlives bytes that are not MQTT', async () => {
    const port = await broker().broker.start();
    const { connect } = await import('node:net');
    const stranger = connect(port, '127.0.0.1');
    stranger.on('error', () => {});
    const gone = new Promise((resolve) => stranger.once('close', resolve));
    stranger.write(Buffer.alloc(64, 0xff));
    await gone;
    expect((await client(port)).connected).toBe(true);
  });

  it('ends every connection when it stops', async () => {
    const made = broker().broker;
    const one = await client(await made.start());
    await made.stop();
    await until('the end of the connection', () => !one.connected);
    await made.stop();
  });
});
