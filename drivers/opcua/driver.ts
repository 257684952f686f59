/**
 * The OPC UA driver: one session with one server, its points watched by one subscription, or polled where the server will not.
 *
 * It keeps D1 to D7 of `sdk/driver.ts`, and of its own:
 * U1 Whatever breaks, the link is given up as a whole and opened anew: session, namespaces, types, subscription (supervisor.ts).
 * U2 A namespace is found by its URI and a type by the node, at every connect (nodes.ts).
 * U3 Good is an acknowledgement and nothing more; what may have arrived is in doubt (writer.ts).
 * U4 Under Sign and SignAndEncrypt only certificates that a person has put into `trusted` are spoken to (link.ts, pki.ts).
 */
import {
  badReading,
  type ConnectionSpec,
  type Driver,
  type DriverContext,
  type DriverSink,
  type PointRef,
  type Probe,
  type Provenance,
  type Reading,
  type WriteCommand,
  type WriteResult,
} from '@fibric/sdk';
import { type Link, openLink } from './link.ts';
import { unplaced } from './nodes.ts';
import { type ConnectionOptions, endpointOf } from './options.ts';
import { Outbox } from './outbox.ts';
import { keyOf, type PlannedPoint, planPoints } from './plan.ts';
import { startPolling } from './poller.ts';
import { readPoints } from './reader.ts';
import { watch } from './subscription.ts';
import { Supervisor } from './supervisor.ts';
import { AttributeIds, silenceLibrary } from './ua.ts';
import { within } from './within.ts';
import { writePoints } from './writer.ts';

/** Server_ServerStatus_State, in namespace 0 (OPC 10000-6 annex A). */
const SERVER_STATE = 'i=2259';

class OpcUaDriver implements Driver {
  readonly #id: string;
  readonly #options: ConnectionOptions;
  readonly #context: DriverContext;
  readonly #points: ReadonlyMap<string, PlannedPoint>;
  /** The points that deliver by themselves. */
  readonly #delivering: readonly PlannedPoint[];
  #provenance: Provenance;
  #outbox: Outbox | null = null;
  #supervisor: Supervisor | null = null;

  constructor(spec: ConnectionSpec, context: DriverContext) {
    this.#id = spec.id;
    this.#options = spec.options as ConnectionOptions;
    this.#context = context;
    this.#points = planPoints(spec);
    this.#delivering = [...this.#points.values()].filter(({ pollMs }) => pollMs !== null);
    this.#provenance = context.world.kind === 'simulated' ? 'simulated' : 'live';
  }

  start(sink: DriverSink): void {
    silenceLibrary();
    this.#warnOfOpenLine();
    const outbox = new Outbox(sink, this.#context.clock);
    this.#outbox = outbox;
    this.#supervisor = new Supervisor(this.#context, {
      open: (stop) => openLink(this.#options, this.#context, [...this.#points.values()], stop),
      up: (link) => this.#up(link, outbox),
      down: () => outbox.disconnected(this.#delivering, this.#provenance),
      status: (status, detail) => sink.status(status, detail),
    });
    this.#supervisor.start();
  }

  async read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]> {
    const { clock } = this.#context;
    const untilMs = clock.monoMs() + timeoutMs;
    const waited = await within(clock, timeoutMs, null, this.#supervisor?.soon() ?? Promise.resolve(null));
    const link = waited.kind === 'done' ? waited.value : null;
    const known = refs.map((ref) => this.#points.get(keyOf(ref)) ?? null);
    if (link === null) {
      return refs.map((ref, i) => badReading(ref, known[i] ? 'disconnected' : 'device_error', this.#provenance));
    }
    const points = known.filter((point) => point !== null);
    const { readings } = await readPoints(link, points, untilMs - clock.monoMs(), clock);
    const answers = readings.values();
    return refs.map((ref, i) => {
      const reading = known[i] === null ? undefined : answers.next().value;
      return reading ?? badReading(ref, 'device_error', link.provenance);
    });
  }

  async write(command: WriteCommand): Promise<WriteResult> {
    const link = this.#supervisor?.link ?? null;
    if (link !== null) return writePoints(command, link, this.#points, this.#context.clock);
    const why = this.#supervisor?.state.detail ?? 'the driver is not started';
    return { kind: 'not_sent', reason_code: 'not_connected', message: `no link to ${this.#options.url}: ${why}` };
  }

  reset(_device: string): Promise<void> {
    this.#supervisor?.link?.abort('reset');
    return Promise.resolve();
  }

  async probe(): Promise<Probe> {
    const { clock } = this.#context;
    const startMs = clock.monoMs();
    const link = this.#supervisor?.link ?? null;
    const { status, detail } = this.#supervisor?.state ?? {
      status: 'error' as const,
      detail: 'the driver is not started',
    };
    if (link === null) return { status: status === 'connected' ? 'error' : status, detail, latency_ms: null };
    const asked = link.session.read({ nodeId: SERVER_STATE, attributeId: AttributeIds.Value });
    const waited = await within(clock, this.#options.timeout, link.lost, asked);
    if (waited.kind !== 'done') {
      return { status: 'error', detail: `${this.#options.url} does not answer`, latency_ms: null };
    }
    return { status, detail, latency_ms: clock.monoMs() - startMs };
  }

  async stop(): Promise<void> {
    this.#outbox?.close();
    await this.#supervisor?.stop();
  }

  #warnOfOpenLine(): void {
    const { host } = endpointOf(this.#options);
    if (this.#options.security.mode !== 'None' || /^(localhost|::1|127\.)/.test(host)) return;
    this.#context.log.warn(
      { connection: this.#id },
      `${this.#options.url} is spoken to without security: anybody on the way can read and write`,
    );
  }

  /** Puts a fresh link to use. */
  async #up(link: Link, outbox: Outbox): Promise<string> {
    this.#provenance = link.provenance;
    const lost = unplaced([...this.#points.values()], link.nodes);
    for (const { point, why } of lost) {
      this.#context.log.warn(
        { connection: this.#id, device: point.ref.device, point: point.ref.point, node: point.identifier },
        `${point.ref.device}/${point.ref.point}: ${why}; it is reported bad`,
      );
    }
    const { keys, refused } = await watch(link, this.#delivering, this.#options, outbox);
    startPolling({
      link,
      points: this.#delivering,
      watched: keys,
      outbox,
      clock: this.#context.clock,
      timeoutMs: this.#options.timeout,
    });
    const how = refused === null ? `${keys.size} points subscribed` : `no subscription (${refused}), polling`;
    const missing = lost.length === 0 ? '' : `, ${lost.length} points without a node`;
    return `connected to ${this.#options.url}, security ${this.#options.security.mode}: ${how}${missing}`;
  }
}

/** Makes a driver for one connection; nothing happens before `start`. */
export function createOpcUaDriver(spec: ConnectionSpec, context: DriverContext): Driver {
  return new OpcUaDriver(spec, context);
}
