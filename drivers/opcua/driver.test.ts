import { createServer } from 'node:net';
import { queryObjects } from 'node:v8';
import type { PointRef, WriteCommand } from '@fibric/sdk';
import {
  type AirHandlerOptions,
  type AirHandlerServer,
  createAirHandlerServer,
} from '@fibric/simulators/opcua/air-handler';
import { seededRandom } from '@fibric/simulators/random';
import { systemClock } from '@fibric/simulators/system';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RecordingLog, RecordingSink, testContext, until } from '../../test/contract/harness.ts';
import { openLink } from './link.ts';
import type { ConnectionOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import { planPoints } from './plan.ts';
import { watch } from './subscription.ts';
import { OPCUACertificateManager, OPCUAClient, silenceLibrary } from './ua.ts';
import {
  connectionSpec,
  DEVICE,
  Line,
  portOf,
  type Running,
  startDriver,
  temporaryFolder,
  type TestPoint,
} from './test-rig.ts';

const folder = temporaryFolder();
beforeAll(silenceLibrary);
afterAll(() => folder.remove());

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function airHandler(more: Partial<AirHandlerOptions> = {}): Promise<AirHandlerServer> {
  const server = createAirHandlerServer({
    port: 0,
    world: 'plant-world',
    clock: systemClock(),
    pkiDir: `${folder.path}/server`,
    ...more,
  });
  await server.start();
  ends.push(() => server.stop());
  return server;
}

const POINTS: readonly TestPoint[] = [
  { name: 'supply_temperature', node: 'SupplyTemperature' },
  { name: 'supply_setpoint', node: 'SupplySetpoint', access: 'read_write' },
  { name: 'fan_command', node: 'FanCommand', access: 'read_write' },
  { name: 'alarm', node: 'Alarm' },
];

async function drive(port: number, points = POINTS, options: object = {}): Promise<Running> {
  const running = await startDriver(connectionSpec(port, points, options), `${folder.path}/state`);
  ends.push(() => running.driver.stop());
  return running;
}

const ref = (point: string): PointRef => ({ device: DEVICE, point });

function command(writes: WriteCommand['writes'], more: Partial<WriteCommand> = {}): WriteCommand {
  return { device: DEVICE, writes, timeoutMs: 5_000, idempotencyKey: 'test', mayStillSend: () => true, ...more };
}

function connected({ sink }: Running): Promise<unknown> {
  return until('the connection', () => sink.now?.status === 'connected');
}

function value({ sink }: Running, point: string): unknown {
  return sink.of(ref(point)).at(-1)?.value;
}

const logOf = (running: Running): RecordingLog => running.context.log as RecordingLog;

describe('U1 U2 a restart of the server', () => {
  it('brings back session, subscription and writing, also when the namespaces have other indexes', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await until('a first value', () => value(running, 'supply_temperature') === 18);
    await server.restart(['urn:somebody:else', 'urn:yet:another']);
    await until('the loss', () => running.sink.of(ref('supply_temperature')).some((r) => r.quality === 'bad'));
    await connected(running);
    server.set('supply_temperature', 16.5);
    await until('the new value', () => value(running, 'supply_temperature') === 16.5);
    const written = await running.driver.write(command([{ point: 'supply_setpoint', value: 17 }]));
    expect(written).toMatchObject({ kind: 'acknowledged', response: { code: 'Good', protocol: 'opcua' } });
    expect(server.get('supply_setpoint')).toBe(17);
    const bad = running.sink.of(ref('supply_temperature')).filter((r) => r.quality === 'bad');
    expect(bad).toMatchObject([{ value: null, quality_reason: 'disconnected' }]);
  });

  it('at any moment throws nothing where nobody can catch it, and the link comes back', async () => {
    const server = await airHandler();
    const line = new Line(portOf(server.url()));
    await line.open();
    ends.push(() => line.close());
    const random = seededRandom(20_260_702);
    for (let i = 0; i < 25; i++) {
      const { driver } = await drive(line.port);
      await until('a link', () => line.links > 0);
      // A number of turns of the loop and not of milliseconds: the cut falls into every stage of connecting.
      for (let turns = Math.floor(random.next() * 300); turns > 0; turns--) await new Promise(setImmediate);
      line.cut();
      for (let turns = Math.floor(random.next() * 300); turns > 0; turns--) await new Promise(setImmediate);
      await driver.stop();
    }
    const last = await drive(line.port);
    await connected(last);
    await until('a good read', async () => (await last.driver.read([ref('alarm')], 1_000))[0]?.quality === 'good');
  });
});

describe('an attempt to connect', () => {
  it('that failed leaves nothing in memory: a server may be away for months', async () => {
    const spec = connectionSpec(1, POINTS);
    const context = testContext({ kind: 'live' }, systemClock(), `${folder.path}/state`);
    const held = (): number =>
      queryObjects(OPCUACertificateManager, { format: 'count' }) + queryObjects(OPCUAClient, { format: 'count' });
    const attempt = () => openLink(spec.options as ConnectionOptions, context, [], new AbortController().signal);
    expect(await attempt()).toMatchObject({ kind: 'failed', detail: '127.0.0.1:1 cannot be reached: ECONNREFUSED' });
    const before = held();
    for (let i = 0; i < 20; i++) await attempt();
    await until('the last to be forgotten', () => held() <= before + 2);
  });
});

