/** The Modbus driver: one session, its polls, reads and writes. Keeps D1 to D7 of `sdk/driver.ts` for Modbus TCP. */
import {
  badReading,
  type ConnectionSpec,
  type ConnectionStatus,
  type DeviceSpec,
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
import { Gathering } from './gathering.ts';
import { UnitHealth } from './health.ts';
import { type Link, type Target, where } from './link.ts';
import { type ConnectionOptions, type DeviceOptions, endpointOf, type PointOptions } from './options.ts';
import { itemOf, planBlocks } from './plan.ts';
import { type PolledItem, Poller, readingOf } from './poller.ts';
import { readBlock } from './read.ts';
import { RANK, Session, type State } from './session.ts';
import { meet } from './world.ts';
import { performWrite, planWrite, type Target as WriteTarget } from './write.ts';

/** Links lost in a row over the question who is there, after which it is not put again. */
const HANG_UPS = 3;

type Points = ReadonlyMap<string, WriteTarget>;

export function createModbusDriver(spec: ConnectionSpec, context: DriverContext): Driver {
  return new ModbusDriver(spec, context);
}

class ModbusDriver implements Driver {
  readonly #context: DriverContext;
  readonly #target: Target;
  readonly #timeoutMs: number;
  readonly #devices: ReadonlyMap<string, Points>;
  readonly #units: readonly number[];
  readonly #session: Session;
  readonly #gathering: Gathering;
  readonly #health: UnitHealth;
  readonly #poller: Poller;
  #sink: DriverSink | null = null;
  #provenance: Provenance;
  #reported = '';
  #hangUps = 0;

  constructor(spec: ConnectionSpec, context: DriverContext) {
    const options = spec.options as ConnectionOptions;
    const { clock, random } = context;
    this.#context = context;
    this.#target = endpointOf(options);
    this.#timeoutMs = options.timeout;
    this.#provenance = context.world.kind === 'live' ? 'live' : 'simulated';
    this.#devices = new Map(spec.devices.map((device) => [device.id, pointsOf(device)]));
    this.#units = [...new Set(spec.devices.map(unitOf))];
    this.#health = new UnitHealth(clock, random);
    this.#session = new Session({
      target: this.#target,
      timeoutMs: options.timeout,
      pauseMs: options.pause,
      clock,
      random,
      greet: (link) => this.#greet(link),
      onState: (state) => this.#onState(state),
    });
    this.#gathering = new Gathering(this.#session);
    this.#poller = new Poller(spec.devices.flatMap(polledOf), {
      session: this.#session,
      health: this.#health,
      clock,
      provenance: () => this.#provenance,
      deliver: (batch) => this.#sink?.readings(batch),
      onHealth: () => this.#report(),
    });
  }

  start(sink: DriverSink): void {
    this.#sink = sink;
    this.#session.start();
    this.#poller.start();
  }

  async read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]> {
    const items = refs.map((ref) => this.#devices.get(ref.device)?.get(ref.point)?.item ?? null);
    const blocks = planBlocks([...new Set(items.filter((item) => item !== null))]);
    const endMs = this.#context.clock.monoMs() + timeoutMs;
    const read = await Promise.all(blocks.map((block) => this.#gathering.read(block, endMs)));
    for (const [i, block] of blocks.entries()) if (read[i]?.presence === 'answered') this.#poller.heard(block.unit);
    return refs.map((ref, i) => {
      const item = items[i] ?? null;
      const decoded = item && read.find(({ values }) => values.has(item))?.values.get(item);
      return decoded ? readingOf(item, decoded, this.#provenance) : badReading(ref, 'device_error', this.#provenance);
    });
  }

  write(command: WriteCommand): Promise<WriteResult> {
    const plan = planWrite(this.#devices.get(command.device) ?? new Map(), command);
    if (plan.kind === 'not_sent') return Promise.resolve(plan);
    return this.#session.submit<WriteResult>(
      RANK.write,
      this.#context.clock.monoMs() + command.timeoutMs,
      (link, leftMs) => performWrite(link, plan, command, leftMs),
      (why) => ({ kind: 'not_sent', ...why }),
    );
  }

  reset(_device: string): Promise<void> {
    this.#session.reset();
    return Promise.resolve();
  }

  /** Reads the first point there is; without points the link alone must do. */
  async probe(): Promise<Probe> {
    const { clock } = this.#context;
    const startedMs = clock.monoMs();
    const first = [...this.#devices.values()].flatMap((points) => [...points.values()])[0];
    const at = where(this.#target);
    if (first === undefined) return { ...this.#status(), latency_ms: null };
    const [block] = planBlocks([first.item]);
    if (block === undefined) throw new Error('one point is one block');
    const read = await readBlock(this.#session, block, RANK.read, startedMs + 2 * this.#timeoutMs);
    const latency_ms = Math.round(clock.monoMs() - startedMs);
    const skipped = this.#poller.skipped > 0 ? `; ${this.#poller.skipped} polls left out for want of time` : '';
    if (read.presence === 'unasked') return { status: 'error', detail: read.trouble ?? at, latency_ms: null };
    const { item } = first;
    const found = read.trouble ?? `unit ${item.unit} answered for '${item.point}' in ${latency_ms} ms`;
    const status = read.presence === 'silent' ? 'degraded' : this.#status().status;
    return { status, detail: `${at}: ${found}${skipped}`, latency_ms };
  }

  async stop(): Promise<void> {
    this.#sink = null;
    this.#poller.stop();
    await this.#session.stop();
  }

  /** Null: go on. Otherwise why this peer is not to be spoken to. */
  async #greet(link: Link): Promise<string | null> {
    const { world } = this.#context;
    // Some real devices hang up on a function they do not know. They are no simulators of ours, and are not asked again.
    if (world.kind === 'live' && this.#hangUps >= HANG_UPS) return null;
    const verdict = await meet(link, this.#target, world, this.#units, this.#timeoutMs);
    this.#hangUps = link.closed ? this.#hangUps + 1 : 0;
    if (verdict.kind === 'refused') return verdict.detail;
    this.#provenance = verdict.provenance;
    return null;
  }

  #onState(state: State): void {
    if (state.kind === 'connecting') return;
    this.#poller.refresh(state.kind === 'up' ? 'unwell' : 'all');
    this.#report();
  }

  #status(): { readonly status: ConnectionStatus; readonly detail: string } {
    const { state } = this.#session;
    if (state.kind === 'down') return { status: 'error', detail: state.why.message };
    const silent = this.#health.details();
    if (silent.length > 0) return { status: 'degraded', detail: silent.join('; ') };
    return { status: 'connected', detail: `connected to ${where(this.#target)}` };
  }

  /** Tells the gateway what changed, and only that. */
  #report(): void {
    const { status, detail } = this.#status();
    const text = `${status}: ${detail}`;
    if (text === this.#reported) return;
    this.#reported = text;
    this.#sink?.status(status, detail);
  }
}

function unitOf(device: DeviceSpec): number {
  return (device.options as DeviceOptions).unit;
}

function polledOf(device: DeviceSpec): PolledItem[] {
  return device.points.flatMap((point) => {
    if (point.poll_ms === null || point.access === 'write') return [];
    const ref = { device: device.id, point: point.name };
    return [{ item: itemOf(ref, unitOf(device), point.address as PointOptions), pollMs: point.poll_ms }];
  });
}

function pointsOf(device: DeviceSpec): Points {
  return new Map(
    device.points.map((point) => {
      const item = itemOf({ device: device.id, point: point.name }, unitOf(device), point.address as PointOptions);
      return [point.name, { item, writable: point.access !== 'read' }];
    }),
  );
}
