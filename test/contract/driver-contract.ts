/**
 * The one suite that every driver passes: the promises D1 to D7 of `sdk/driver.ts` against a real far side on a real socket.
 * A driver that cannot keep a promise as tested here lists the test by name in `except`, with the reason.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { ConnectionSpec, Driver, DriverModule, PointRef, PointValue, World, WriteCommand } from '@fibric/sdk';
import { CountingClock, RecordingSink, testContext, until } from './harness.ts';

/** A device, broker or server that the driver under test talks to, freshly started, with the means to look behind it. */
export interface FarSide {
  /** How the driver reaches it: options parsed by the module's own schemas. */
  readonly connection: ConnectionSpec;
  /** A point with a number that the driver delivers by itself: polled every 20 ms, or on every change. */
  readonly sensor: PointRef;
  /** A point with a number that can be written and read back from the device. */
  readonly output: PointRef;
  /** A point that the configuration names and the far side does not have. */
  readonly absent: PointRef;
  /** Makes the far side hold this value (and publish it, where that is how it speaks). */
  hold(ref: PointRef, value: number): void | Promise<void>;
  /** What the far side holds now. */
  held(ref: PointRef): PointValue;
  /** How many writes of this point reached the far side. */
  writes(ref: PointRef): number;
  /** Reads and writes in the order in which they reached the far side since it was started. */
  trace(): readonly ('read' | 'write')[];
  /** On: it keeps its links and answers nothing. Off: as before. */
  silence(on: boolean): void | Promise<void>;
  /** On: it says a definite no to every write. Off: as before. */
  refuse(on: boolean): void | Promise<void>;
  /** Breaks every open link and goes on listening. */
  drop(): void | Promise<void>;
  /** Breaks every link and stops listening. */
  kill(): Promise<void>;
  /** After `kill`: listens again at the same address. */
  revive(): Promise<void>;
  /** How many links are open. */
  links(): number;
  /** Ends it for good; after `kill` as well. */
  stop(): Promise<void>;
}

export interface ContractRig {
  readonly module: DriverModule;
  /** Starts a far side of this world; null: one that is no simulator. `sensor` holds 20, `output` holds 20. */
  start(world: string | null): Promise<FarSide>;
  /** Name of a test to the reason why this driver is let off. */
  readonly except?: Readonly<Partial<Record<PromiseName, string>>>;
}

/** A driver started against a far side, and what it delivered. */
interface Bench {
  readonly far: FarSide;
  readonly driver: Driver;
  readonly sink: RecordingSink;
  readonly clock: CountingClock;
}

type Open = (world?: World, farWorld?: string | null) => Promise<Bench>;

const HERE: World = { kind: 'simulated', id: 'contract-world' };
const TIMEOUT_MS = 400;

function command(
  ref: PointRef,
  value: WriteCommand['writes'][number]['value'],
  more: Partial<WriteCommand> = {},
): WriteCommand {
  return {
    device: ref.device,
    writes: [{ point: ref.point, value }],
    timeoutMs: 5_000,
    idempotencyKey: 'contract',
    mayStillSend: () => true,
    ...more,
  };
}

function connected(bench: Bench): Promise<unknown> {
  return until(
    'the connection',
    () => bench.sink.now?.status === 'connected' && bench.sink.of(bench.far.sensor).length > 0,
  );
}

async function ready(open: Open): Promise<Bench> {
  const bench = await open();
  await until('a first value', () => bench.sink.now?.status === 'connected');
  await bench.far.hold(bench.far.sensor, 20);
  await connected(bench);
  return bench;
}

