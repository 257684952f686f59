/**
 * The MQTT driver: points that deliver themselves, commands that are confirmed on a state topic.
 *
 * D1 A read waits for the device's next own message; a retained or repeated one is none.
 * D2 `acknowledged` is the broker's PUBACK; whether the device did it is seen by reading it back.
 * D3 Reads and writes end within their time, and at once when the link goes.
 * D5 After `stop()` the sink hears nothing.
 * D6 Loss of the link makes every point `bad/disconnected` once.
 * D7 In a simulated site a command goes only to a device that has shown the mark of the site's own world.
 */
import {
  type ConnectionSpec,
  type Driver,
  type DriverContext,
  type DriverSink,
  LIMITS,
  type PointRef,
  type Probe,
  type Reading,
  type WriteCommand,
  type WriteResult,
  badReading,
} from '@fibric/sdk';
import type { Link } from './client.ts';
import { type Outgoing, sendCommand } from './command.ts';
import { Inbox } from './inbox.ts';
import { MqttPoint } from './point.ts';
import { Sampler } from './sampler.ts';
import type { MqttConnection, MqttDevice } from './schema.ts';
import { Session } from './session.ts';

/** What `load()` of the module gives. */
export function createMqttDriver(spec: ConnectionSpec, context: DriverContext): Driver {
  return new MqttDriver(spec, context);
}

class MqttDriver implements Driver {
  readonly #spec: ConnectionSpec;
  readonly #context: DriverContext;
  readonly #points = new Map<string, MqttPoint>();
  readonly #malformed: Sampler;
  readonly #foreign: Sampler;
  #running: { readonly session: Session; readonly inbox: Inbox; readonly sink: DriverSink } | null = null;

  constructor(spec: ConnectionSpec, context: DriverContext) {
    this.#spec = spec;
    this.#context = context;
    this.#malformed = new Sampler(context.clock, context.log, 'a message could not be understood');
    this.#foreign = new Sampler(context.clock, context.log, "a message does not come from the site's own simulator");
    for (const device of spec.devices) {
      for (const point of device.points) {
        this.#points.set(key(device.id, point.name), new MqttPoint(device.id, device.options as MqttDevice, point));
      }
    }
  }

  start(sink: DriverSink): void {
    const points = [...this.#points.values()];
    const { world } = this.#context;
    const inbox = new Inbox({
      points,
      world,
      sink,
      malformed: this.#malformed,
      foreign: this.#foreign,
      strangers: (objection) => session.object(objection),
    });
    const session = new Session(this.#sessionOptions(points), this.#context, {
      down: () => this.#lost(),
      message: (topic, payload, retained) => inbox.message(topic, payload, retained),
      status: (status, detail) => sink.status(status, detail),
    });
    this.#running = { session, inbox, sink };
    session.start();
  }

  read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]> {
    return Promise.all(refs.map((ref) => this.#readOne(ref, timeoutMs)));
  }

  async write(command: WriteCommand): Promise<WriteResult> {
    const messages = this.#messages(command);
    if (typeof messages === 'string') return notSent('invalid_parameter', messages);
    const link = this.#link();
    if (link === null) return notSent('connection_failed', this.#running?.session.state.detail ?? 'not started');
    if (!this.#running?.inbox.recognised(command.device)) {
      return notSent('world_mismatch', `${command.device} has not shown that it belongs to the site's own simulator`);
    }
    if (!command.mayStillSend()) return notSent('send_withdrawn', 'withdrawn before the first byte');
    this.#listenForAnswer(command);
    return sendCommand(messages, command, link, this.#context.clock);
  }

  /** All devices of the connection share the link: they all lose it. */
  async reset(): Promise<void> {
    this.#running?.session.reset();
  }

  async probe(): Promise<Probe> {
    const link = this.#link();
    const state = this.#running?.session.state ?? { status: 'error', detail: 'not started' };
    if (link === null) return { ...state, latency_ms: null };
    const latencyMs = await this.#ping(link);
    if (latencyMs === null)
      return { status: 'error', detail: `${state.detail}, but it does not answer`, latency_ms: null };
    const unusable = `${this.#malformed.total} messages not understood, ${this.#foreign.total} of another world`;
    return { ...state, detail: `${state.detail}; ${unusable}`, latency_ms: latencyMs };
  }

  async stop(): Promise<void> {
    const session = this.#running?.session;
    this.#running = null;
    this.#release();
    await session?.stop();
  }

  #sessionOptions(points: readonly MqttPoint[]): ConstructorParameters<typeof Session>[0] {
    const connection = this.#spec.options as MqttConnection;
    const suffix = Math.floor(this.#context.random.next() * 0x1_0000_0000).toString(36);
    return {
      connection,
      clientId: connection.client_id ?? `fibric-${this.#spec.id}-${suffix}`,
      filters: [...new Set(points.flatMap(({ filter }) => filter ?? []))],
      faults: points.flatMap(({ fault }) => fault ?? []),
    };
  }

  #link(): Link | null {
    return this.#running?.session.link ?? null;
  }

  #readOne(ref: PointRef, timeoutMs: number): Promise<Reading> {
    const { clock, world } = this.#context;
    const point = this.#points.get(key(ref.device, ref.point));
    if (!point || point.filter === null) return Promise.resolve(badReading(ref, 'device_error', world.kind));
    if (this.#link() === null) return Promise.resolve(badReading(ref, 'disconnected', world.kind));
    return point.next(clock, timeoutMs, world.kind);
  }

  /** What a command sends, or why it cannot be sent. */
  #messages(command: WriteCommand): readonly Outgoing[] | string {
    const messages: Outgoing[] = [];
    for (const { point: name, value } of command.writes) {
      const point = this.#points.get(key(command.device, name));
      if (!point?.command) return `${command.device}/${name} is not a point that can be written`;
      const payload = point.command.encode(value);
      if (payload === null) return `${command.device}/${name} cannot be set to ${JSON.stringify(value)}`;
      messages.push({ topic: point.command.topic, payload });
    }
    return messages;
  }

  /** From now on the device's messages are kept, for as long as the gateway may go on settling the command. */
  #listenForAnswer({ device, writes }: WriteCommand): void {
    const untilMs = this.#context.clock.monoMs() + LIMITS.settlementMs;
    for (const point of this.#points.values()) {
      if (point.ref.device !== device) continue;
      point.commandLeaves(untilMs, writes.find((write) => write.point === point.ref.point)?.value ?? null);
    }
  }

  /** The round trip to the broker in milliseconds; null when it does not come back. */
  #ping(link: Link): Promise<number | null> {
    const { clock } = this.#context;
    const startMs = clock.monoMs();
    return new Promise((resolve) => {
      const timer = clock.after((this.#spec.options as MqttConnection).timeout, () => resolve(null));
      link.ping((answered) => {
        timer.cancel();
        resolve(answered ? clock.monoMs() - startMs : null);
      });
    });
  }

  #lost(): void {
    const running = this.#running;
    if (running === null) return;
    running.inbox.forget();
    const batch = [...this.#points.values()].flatMap((point) =>
      point.filter === null ? [] : (point.fail('disconnected', this.#context.world.kind) ?? []),
    );
    if (batch.length > 0) running.sink.readings(batch);
    this.#release();
  }

  /** Answers everyone who waits for the link. */
  #release(): void {
    for (const point of this.#points.values()) point.linkLost(this.#context.world.kind);
  }
}

function key(device: string, point: string): string {
  return `${device}\n${point}`;
}

function notSent(reason_code: string, message: string): WriteResult {
  return { kind: 'not_sent', reason_code, message };
}
