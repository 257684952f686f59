/**
 * B3 and A6: from spawn to ready and to the first governed register change, and resident memory at rest, of the gateway with and
 * without OPC UA, its operator host counted apart, against bare Node and Node-RED with the same protocols. `--rest` seconds.
 *
 * The gateway starts as it does every time but the first: with the compiled code of the start before.
 */
import { openEventReader } from '@fibric/gateway/events/reader';
import { dataOf, hostsOf, makeSite, READY, startGateway, topicOf } from './gateway.ts';
import {
  type Child,
  cpuSeconds,
  type Figures,
  freshPort,
  type Goal,
  now,
  option,
  rounds,
  rssMib,
  scratch,
  sleep,
  type Variant,
} from './lib.ts';
import { hasNodeRed, mosquitto, nodeRed, program } from './peers.ts';
import { ModbusMemory, Publisher } from './wire.ts';

const REST_S = option('rest', 10);
/** A site of a common size: a sensor and an actuator each, and the operator that serves them. */
const ZONES = 24;

/** A broker and a controller on loopback, and somebody who goes on asking for a change until it comes. */
interface Field {
  readonly mqtt: number;
  readonly modbus: number;
  readonly firstChange: () => Promise<void>;
}

async function inField<T>(run: (field: Field) => Promise<T>): Promise<T> {
  const change = Promise.withResolvers<void>();
  const modbus = freshPort();
  const device = new ModbusMemory(() => change.resolve());
  await device.listen(modbus);
  const broker = await mosquitto();
  const publisher = await Publisher.connect(broker.port);
  let value = 0;
  async function firstChange(): Promise<void> {
    const asking = setInterval(() => publisher.publish(topicOf(1), `{"v":${++value},"ts":${Date.now()}}`), 10);
    await change.promise;
    clearInterval(asking);
  }
  try {
    return await run({ mqtt: broker.port, modbus, firstChange });
  } finally {
    publisher.close();
    await broker.child.stop();
    device.close();
  }
}

/** Starts a subject, and lets it be for a while. */
async function rest(
  start: () => Promise<Child>,
  first: (() => Promise<void>) | null = null,
  also: (child: Child) => Figures = () => ({}),
): Promise<Figures> {
  const started = now();
  const since = (): number => now() - started;
  const ready = start().then((child) => ({ child, ready_ms: since() }));
  const first_ms = first === null ? null : await first().then(since);
  const { child, ready_ms } = await ready;
  try {
    await sleep((REST_S * 1_000) / 5);
    const cpu = cpuSeconds(child.pid);
    await sleep((REST_S * 4_000) / 5);
    const idle_cpu_pct = (100 * (cpuSeconds(child.pid) - cpu)) / ((REST_S * 4) / 5);
    const times = first_ms === null ? { ready_ms } : { ready_ms, first_ms };
    return { ...times, rss_mib: rssMib(child.pid), idle_cpu_pct, ...also(child) };
  } finally {
    await child.stop();
  }
}

async function saying(words: string, child: Child): Promise<Child> {
  await child.says(words);
  return child;
}

function gateway(withOpcua: boolean): Promise<Figures> {
  return inField(async ({ mqtt, modbus, firstChange }) => {
    const port = freshPort();
    const plant = withOpcua ? await saying('ready', program('ua-server.ts', [port, scratch('ua-pki')])) : null;
    const opcua = plant === null ? {} : { opcua: `opc.tcp://127.0.0.1:${port}` };
    const site = makeSite({ mqtt, modbus, zones: ZONES, actuators: 'units', ...opcua });
    const host = (child: Child): number => hostsOf(child).reduce((sum, pid) => sum + rssMib(pid), 0);
    try {
      return await rest(
        () => saying(READY, startGateway(site)),
        firstChange,
        (child) => ({ host_rss_mib: host(child), connections: connected(site) }),
      );
    } finally {
      await plant?.stop();
    }
  });
}

/** How many connections said that they are up: memory at rest is that of a gateway at work. */
function connected(site: string): number {
  const reader = openEventReader(dataOf(site));
  const up = reader
    .eventsLast(100, 'connector.status_changed')
    .filter(({ envelope }) => envelope.payload['status'] === 'connected');
  reader.close();
  return new Set(up.map(({ envelope }) => envelope.payload['connection'])).size;
}

const BARE = 'bare Node';
const OURS = 'gateway, MQTT and Modbus';
const OURS_UA = 'gateway, with OPC UA';
const RED = 'Node-RED with Modbus nodes, no flow';
const RED_FLOW = 'Node-RED with Modbus nodes and a flow';
const RED_UA = 'Node-RED with Modbus and OPC UA nodes, no flow';
const variants = new Map<string, Variant>([
  [BARE, () => rest(() => saying('ready', program('bare.ts')))],
  [OURS, () => gateway(false)],
  [OURS_UA, () => gateway(true)],
]);
if (hasNodeRed('nr')) {
  const flow = ({ mqtt, modbus, firstChange }: Field): Promise<Figures> =>
    rest(() => nodeRed('nr', { mqtt, modbus, topics: topicOf(1), bufferCommands: true }), firstChange);
  variants.set(RED, () => rest(() => nodeRed('nr', null)));
  variants.set(RED_FLOW, () => inField(flow));
}
if (hasNodeRed('nro')) variants.set(RED_UA, () => rest(() => nodeRed('nro', null)));

const ours = { variant: OURS };
const withUa = { variant: OURS_UA, figure: 'rss_mib' };
const goals: readonly Goal[] = [
  { name: 'goal 19: spawn to first change over Node-RED', ...ours, figure: 'first_ms', base: RED_FLOW, atMost: 0.5 },
  { name: 'goal 20: RSS over bare Node', ...ours, figure: 'rss_mib', base: BARE, atMost: 2.6 },
  { name: 'goal 20: RSS over Node-RED', ...ours, figure: 'rss_mib', base: RED, atMost: 0.8 },
  { name: 'goal 20: RSS with OPC UA, MiB', ...withUa, atMost: 200 },
  { name: 'goal 20: RSS with OPC UA over Node-RED with it', ...withUa, base: RED_UA, atMost: 0.6 },
];

await inField(async ({ mqtt, modbus }) => {
  const first = startGateway(makeSite({ mqtt, modbus, zones: 1, actuators: 'units' }));
  await first.says(READY);
  await first.stop();
});
await rounds('start and rest', variants, goals);
process.exit(0);
