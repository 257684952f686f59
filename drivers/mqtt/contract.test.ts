/** The promises that every driver makes, kept by this one: a thermostat on the other side of a real broker. */
import { type Server, type Socket, createServer } from 'node:net';
import type { ConnectionSpec, PointRef, PointSpec, PointValue } from '@fibric/sdk';
import { Aedes } from 'aedes';
import { type FarSide, driverContract } from '../../test/contract/driver-contract.ts';
import { mqtt } from './index.ts';

const TOPIC = 'contract/thermostat-1';
const DEVICE = 'thermostat-1';
const PERIOD_MS = 20;

/** A thermostat that tells its state every 20 ms and takes commands, with the broker in between. */
class Thermostat implements FarSide {
  readonly sensor = { device: DEVICE, point: 'temperature' };
  readonly output = { device: DEVICE, point: 'setpoint' };
  readonly absent = { device: DEVICE, point: 'humidity' };
  readonly #world: string | null;
  readonly #sockets = new Set<Socket>();
  readonly #trace: ('read' | 'write')[] = [];
  readonly #state: Record<string, number> = { temperature: 20, setpoint: 20 };
  /** States on their way to the driver, and the last that it has acknowledged. */
  readonly #forwarded: Readonly<Record<string, PointValue>>[] = [];
  #heard: Readonly<Record<string, PointValue>> = {};
  #server: Server | null = null;
  #port = 0;
  #taken = 0;
  #silent = false;
  #beat: NodeJS.Timeout | null = null;
  #aedes: Aedes | null = null;

  constructor(world: string | null) {
    this.#world = world;
  }

  async start(): Promise<void> {
    this.#aedes = await Aedes.createBroker({
      authorizePublish: (_client, packet, done) => {
        if (packet.topic === `${TOPIC}/set`) this.#trace.push('write');
        if (this.#silent) return; // neither an acknowledgement nor a delivery
        if (packet.topic === `${TOPIC}/set`) this.#take(packet.payload.toString());
        done(null);
      },
      authorizeForward: (_client, packet) => {
        this.#forwarded.push(JSON.parse(packet.payload.toString()));
        return packet;
      },
    });
    this.#aedes.on('ack', () => {
      this.#heard = this.#forwarded.shift() ?? this.#heard;
    });
    this.#aedes.on('clientDisconnect', () => this.#forwarded.splice(0));
    await this.#listen();
    this.#beat = setInterval(() => this.#tell(), PERIOD_MS);
  }

  get connection(): ConnectionSpec {
    return {
      id: 'field',
      options: mqtt.connection.parse({ url: `mqtt://127.0.0.1:${this.#port}` }),
      devices: [
        {
          id: DEVICE,
          options: mqtt.device.parse({ topic: TOPIC }),
          points: [
            point('temperature', { topic: 'state', path: 'temperature' }),
            point('setpoint', {
              topic: 'state',
              path: 'setpoint',
              set: { topic: 'set', payload: '{"setpoint":{value}}' },
            }),
            point('humidity', { topic: 'state', path: 'humidity' }),
          ],
        },
      ],
    };
  }

  hold(ref: PointRef, value: number): void {
    this.#state[ref.point] = value;
    this.#tell();
  }

  /** As soon as the driver knows it, so that a test does not race with what is under way. */
  held(ref: PointRef): PointValue {
    return this.#heard[ref.point] ?? null;
  }

  writes(): number {
    return this.#taken;
  }

  trace(): readonly ('read' | 'write')[] {
    return this.#trace;
  }

  silence(on: boolean): void {
    this.#silent = on;
  }

  refuse(): void {
    throw new Error('MQTT 3.1.1 has no word for it');
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.drop();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  revive(): Promise<void> {
    return this.#listen();
  }

  links(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    if (this.#beat) clearInterval(this.#beat);
    await this.kill();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(resolve) : resolve()));
  }

  #listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#aedes?.handle(socket);
    });
    this.#server = server;
    return new Promise((resolve) => {
      server.listen(this.#port, '127.0.0.1', () => {
        const address = server.address();
        if (address !== null && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  #take(payload: string): void {
    const { setpoint } = JSON.parse(payload) as { setpoint: number };
    this.#state['setpoint'] = setpoint;
    this.#taken += 1;
    this.#tell();
  }

  #tell(): void {
    if (this.#silent) return;
    const mark = this.#world === null ? {} : { provenance: 'simulated', world: this.#world };
    const payload = JSON.stringify({ ...mark, ...this.#state });
    this.#aedes?.publish(
      { cmd: 'publish', topic: `${TOPIC}/state`, payload, qos: 1, retain: false, dup: false },
      () => {},
    );
  }
}

function point(name: string, address: Record<string, unknown>): PointSpec {
  const access = 'set' in address ? 'read_write' : 'read';
  return { name, access, poll_ms: null, deadband: null, address: mqtt.point.parse(address) };
}

driverContract('mqtt', {
  module: mqtt,
  async start(world) {
    const thermostat = new Thermostat(world);
    await thermostat.start();
    return thermostat;
  },
  except: {
    'D2 a write that the device says no to is refused and changed nothing':
      'a broker of MQTT 3.1.1 cannot say no; with MQTT 5 it can, see driver.test.ts',
    'D3 a pending read ends when the link closes': 'a read sends nothing that could arrive; see driver.test.ts',
    'D4 a write goes before queued reads': 'a read sends nothing that a write could overtake',
  },
});
