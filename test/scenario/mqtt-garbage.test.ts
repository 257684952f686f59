/** Garbage over MQTT against the running gateway and its embedded broker: it stays up, counts, shows a sample, and goes on. */
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { freePort, HEAD, type LogLine, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Publisher } from './mqtt-wire.ts';

const end = ends();
let port: number;
let gateway: RealGateway;
let publisher: Publisher;

interface Garbage {
  readonly what: string;
  readonly payload: Buffer | string;
  /** Why, in the log; and for what the point is then bad. */
  readonly logged: string;
  readonly reason: string;
}

const GARBAGE: readonly Garbage[] = [
  {
    what: 'binary',
    payload: Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x0a]),
    logged: 'not UTF-8 text',
    reason: 'malformed',
  },
  { what: 'not JSON', payload: '{"temperature":2', logged: 'not JSON', reason: 'malformed' },
  { what: 'a number', payload: '21.5', logged: 'not a JSON object', reason: 'malformed' },
  { what: '100,000 brackets', payload: '['.repeat(100_000), logged: 'not JSON', reason: 'malformed' },
  {
    what: 'a wrong type',
    payload: '{"temperature":"warm"}',
    logged: 'temperature: expected number, got string',
    reason: 'wrong_type',
  },
  {
    what: 'null',
    payload: '{"temperature":null}',
    logged: 'temperature: expected number, got null',
    reason: 'wrong_type',
  },
  {
    ...{ what: '__proto__', logged: "has a key '__proto__'", reason: 'malformed' },
    payload: '{"temperature":20,"__proto__":{"quality":"good","polluted":true}}',
  },
];
const REPEATS = 3;

beforeAll(async () => {
  port = await freePort();
  gateway = await startGateway(end, {
    'site.yaml': `${HEAD}
broker: { listen: 127.0.0.1:${port} }
connections: { field: { driver: mqtt, url: 'mqtt://127.0.0.1:${port}' } }
devices:
${[...GARBAGE.keys(), 'large'].map((i) => `  - { id: room-${i}, connection: field, topic: room/${i}, profile: room-sensor, entity: 'zone:${i}' }`).join('\n')}
bindings: { climate.read: [field] }
`,
  });
  await waitFor('the connection', async () => (await gateway.connection('field')).status === 'connected');
  publisher = end.add(await Publisher.open(port), (one) => one.close());
});

const temperature = (room: number | string, wanted: Record<string, unknown>) =>
  waitFor(`room-${room}/temperature to be ${JSON.stringify(wanted)}`, async () => {
    const now: Record<string, unknown> = { ...(await gateway.point(`room-${room}/temperature`)) };
    return Object.entries(wanted).every(([key, value]) => now[key] === value);
  });

const logged = (wanted: Partial<LogLine>): LogLine[] =>
  gateway.log.filter((line) => Object.entries(wanted).every(([key, value]) => line[key] === value));

test.for(GARBAGE.map((one, i) => ({ ...one, i })))('$what', async ({ i, payload, logged: why, reason }) => {
  for (let n = 0; n < REPEATS; n += 1) expect(await publisher.publish(`room/${i}`, payload)).toBe(true);
  await temperature(i, { quality: 'bad', quality_reason: reason, value: null });
  await publisher.publish(`room/${i}`, '{"temperature":20.5}');
  await temperature(i, { quality: 'good', value: 20.5 });
  // Three of them are one line: the log is not theirs to fill.
  expect(logged({ msg: 'a message could not be understood', topic: `room/${i}` })).toMatchObject([
    {
      level: 'warn',
      reason: why,
      count: 1,
      bytes: Buffer.byteLength(payload),
      sample: Buffer.from(payload).toString('utf8', 0, 100),
    },
  ]);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test('all of it is counted', async () => {
  const { code, out } = await gateway.fibric('connectors', 'test', 'field');
  expect(out).toContain(`; ${GARBAGE.length * REPEATS} messages not understood, 0 of another world`);
  expect(code).toBe(0);
});

test('1 MB is not taken by the embedded broker: who sends it is cut off, nobody else is', async () => {
  await publisher.publish('room/large', '{"temperature":20}');
  await temperature('large', { quality: 'good', value: 20 });
  const stranger = end.add(await Publisher.open(port), (one) => one.close());
  expect(await stranger.publish('room/large', Buffer.alloc(1_000_000, 'x'))).toBe(false);
  const line = await waitFor('the line in the log', () => logged({ msg: 'the broker closed a connection' })[0]);
  expect(line).toMatchObject({ reason: '1000000 bytes on room/large, more than 262144' });
  expect(await publisher.publish('room/large', '{"temperature":21}')).toBe(true);
  await temperature('large', { quality: 'good', value: 21 });
});

test.each([
  ['a web browser', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['noise', Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7_919) & 0xff))],
  ['a length that never ends', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])],
])('%s on the port of the broker is cut off, and the gateway goes on', async (_, bytes) => {
  const stranger = end.add(new Publisher(port), (one) => one.close());
  stranger.send(bytes);
  await waitFor('the end of the connection', () => stranger.closed);
  await publisher.publish('room/0', '{"temperature":19}');
  await publisher.publish('room/0', '{"temperature":22}');
  await temperature(0, { quality: 'good', value: 22 });
  expect(gateway.running).toBe(true);
  expect(await gateway.connection('field')).toMatchObject({ status: 'connected' });
});
