/** The wireless side of a site: sensors that publish JSON over MQTT, through a broker on loopback that comes with them. */
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { type AddressInfo, type Server, createServer } from 'node:net';

/** What a sensor says beside its values: the world's mark of MQTT (sdk/driver.ts, World) is added to it. */
export type SensorValues = Readonly<Record<string, number | boolean | string>>;

export class Field {
  readonly #world: string;
  #broker: Aedes | null = null;
  #server: Server | null = null;
  #sensors: mqtt.MqttClient | null = null;
  /** Topics whose last message is still on its way. */
  readonly #busy = new Set<string>();
  #published = 0;
  #listeners = 0;

  constructor(world: string) {
    this.#world = world;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Messages the broker has taken. */
  get published(): number {
    return this.#published;
  }

  /** Subscriptions made by others since the start: somebody listens. */
  get listeners(): number {
    return this.#listeners;
  }

  async start(port: number): Promise<void> {
    const broker = await Aedes.createBroker();
    const server = createServer((socket) => void broker.handle(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    broker.on('subscribe', (subscriptions) => {
      this.#listeners += subscriptions.length;
    });
    this.#broker = broker;
    this.#server = server;
    this.#sensors = await mqtt.connectAsync(`mqtt://127.0.0.1:${this.port}`, { clientId: 'fibric-simulator-sensors' });
  }

  async stop(): Promise<void> {
    const { broker, server, sensors } = { broker: this.#broker, server: this.#server, sensors: this.#sensors };
    [this.#broker, this.#server, this.#sensors] = [null, null, null];
    await sensors?.endAsync(true);
    if (broker !== null) await new Promise<void>((resolve) => broker.close(resolve));
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Whether the last message of this sensor is still on its way. */
  busy(topic: string): boolean {
    return this.#busy.has(topic);
  }

  /** Publishes with QoS 1 and returns when the broker has it. `time` is the sensor's own, RFC 3339 UTC. */
  async publish(topic: string, time: string, values: SensorValues): Promise<void> {
    this.#busy.add(topic);
    try {
      const message = { ...values, time, provenance: 'simulated', world: this.#world };
      await this.#sensors?.publishAsync(topic, JSON.stringify(message), { qos: 1 });
      this.#published += 1;
    } catch {
      // The world was stopped while the message was on its way.
    } finally {
      this.#busy.delete(topic);
    }
  }
}
