/**
 * One link to a broker: mqtt.js, wrapped here and nowhere else. A link lives once; the supervisor opens the next.
 *
 * Why a link is never reused: mqtt.js keeps what was not acknowledged and sends it again after a reconnect. A command that
 * arrives minutes late is worse than one that is lost, so its stores die with the link.
 */
import { type Socket, connect as connectPlain, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '@fibric/sdk';
import { type IClientOptions, MqttClient, type Packet } from 'mqtt';

/** What the broker said to a command, or that the link went before it said anything. */
export type Published =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'refused'; readonly note: string }
  | { readonly kind: 'lost' };

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly version: 4 | 5;
  readonly clientId: string;
  readonly credentials: { readonly username: string; readonly password: string } | null;
  readonly keepaliveMs: number;
  readonly timeoutMs: number;
  readonly filters: readonly string[];
}

export interface LinkEvents {
  /** CONNACK and SUBACK are here; `refused` are the filters that the broker does not grant. */
  up(refused: readonly string[]): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
  /** The end of this link, once. `code` is the broker's reason code when it refused the connection. */
  down(detail: string, code: number | null): void;
}

export interface Link {
  /** Sends a command with QoS 1, never retained; `done` is called once, when the broker answers or the link goes. */
  publish(topic: string, payload: string, key: string, done: (result: Published) => void): void;
  /** Asks the broker for any answer: false when the link goes instead. */
  ping(done: (answered: boolean) => void): void;
  /** Says goodbye and closes; abruptly when that takes too long. */
  close(): Promise<void>;
  /** Closes at once, so that nothing buffered arrives any more; `why` is what `down` hears. */
  abort(why: string): void;
}

/** How long a goodbye may take. */
const GOODBYE_MS = 500;

export function openLink(options: LinkOptions, clock: Clock, events: LinkEvents): Link {
  const socket = openSocket(options);
  const client = new MqttClient(() => socket, clientOptions(options));
  const pending = new Set<() => void>();
  let detail = 'the broker closed the connection';
  let code: number | null = null;
  let over = false;

  const suback = clock.after(options.timeoutMs, () => fail('no answer to CONNECT and SUBSCRIBE in time'));
  function finish(): void {
    if (over) return;
    over = true;
    suback.cancel();
    client.end(true);
    for (const lost of pending) lost();
    events.down(detail, code);
  }
  function abort(): void {
    // A reset throws away what the kernel still holds; TLS cannot do that by itself.
    if (!over && !options.tls) socket.resetAndDestroy();
    finish();
  }
  function fail(why: string): void {
    if (!over) detail = why;
    abort();
  }
  client.on('error', (error) => {
    if ('code' in error && typeof error.code === 'number') code = error.code;
    fail(error.message); // also after a broken frame, on which mqtt.js itself would sit still
  });
  client.on('close', finish);
  client.on('message', (topic, payload, packet) => {
    // On one link a repeat brings nothing that was not here before (execution semantics, row 69).
    if (!packet.dup && !over) events.message(topic, payload, packet.retain);
  });
  client.on('connect', () => {
    subscribe(client, options.filters, (refused) => {
      suback.cancel();
      if (!over) events.up(refused);
    });
  });
  return {
    publish: (topic, payload, key, done) => {
      if (over) return done({ kind: 'lost' });
      publish(client, { topic, payload, key }, once<Published>(pending, { kind: 'lost' }, done));
    },
    ping: (done) => {
      if (over) return done(false);
      ping(client, once<boolean>(pending, false, done));
    },
    close: () => goodbye(client, socket, clock, abort),
    abort: fail,
  };
}

/** `done` with the first of: the answer, or `lost` when the link goes. */
function once<T>(pending: Set<() => void>, lost: T, done: (answer: T) => void): (answer: T) => void {
  const gone = (): void => settle(lost);
  const settle = (answer: T): void => {
    if (pending.delete(gone)) done(answer);
  };
  pending.add(gone);
  return settle;
}

/** Not by mqtt.js's own: it would take a proxy from the environment, and leave small commands to Nagle's algorithm. */
function openSocket({ host, port, tls }: LinkOptions): Socket {
  if (!tls) return connectPlain({ host, port, noDelay: true });
  const socket = connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) });
  return socket.setNoDelay(true);
}

function clientOptions(options: LinkOptions): IClientOptions {
  return {
    protocolVersion: options.version,
    clientId: options.clientId,
    // A kept session would hand over the backlog of an outage as if it were news.
    clean: true,
    keepalive: Math.ceil(options.keepaliveMs / 1_000),
    connectTimeout: options.timeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    ...options.credentials,
  };
}

function subscribe(client: MqttClient, filters: readonly string[], done: (refused: readonly string[]) => void): void {
  if (filters.length === 0) return done([]);
  client.subscribe([...filters], { qos: 1 }, (_error, _grants, packet) => {
    const granted = packet?.granted;
    // Without a SUBACK the link is on its way down, and `close` tells.
    if (granted?.length === filters.length) done(filters.filter((_, i) => Number(granted[i]) >= 0x80));
  });
}

function publish(
  client: MqttClient,
  { topic, payload, key }: { readonly topic: string; readonly payload: string; readonly key: string },
  done: (result: Published) => void,
): void {
  const properties =
    client.options.protocolVersion === 5 ? { properties: { userProperties: { 'fibric-key': key } } } : {};
  client.publish(topic, payload, { qos: 1, retain: false, ...properties }, (error, packet) => {
    const code = reasonCode(packet);
    if (!error) done({ kind: 'acknowledged' });
    // MQTT 5 §3.4.2.1: from 0x80 on the broker says no. MQTT 3.1.1 cannot.
    else if (code >= 0x80) done({ kind: 'refused', note: `${error.message} (0x${code.toString(16)})` });
    else done({ kind: 'lost' });
  });
}

function reasonCode(packet: Packet | undefined): number {
  return packet !== undefined && 'reasonCode' in packet ? (packet.reasonCode ?? 0) : 0;
}

/** MQTT 3.1.1 §3.10.4: UNSUBACK comes also when nothing was subscribed. PINGRESP cannot be told from a keep-alive's. */
function ping(client: MqttClient, done: (answered: boolean) => void): void {
  client.unsubscribe('fibric/probe', (error) => done(!error));
}

function goodbye(client: MqttClient, socket: Socket, clock: Clock, abort: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) {
      abort();
      return resolve();
    }
    const late = clock.after(GOODBYE_MS, abort);
    socket.once('close', () => {
      late.cancel();
      resolve();
    });
    // mqtt.js waits for every acknowledgement before it says goodbye: with one open there is nothing to wait for.
    if (client.connected && Object.keys(client.outgoing).length === 0) client.end();
    else abort();
  });
}
