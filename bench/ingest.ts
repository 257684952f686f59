/**
 * D1: reading → validated envelope → on the disk, through Mosquitto with QoS 0, against a bare mqtt.js subscriber that only counts.
 * Every message is news: another value each time, of one of a thousand points.
 */
import { openEventReader } from '@fibric/gateway/events/reader';
import { dataOf, makeSite, READY, startGateway, topicOf } from './gateway.ts';
import {
  type Child,
  cpuSeconds,
  type Figures,
  now,
  option,
  rounds,
  rssMib,
  sleep,
  until,
  type Variant,
} from './lib.ts';
import { mosquitto, program } from './peers.ts';
import { packet, Publisher } from './wire.ts';

const MESSAGES = option('messages', 100_000);
const ZONES = 1_000;
const CHUNK = 250;
/** Envelopes that may wait for their block: `LIMITS.eventBlock`. */
const LAST_BLOCK = 1_000;

/** A reading of a hundred bytes, as a small sensor publishes it. */
function reading(i: number): string {
  const value = (20 + (i % 977) / 100).toFixed(2);
  return `{"id":"dev${String(i % ZONES).padStart(4, '0')}","ts":${1_790_000_000_000 + i},"v":${value},"q":"good","u":"Cel","n":${i},"p":"xxxxxxxxxxxxxxxx"}`;
}

function packets(from: number, count: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(count / CHUNK) }, (_, chunk) => {
    const first = from + chunk * CHUNK;
    const length = Math.min(CHUNK, from + count - first);
    return Buffer.concat(
      Array.from({ length }, (_, i) => packet(topicOf(1 + ((first + i) % ZONES)), reading(first + i))),
    );
  });
}

/** Pours the messages in and measures until `arrived` has seen them all. A tenth beforehand warms the subject up. */
async function pour(port: number, subject: Child, arrived: () => number): Promise<Figures> {
  const publisher = await Publisher.connect(port);
  const warm = MESSAGES / 10;
  await publisher.pour(packets(0, warm));
  await until(() => arrived() >= warm, 60_000, 20);
  await sleep(500);
  const load = packets(warm, MESSAGES);
  const cpu = cpuSeconds(subject.pid);
  const start = now();
  const done = publisher.pour(load);
  // The last block may wait for more to come: the rate is that of those before.
  await until(() => arrived() >= warm + MESSAGES - LAST_BLOCK, 120_000, 2);
  const msg_s = ((arrived() - warm) * 1_000) / (now() - start);
  await until(() => arrived() >= warm + MESSAGES);
  await done;
  publisher.close();
  return { msg_s, cpu_us: ((cpuSeconds(subject.pid) - cpu) * 1e6) / MESSAGES, rss_mib: rssMib(subject.pid) };
}

/** What a subject that counts has said last. */
function counted(subject: Child): number {
  return Number(/(\d+)\n$/.exec(subject.printed)?.[1] ?? 0);
}

async function bare(): Promise<Figures> {
  const broker = await mosquitto();
  const subject = program('subscriber.ts', [broker.port]);
  try {
    await subject.says('ready');
    return await pour(broker.port, subject, () => counted(subject));
  } finally {
    await subject.stop();
    await broker.child.stop();
  }
}

async function gateway(): Promise<Figures> {
  const broker = await mosquitto();
  const site = makeSite({ mqtt: broker.port, modbus: 0, zones: ZONES, actuators: 'none' });
  const subject = startGateway(site);
  try {
    await subject.says(READY);
    const reader = openEventReader(dataOf(site));
    // The first event says that the connection is up.
    await until(() => reader.head() > 0);
    const before = reader.head();
    return await pour(broker.port, subject, () => reader.head() - before);
  } finally {
    await subject.stop();
    await broker.child.stop();
  }
}

const BARE = 'bare mqtt.js subscriber, counts only';
const OURS = 'gateway: reading → durable envelope';
const variants = new Map<string, Variant>([
  [BARE, bare],
  [OURS, gateway],
]);
await rounds(`reading → durable envelope, ${MESSAGES} messages through Mosquitto, QoS 0`, variants, [
  { name: 'goal 1: messages/s over the bare subscriber', figure: 'msg_s', variant: OURS, base: BARE, atLeast: 0.6 },
  { name: 'goal 1: CPU a message over the bare subscriber', figure: 'cpu_us', variant: OURS, base: BARE, atMost: 2 },
]);
process.exit(0);