const PROMISES = {
  'D1 a read answers once for every ref, in the order asked': async (open: Open) => {
    const { far, driver } = await ready(open);
    const refs = [far.output, far.sensor, far.output];
    const readings = await driver.read(refs, 5_000);
    expect(readings.map((r) => `${r.device} ${r.point}`)).toEqual(refs.map((r) => `${r.device} ${r.point}`));
    expect(readings.map((r) => [r.value, r.quality])).toEqual(refs.map(() => [20, 'good']));
  },

  'D1 a read of a point that the device lacks is bad with a reason, and the others are good': async (open: Open) => {
    const { far, driver } = await ready(open);
    const unknown = { device: far.sensor.device, point: 'no_such_point' };
    const readings = await driver.read([far.absent, unknown, far.output], TIMEOUT_MS);
    expect(readings.map((r) => r.quality)).toEqual(['bad', 'bad', 'good']);
    expect(readings.slice(0, 2).every((r) => r.value === null && r.quality_reason !== null)).toBe(true);
  },

  'D1 a read with nobody at the far side is bad and does not throw': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.kill();
    const [reading] = await driver.read([far.output], TIMEOUT_MS);
    expect(reading).toMatchObject({ ...far.output, value: null, quality: 'bad' });
  },

  'D2 a write that the device took is acknowledged and happened once': async (open: Open) => {
    const { far, driver } = await ready(open);
    const result = await driver.write(command(far.output, 21.5));
    expect(result.kind).toBe('acknowledged');
    await until('the value at the far side', () => far.held(far.output) === 21.5);
    expect(far.writes(far.output)).toBe(1);
    expect((await driver.read([far.output], 5_000))[0]).toMatchObject({ value: 21.5, quality: 'good' });
  },

  'D2 a write that the device says no to is refused and changed nothing': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.refuse(true);
    const result = await driver.write(command(far.output, 21.5));
    expect(result).toMatchObject({ kind: 'refused', reason_code: expect.stringMatching(/^[a-z_]+$/) });
    expect(far.held(far.output)).toBe(20);
  },

  'D2 a write of a value that the point cannot hold is not sent': async (open: Open) => {
    const { far, driver } = await ready(open);
    const result = await driver.write(command(far.output, 'warm'));
    expect(result).toMatchObject({ kind: 'not_sent', reason_code: expect.stringMatching(/^[a-z_]+$/) });
    expect(far.writes(far.output)).toBe(0);
  },

  'D2 a write to a point that does not exist is not sent': async (open: Open) => {
    const { far, driver } = await ready(open);
    const result = await driver.write(command({ device: far.output.device, point: 'no_such_point' }, 1));
    expect(result.kind).toBe('not_sent');
  },

  'D2 a write with nobody at the far side is not sent': async (open: Open) => {
    const bench = await ready(open);
    await bench.far.kill();
    await until('the loss to be noticed', () => bench.sink.now?.status === 'error');
    const result = await bench.driver.write(command(bench.far.output, 21.5, { timeoutMs: TIMEOUT_MS }));
    expect(result.kind).toBe('not_sent');
  },

  'D2 a write that was withdrawn in the last moment is not sent': async (open: Open) => {
    const { far, driver } = await ready(open);
    const result = await driver.write(command(far.output, 21.5, { mayStillSend: () => false }));
    expect(result).toMatchObject({ kind: 'not_sent', reason_code: 'send_withdrawn' });
    expect(far.writes(far.output)).toBe(0);
  },

  'D2 a write without an answer is in doubt': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.silence(true);
    const result = await driver.write(command(far.output, 21.5, { timeoutMs: TIMEOUT_MS }));
    expect(result.kind).toBe('doubt');
  },

  'D2 a write whose link breaks before the answer is in doubt': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.silence(true);
    const pending = driver.write(command(far.output, 21.5));
    await until('the write to arrive', () => far.trace().includes('write'));
    await far.drop();
    expect((await pending).kind).toBe('doubt');
  },

  'D3 every read and write ends while the far side is silent': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.silence(true);
    const reads = Array.from({ length: 20 }, () => driver.read([far.output], TIMEOUT_MS));
    const write = driver.write(command(far.output, 21.5, { timeoutMs: TIMEOUT_MS }));
    for (const [reading] of await Promise.all(reads)) expect(reading).toMatchObject({ value: null, quality: 'bad' });
    expect(['doubt', 'not_sent']).toContain((await write).kind);
  },

  'D3 a pending read ends when the link closes': async (open: Open) => {
    const { far, driver } = await ready(open);
    await far.silence(true);
    const before = far.trace().length;
    const pending = driver.read([far.output], 120_000);
    await until('the read to arrive', () => far.trace().length > before);
    await far.kill();
    expect((await pending)[0]).toMatchObject({ value: null, quality: 'bad' });
  },

  'D3 the link comes back by itself, also after a reset': async (open: Open) => {
    const { far, driver } = await ready(open);
    await driver.reset(far.output.device);
    await until('a good read', async () => (await driver.read([far.output], TIMEOUT_MS))[0]?.quality === 'good');
    await far.kill();
    await far.revive();
    await until('a good read', async () => (await driver.read([far.output], TIMEOUT_MS))[0]?.quality === 'good');
  },

  'D4 a write goes before queued reads': async (open: Open) => {
    const { far, driver } = await ready(open);
    const before = far.trace().length;
    const reads = Array.from({ length: 50 }, () => driver.read([far.output], 5_000));
    const write = driver.write(command(far.output, 21.5));
    await Promise.all([...reads, write]);
    const order = far.trace().slice(before);
    // Reads may share a request; those that were queued when the write came still go after it.
    expect(order.indexOf('write')).toBeLessThan(10);
    expect(order.lastIndexOf('read')).toBeGreaterThan(order.indexOf('write'));
  },

  'D5 after stop nothing is delivered, and no timer or link is left': async (open: Open) => {
    const { far, driver, sink, clock } = await ready(open);
    await far.silence(true);
    const pending = [driver.read([far.output], 120_000), driver.write(command(far.output, 21.5))];
    await driver.stop();
    await Promise.all(pending);
    const delivered = sink.delivered.length;
    const statuses = sink.statuses.length;
    await far.silence(false);
    await far.hold(far.sensor, 25);
    await until('the link to be gone', () => far.links() === 0);
    expect(clock.live).toBe(0);
    expect([sink.delivered.length, sink.statuses.length]).toEqual([delivered, statuses]);
  },

  'D5 stop works before the far side was ever reached, and twice': async (open: Open) => {
    const { far, driver, clock } = await open();
    await far.kill();
    await driver.stop();
    await driver.stop();
    expect(clock.live).toBe(0);
    expect((await driver.read([far.output], TIMEOUT_MS))[0]?.quality).toBe('bad');
    expect((await driver.write(command(far.output, 21.5))).kind).toBe('not_sent');
  },

  'D6 an outage delivers bad once, and the first good value afterwards again': async (open: Open) => {
    const bench = await ready(open);
    const { far, sink, clock } = bench;
    const qualities = (): string[] => sink.of(far.sensor).map((reading) => reading.quality);
    await far.kill();
    await until('the sensor to be bad', () => qualities().at(-1) === 'bad');
    const fired = clock.fired;
    await until('the driver to come back to it a few times', () => clock.fired > fired + 5);
    expect(qualities().filter((quality) => quality === 'bad')).toHaveLength(1);
    expect(sink.of(far.sensor).at(-1)).toMatchObject({ value: null, quality: 'bad' });
    await far.revive();
    await until('the connection', () => sink.now?.status === 'connected');
    await far.hold(far.sensor, 22);
    await until('the sensor to be good', () => sink.of(far.sensor).at(-1)?.value === 22);
    expect(qualities().filter((quality) => quality === 'bad')).toHaveLength(1);
  },

  'D7 a simulated site speaks with its own simulator and tags what it says': async (open: Open) => {
    const { far, sink, driver } = await ready(open);
    expect(sink.of(far.sensor).every((reading) => reading.provenance === 'simulated')).toBe(true);
    expect((await driver.read([far.output], 5_000))[0]?.provenance).toBe('simulated');
  },

  'D7 a simulated site refuses the simulator of another world': async (open: Open) => {
    const { far, sink, driver } = await open(HERE, 'other-world');
    await until('the refusal', () => sink.now?.status === 'error');
    expect(sink.now?.detail).toContain('contract-world');
    expect(sink.now?.detail).toContain('other-world');
    await expectShut(far, driver, sink);
  },

  'D7 a simulated site refuses a peer that is no simulator': async (open: Open) => {
    const { far, sink, driver } = await open(HERE, null);
    await until('the refusal', () => sink.now?.status === 'error');
    expect(sink.now?.detail).toContain('contract-world');
    await expectShut(far, driver, sink);
  },

  'D7 a live site tags the values of a simulator': async (open: Open) => {
    const { far, sink } = await open({ kind: 'live' }, 'other-world');
    await until('the connection', () => sink.now?.status === 'connected');
    await far.hold(far.sensor, 20);
    await until('a value', () => sink.of(far.sensor).length > 0);
    expect(sink.of(far.sensor).every((reading) => reading.provenance === 'simulated')).toBe(true);
  },

  'D7 a live site takes a real device for real': async (open: Open) => {
    const { far, sink, driver } = await open({ kind: 'live' }, null);
    await until('the connection', () => sink.now?.status === 'connected');
    await far.hold(far.sensor, 20);
    await until('a value', () => sink.of(far.sensor).length > 0);
    expect(sink.of(far.sensor).every((reading) => reading.provenance === 'live')).toBe(true);
    expect((await driver.write(command(far.output, 21.5))).kind).toBe('acknowledged');
  },

  'a probe says what it tried': async (open: Open) => {
    const { far, driver } = await ready(open);
    const good = await driver.probe();
    expect(good).toMatchObject({ status: 'connected', latency_ms: expect.any(Number) });
    await far.kill();
    const failed = await until('a failing probe', async () => {
      const probe = await driver.probe();
      return probe.status === 'error' && probe;
    });
    expect(failed.detail).not.toBe('');
  },
} as const;

