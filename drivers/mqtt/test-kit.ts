/** For tests: a driver of one device on a raw broker. */
import type { Clock, Driver, PointRef, PointSpec, World, WriteCommand } from '@fibric/sdk';
import { CountingClock, RecordingLog, RecordingSink, until } from '../../test/contract/harness.ts';
import { createMqttDriver } from './driver.ts';
import { mqtt } from './index.ts';
import { RawBroker } from './raw-broker.ts';

export const DEVICE = 'room-412';
export const TOPIC = 'hotel/room/412';

export interface Setup {
  /** Point name to its address. */
  readonly points: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly topic?: string;
  readonly world?: World;
  readonly connection?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** Before the driver starts. */
  readonly prepare?: (broker: RawBroker) => void | Promise<void>;
}

export interface Rig {
  readonly broker: RawBroker;
  readonly driver: Driver;
  readonly sink: RecordingSink;
  readonly log: RecordingLog;
  /** What the sink has heard of a point: value, quality, reason. */
  heard(point: string): readonly (readonly unknown[])[];
  /** Resolves when everything that the broker has sent is with the driver. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export function ref(point: string): PointRef {
  return { device: DEVICE, point };
}

export function command(
  writes: Readonly<Record<string, number | boolean | string>>,
  more: Partial<WriteCommand> = {},
): WriteCommand {
  return {
    device: DEVICE,
    writes: Object.entries(writes).map(([point, value]) => ({ point, value })),
    timeoutMs: 5_000,
    idempotencyKey: 'comfort:zone:412:setpoint@once#1',
    mayStillSend: () => true,
    ...more,
  };
}

function pointSpec(name: string, address: Readonly<Record<string, unknown>>): PointSpec {
  const access = 'set' in address ? 'read_write' : 'read';
  return { name, access, poll_ms: null, deadband: null, address: mqtt.point.parse(address) };
}

/** A driver that was started, with its link up. */
export async function openRig(setup: Setup): Promise<Rig> {
  const rig = await startRig(setup);
  await until('the link', () => rig.sink.now?.status === 'connected' || rig.sink.now?.status === 'degraded');
  return rig;
}

/** A driver that was started; nothing is said about its link. */
export async function startRig(setup: Setup): Promise<Rig> {
  const broker = new RawBroker();
  const port = await broker.start();
  await setup.prepare?.(broker);
  const log = new RecordingLog();
  const sink = new RecordingSink();
  const driver = createMqttDriver(
    {
      id: 'field',
      options: mqtt.connection.parse({ url: `mqtt://127.0.0.1:${port}`, ...setup.connection }),
      devices: [
        {
          id: DEVICE,
          options: mqtt.device.parse({ topic: setup.topic ?? TOPIC }),
          points: Object.entries(setup.points).map(([name, address]) => pointSpec(name, address)),
        },
      ],
    },
    {
      clock: setup.clock ?? new CountingClock(),
      random: { next: () => 0.5 },
      log,
      world: setup.world ?? { kind: 'live' },
      secret: (slot) => setup.secrets?.[slot] ?? null,
      stateDir: '/nonexistent',
    },
  );
  driver.start(sink);
  return {
    broker,
    driver,
    sink,
    log,
    heard: (point) => sink.of(ref(point)).map((reading) => [reading.value, reading.quality, reading.quality_reason]),
    // The answer to a probe comes after everything that was sent before it.
    settled: async () => void (await driver.probe()),
    async close() {
      await driver.stop();
      await broker.stop();
    },
  };
}