describe('U3 a write', () => {
  it('answered with Good is acknowledged though nothing changed, and reading shows it (rows 59, 66)', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await connected(running);
    server.fault('supply_setpoint', { kind: 'ignore' });
    const result = await running.driver.write(command([{ point: 'supply_setpoint', value: 21 }]));
    expect(result.kind).toBe('acknowledged');
    expect((await running.driver.read([ref('supply_setpoint')], 2_000))[0]).toMatchObject({
      value: 18,
      quality: 'good',
    });
  });

  it('refused by the server names the StatusCode', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await connected(running);
    server.fault('supply_setpoint', { kind: 'refuse', status: 'BadUserAccessDenied' });
    expect(await running.driver.write(command([{ point: 'supply_setpoint', value: 21 }]))).toMatchObject({
      kind: 'refused',
      reason_code: 'device_refused',
      message: 'the server refused the write: BadUserAccessDenied',
      response: { code: 'BadUserAccessDenied', reply: 'BadUserAccessDenied (0x801f0000)' },
    });
  });

  it('whose session is lost before the answer is in doubt, and rightly so (row 67)', async () => {
    const server = await airHandler();
    const line = new Line(portOf(server.url()));
    await line.open();
    ends.push(() => line.close());
    const running = await drive(line.port);
    await connected(running);
    server.fault('supply_setpoint', { kind: 'hold' });
    const pending = running.driver.write(command([{ point: 'supply_setpoint', value: 23 }]));
    await until('the write to arrive', () => server.writes('supply_setpoint') === 1);
    line.cut();
    expect(await pending).toMatchObject({ kind: 'doubt', reason_code: 'connection_lost' });
    expect(server.get('supply_setpoint')).toBe(23);
  });

  it('of the wrong type is not sent, and the message says what the node holds', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await connected(running);
    expect(await running.driver.write(command([{ point: 'supply_setpoint', value: 'warm' }]))).toEqual({
      kind: 'not_sent',
      reason_code: 'wrong_type',
      message: "ahu-1/supply_setpoint: the text 'warm' is not a value of type Double",
    });
    expect(await running.driver.write(command([{ point: 'fan_command', value: 1 }]))).toMatchObject({
      kind: 'not_sent',
      reason_code: 'wrong_type',
    });
    expect(await running.driver.write(command([{ point: 'alarm', value: true }]))).toMatchObject({
      kind: 'not_sent',
      reason_code: 'not_writable',
    });
    expect(server.writes('supply_setpoint') + server.writes('fan_command') + server.writes('alarm')).toBe(0);
  });

  it('of several points keeps their order and stops at the first that is refused: then it is in doubt', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await connected(running);
    const both = [
      { point: 'supply_setpoint', value: 20 },
      { point: 'fan_command', value: false },
    ];
    expect((await running.driver.write(command(both))).kind).toBe('acknowledged');
    server.fault('fan_command', { kind: 'refuse', status: 'BadNotWritable' });
    expect(await running.driver.write(command(both))).toMatchObject({ kind: 'doubt', reason_code: 'partly_written' });
    expect(await running.driver.write(command(both.toReversed()))).toMatchObject({ kind: 'refused' });
    expect(server.writes('supply_setpoint')).toBe(2);
  });

  it('withdrawn between two points sends no more', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await connected(running);
    let asked = 0;
    const result = await running.driver.write(
      command(
        [
          { point: 'supply_setpoint', value: 20 },
          { point: 'fan_command', value: false },
        ],
        { mayStillSend: () => asked++ === 0 },
      ),
    );
    expect(result).toMatchObject({ kind: 'doubt', reason_code: 'partly_written' });
    expect([server.writes('supply_setpoint'), server.writes('fan_command')]).toEqual([1, 0]);
  });
});