/** The name of a test of this suite. */
export type PromiseName = keyof typeof PROMISES;

async function expectShut(far: FarSide, driver: Driver, sink: RecordingSink): Promise<void> {
  expect((await driver.write(command(far.output, 21.5, { timeoutMs: TIMEOUT_MS }))).kind).toBe('not_sent');
  expect((await driver.read([far.output], TIMEOUT_MS))[0]?.quality).toBe('bad');
  expect(far.writes(far.output)).toBe(0);
  expect(sink.delivered.filter((reading) => reading.quality === 'good')).toEqual([]);
}

/** Registers the suite for one driver. */
export function driverContract(name: string, rig: ContractRig): void {
  describe(`driver contract: ${name}`, () => {
    const open: { far: FarSide; driver: Driver }[] = [];
    afterEach(async () => {
      for (const { far, driver } of open.splice(0)) {
        await driver.stop();
        await far.stop();
      }
    });

    const bench: Open = async (world = HERE, farWorld = world.kind === 'simulated' ? world.id : null) => {
      const far = await rig.start(farWorld);
      const clock = new CountingClock();
      const driver = (await rig.module.load())(far.connection, testContext(world, clock));
      open.push({ far, driver });
      const sink = new RecordingSink();
      driver.start(sink);
      return { far, driver, sink, clock };
    };

    for (const [promise, test] of Object.entries(PROMISES)) {
      const reason = rig.except?.[promise as PromiseName];
      if (reason === undefined) it(promise, () => test(bench));
      else it.skip(`${promise} (excepted: ${reason})`);
    }
  });
}
