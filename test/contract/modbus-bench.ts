/** A Modbus driver against simulated units, for the tests of `drivers/modbus`. Unit 3 is device `u3`. */
import type { Clock, Driver, PointRef, Reading, World, WriteCommand, WriteResult } from '@fibric/sdk';
import { modbus } from '../../drivers/modbus/index.ts';
import { createModbusServer, type ModbusServer, type ModbusUnit, type Request } from '@fibric/simulators/modbus/server';
import { systemClock } from '@fibric/simulators/system';
import { CountingClock, RecordingSink, testContext, until } from './harness.ts';

export interface PointSetup {
  readonly unit: number;
  readonly name: string;
  /** Merged over: holding, base 0, int16. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly pollMs?: number;
  readonly access?: 'read' | 'write' | 'read_write';
}

export interface BenchSetup {
  readonly units: readonly ModbusUnit[];
  readonly points: readonly PointSetup[];
  readonly connection?: Readonly<Record<string, unknown>>;
  readonly world?: World;
  readonly farWorld?: string | null;
  /** The clock of answers that come late. */
  readonly farClock?: Clock;
  /** Of the driver. */
  readonly clock?: Clock;
  /** Nobody listens until `server.start(port)`. */
  readonly dead?: boolean;
}

export interface ModbusBench {
  readonly driver: Driver;
  readonly sink: RecordingSink;
  readonly server: ModbusServer;
  readonly port: number;
  /** Every request that arrived, identification left out. */
  readonly requests: Request[];
  write(
    unit: number,
    values: Readonly<Record<string, number | boolean | string>>,
    more?: Partial<WriteCommand>,
  ): Promise<WriteResult>;
  read(unit: number, ...points: readonly string[]): Promise<readonly Reading[]>;
  stop(): Promise<void>;
}

export async function openModbus(setup: BenchSetup): Promise<ModbusBench> {
  const requests: Request[] = [];
  const world = setup.world ?? { kind: 'simulated', id: 'w1' };
  const server = createModbusServer({
    world: setup.farWorld === undefined ? 'w1' : setup.farWorld,
    units: setup.units,
    clock: setup.farClock ?? systemClock(),
    onRequest: (request) => {
      if (request.function !== 43) requests.push(request);
    },
  });
  const { port } = await server.start();
  if (setup.dead) await server.stop();
  const driver = (await modbus.load())(
    {
      id: 'line',
      options: modbus.connection.parse({ url: `tcp://127.0.0.1:${port}`, timeout: '200ms', ...setup.connection }),
      devices: devicesOf(setup.points),
    },
    testContext(world, setup.clock ?? new CountingClock()),
  );
  const sink = new RecordingSink();
  driver.start(sink);
  if (!setup.dead) await until('the connection', () => sink.statuses.some(({ status }) => status === 'connected'));
  return {
    driver,
    sink,
    server,
    port,
    requests,
    write: (unit, values, more = {}) =>
      driver.write({
        device: `u${unit}`,
        writes: Object.entries(values).map(([point, value]) => ({ point, value })),
        timeoutMs: 10_000,
        idempotencyKey: 'bench',
        mayStillSend: () => true,
        ...more,
      }),
    read: (unit, ...points) =>
      driver.read(
        points.map((point): PointRef => ({ device: `u${unit}`, point })),
        10_000,
      ),
    stop: async () => {
      await driver.stop();
      await server.stop();
    },
  };
}

function devicesOf(points: readonly PointSetup[]) {
  return [...Map.groupBy(points, (point) => point.unit)].map(([unit, members]) => ({
    id: `u${unit}`,
    options: modbus.device.parse({ unit }),
    points: members.map((point) => ({
      name: point.name,
      access: point.access ?? ('read_write' as const),
      poll_ms: point.pollMs ?? null,
      deadband: null,
      address: modbus.point.parse({ table: 'holding', base: 0, type: 'int16', ...point.options }),
    })),
  }));
}
