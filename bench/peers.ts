/** What the product is held against. Peers that are not on this machine are left out, with a word about how to get them. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, freshPort, PEERS, portOpens, scratch, until } from './lib.ts';

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find((file) =>
  existsSync(file),
);

/** A Mosquitto of our own, on loopback, that drops nothing. */
export async function mosquitto(): Promise<{ readonly port: number; readonly child: Child }> {
  if (MOSQUITTO === undefined) throw new Error('needs Mosquitto: apt-get install mosquitto');
  const port = freshPort();
  const file = join(scratch(`mosquitto-${port}`), 'mosquitto.conf');
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  writeFileSync(
    file,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_type error\n${user}`,
  );
  const child = new Child(MOSQUITTO, ['-c', file]);
  await portOpens(port);
  return { port, child };
}

/** A program of this folder in a process of its own. */
export function program(name: string, args: readonly (string | number)[] = []): Child {
  return new Child(process.execPath, [join(import.meta.dirname, name), ...args.map(String)]);
}

/** The folder of a Node-RED installation: `nr` has its Modbus nodes, `nro` those of OPC UA as well. Null where it is not. */
function nodeRedFolder(set: 'nr' | 'nro'): string | null {
  const folder = PEERS === null ? null : join(PEERS, set);
  return folder !== null && existsSync(join(folder, 'node_modules', 'node-red', 'red.js')) ? folder : null;
}

export function hasNodeRed(set: 'nr' | 'nro'): boolean {
  const found = nodeRedFolder(set) !== null;
  if (!found)
    process.stderr.write(
      `Node-RED is left out: BENCH_WORK names no folder with ${set}/node_modules/node-red (see README)\n`,
    );
  return found;
}

export interface Flow {
  readonly mqtt: number;
  readonly modbus: number;
  readonly topics: string;
  /** The Modbus node's own queue, one command after the other: its default. */
  readonly bufferCommands: boolean;
}

/** Node-RED as one gets it, with MQTT in → JSON → function → Modbus write, or without any flow. */
export async function nodeRed(set: 'nr' | 'nro', flow: Flow | null): Promise<Child> {
  const folder = nodeRedFolder(set) ?? '';
  const ui = freshPort();
  const dir = scratch(`node-red-${ui}`);
  mkdirSync(dir, { recursive: true });
  const settings = {
    uiPort: ui,
    uiHost: '127.0.0.1',
    flowFile: 'flows.json',
    credentialSecret: false,
    telemetry: { enabled: false, updateNotification: false },
  };
  writeFileSync(join(dir, 'settings.js'), `module.exports = ${JSON.stringify(settings)};`);
  writeFileSync(
    join(dir, 'flows.json'),
    JSON.stringify([{ id: 't', type: 'tab', label: 't' }, ...(flow === null ? [] : nodes(flow))]),
  );
  const child = new Child(process.execPath, [join(folder, 'node_modules', 'node-red', 'red.js'), '-u', dir], {
    cwd: folder,
  });
  await portOpens(ui);
  await until(() => child.printed.includes('flows'));
  return child;
}

function nodes({ mqtt, modbus, topics, bufferCommands }: Flow): readonly object[] {
  const at = { z: 't', x: 100, y: 100 };
  const client = {
    id: 'c',
    type: 'modbus-client',
    name: 'plc',
    clienttype: 'tcp',
    bufferCommands,
    stateLogEnabled: false,
    queueLogEnabled: false,
    failureLogEnabled: false,
    tcpHost: '127.0.0.1',
    tcpPort: modbus,
    tcpType: 'DEFAULT',
    unit_id: 1,
    commandDelay: 1,
    clientTimeout: 1_000,
    reconnectOnTimeout: true,
    reconnectTimeout: 2_000,
    parallelUnitIdsAllowed: true,
    showErrors: false,
    showWarnings: false,
    showLogs: false,
  };
  const broker = {
    id: 'b',
    type: 'mqtt-broker',
    broker: '127.0.0.1',
    port: String(mqtt),
    clientid: '',
    autoConnect: true,
    protocolVersion: '4',
    keepalive: '60',
    cleansession: true,
  };
  const decide = 'if (msg.payload.v > 0) { msg.payload = msg.payload.v; return msg; } return null;';
  const write = {
    id: 'w',
    type: 'modbus-write',
    dataType: 'HoldingRegister',
    adr: '10',
    quantity: '1',
    unitid: '1',
    server: 'c',
    emptyMsgOnFail: false,
    keepMsgProperties: false,
    showErrors: false,
    showWarnings: false,
    showStatusActivities: false,
    ...at,
    wires: [[], []],
  };
  return [
    client,
    broker,
    {
      id: 'm',
      type: 'mqtt in',
      topic: topics,
      qos: '0',
      datatype: 'buffer',
      broker: 'b',
      nl: false,
      rap: true,
      rh: 0,
      inputs: 0,
      ...at,
      wires: [['j']],
    },
    { id: 'j', type: 'json', property: 'payload', action: 'obj', pretty: false, ...at, wires: [['f']] },
    { id: 'f', type: 'function', func: decide, outputs: 1, ...at, wires: [['w']] },
    write,
  ];
}