describe('what is delivered', () => {
  it('carries quality, reason and the time of the source', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    const last = () => running.sink.of(ref('supply_temperature')).at(-1);
    server.set('supply_temperature', 19, 'UncertainSensorNotAccurate');
    await until('uncertain', () => last()?.quality === 'uncertain');
    expect(last()).toMatchObject({ value: 19, quality_reason: 'sensor_fault', provenance: 'simulated' });
    server.set('supply_temperature', 19, 'BadSensorFailure');
    await until('bad', () => last()?.quality === 'bad');
    expect(last()).toMatchObject({ value: null, quality_reason: 'sensor_fault', observed_at: null });
    server.set('supply_temperature', 19, 'GoodLocalOverride');
    await until('good', () => last()?.quality === 'good');
    expect(last()).toMatchObject({
      value: 19,
      quality_reason: 'local_override',
      observed_at: expect.stringMatching(/Z$/),
    });
  });

  it('goes on for a value that stands still: silence is not taken for life (row 67)', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()));
    await until('the value again and again', () => running.sink.of(ref('alarm')).length > 3);
    expect(running.sink.of(ref('alarm')).every((r) => r.value === false && r.quality === 'good')).toBe(true);
  });

  it('comes by polling where the server refuses subscriptions', async () => {
    const server = await airHandler({ subscriptions: false });
    const running = await drive(portOf(server.url()));
    await connected(running);
    expect(running.sink.now?.detail).toContain('polling');
    server.set('supply_temperature', 15);
    await until('the new value', () => value(running, 'supply_temperature') === 15);
  });

  it('asks for many points in one request', async () => {
    let reads = 0;
    const server = await airHandler({
      onRequest: (service) => {
        if (service === 'read') reads += 1;
      },
    });
    const points = POINTS.map((point) => ({ ...point, poll_ms: null }));
    const running = await drive(portOf(server.url()), points);
    await connected(running);
    const before = reads;
    const readings = await running.driver.read(
      points.map(({ name }) => ref(name)),
      2_000,
    );
    expect(readings.every(({ quality }) => quality === 'good')).toBe(true);
    expect(reads - before).toBe(1);
  });
});

describe('a node or namespace that the server does not have', () => {
  it('makes its point bad, is named in the log, and the others go on', async () => {
    const server = await airHandler();
    const running = await drive(portOf(server.url()), [
      ...POINTS,
      { name: 'ghost', node: 'Ghost', access: 'read_write' },
      { name: 'elsewhere', node: 'SupplyTemperature', namespace: 'urn:not:there' },
    ]);
    await connected(running);
    await until('both to be bad', () =>
      ['ghost', 'elsewhere'].every((point) => running.sink.of(ref(point)).at(-1)?.quality_reason === 'device_error'),
    );
    await until('the others to be good', () => value(running, 'alarm') === false);
    expect(logOf(running).lines.map(({ message }) => message)).toEqual([
      'ahu-1/ghost: the server has no node ns=2;s=AHU1.Ghost: BadNodeIdUnknown; it is reported bad',
      'ahu-1/elsewhere: the server has no namespace urn:not:there; it is reported bad',
    ]);
    expect(await running.driver.write(command([{ point: 'ghost', value: 1 }]))).toMatchObject({
      kind: 'not_sent',
      reason_code: 'unknown_node',
    });
    expect(running.sink.of(ref('ghost'))).toHaveLength(1);
  });
});

describe('a subscription', () => {
  it('leaves small changes to the server, and takes a point without deadband where it cannot have one', async () => {
    const server = await airHandler();
    const spec = connectionSpec(portOf(server.url()), [
      { name: 'supply_temperature', node: 'SupplyTemperature', deadband: 0.5 },
      { name: 'return_temperature', node: 'ReturnTemperature' },
      { name: 'alarm', node: 'Alarm', deadband: 1 },
    ]);
    const points = [...planPoints(spec).values()];
    const context = testContext({ kind: 'simulated', id: 'plant-world' }, systemClock(), `${folder.path}/state`);
    const opened = await openLink(spec.options as ConnectionOptions, context, points, new AbortController().signal);
    if (opened.kind !== 'open') throw new Error(opened.detail);
    ends.push(() => opened.link.close());
    const sink = new RecordingSink();
    const watched = await watch(
      opened.link,
      points,
      spec.options as ConnectionOptions,
      new Outbox(sink, context.clock),
    );
    expect([...watched.keys].length).toBe(3);
    const seen = (point: string) => sink.of(ref(point)).map((r) => r.value);
    await until('the first values', () => ['supply_temperature', 'alarm'].every((point) => seen(point).length === 1));
    for (const step of [1, 2, 3]) {
      server.set('supply_temperature', 18 + step / 10);
      server.set('return_temperature', 22 + step);
      await until('the neighbour to change', () => seen('return_temperature').at(-1) === 22 + step);
    }
    server.set('supply_temperature', 19);
    await until('the large change', () => seen('supply_temperature').at(-1) === 19);
    expect(seen('supply_temperature')).toEqual([18, 19]);
  });
});

describe('a peer that is no OPC UA server', () => {
  it.each([
    ['closes at once', (socket: import('node:net').Socket) => socket.destroy()],
    ['speaks something else', (socket: import('node:net').Socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    [
      'announces a message without end',
      (socket: import('node:net').Socket) => socket.write(Buffer.from('41434b46ffffffff', 'hex')),
    ],
  ])('that %s is an error in words, and nothing more', async (_what, answer) => {
    const peer = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => answer(socket));
    });
    await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
    ends.push(() => new Promise((resolve) => peer.close(() => resolve())));
    const running = await drive((peer.address() as { port: number }).port, POINTS, { timeout: '300ms' });
    await until('the error', () => running.sink.now?.status === 'error');
    expect(running.sink.now?.detail).not.toBe('');
    expect(running.sink.of(ref('alarm'))).toMatchObject([{ quality: 'bad', quality_reason: 'disconnected' }]);
  });
});
