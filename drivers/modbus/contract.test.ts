/** The contract suite against the simulated Modbus server, over real TCP. */
import type { DeviceSpec, PointRef, PointSpec } from '@fibric/sdk';
import { createModbusServer, EXCEPTION, exception, ModbusUnit, silent, writes } from '@fibric/simulators/modbus/server';
import { systemClock } from '@fibric/simulators/system';
import { type ContractRig, driverContract, type FarSide } from '../../test/contract/driver-contract.ts';
import { modbus } from './index.ts';

const ADDRESSES: Readonly<Record<string, number>> = { sensor: 0, output: 10, absent: 50 };

function pointSpec(name: string, poll_ms: number | null, access: PointSpec['access']): PointSpec {
  const address = modbus.point.parse({
    table: 'holding',
    address: ADDRESSES[name],
    base: 0,
    type: 'int16',
    scale: 0.1,
  });
  return { name, access, poll_ms, deadband: null, address };
}

const DEVICE: DeviceSpec = {
  id: 'thermostat',
  options: modbus.device.parse({ unit: 3 }),
  points: [pointSpec('sensor', 20, 'read'), pointSpec('output', null, 'read_write'), pointSpec('absent', null, 'read')],
};

async function start(world: string | null): Promise<FarSide> {
  const unit = new ModbusUnit({ id: 3, holding: { 0: 200, 10: 200 } });
  const trace: ('read' | 'write')[] = [];
  const server = createModbusServer({
    world,
    units: [unit],
    clock: systemClock(),
    onRequest: (request) => {
      if (request.function !== 43) trace.push(request.values === null ? 'read' : 'write');
    },
  });
  const { port } = await server.start();
  const ref = (point: string): PointRef => ({ device: DEVICE.id, point });
  const addressOf = ({ point }: PointRef): number => ADDRESSES[point] ?? 0;
  return {
    connection: {
      id: 'line',
      options: modbus.connection.parse({ url: `tcp://127.0.0.1:${port}` }),
      devices: [DEVICE],
    },
    sensor: ref('sensor'),
    output: ref('output'),
    absent: ref('absent'),
    hold: (at, value) => unit.set('holding', addressOf(at), value * 10),
    held: (at) => (unit.get('holding', addressOf(at)) ?? Number.NaN) / 10,
    writes: (at) => unit.writes('holding', addressOf(at)),
    trace: () => trace,
    silence: (on) => {
      unit.behaviours = on ? [silent()] : [];
    },
    refuse: (on) => {
      unit.behaviours = on ? [exception(EXCEPTION.illegal_value, Number.POSITIVE_INFINITY, writes)] : [];
    },
    drop: () => server.drop(),
    kill: () => server.stop(),
    revive: async () => {
      await server.start(port);
    },
    links: () => server.links(),
    stop: () => server.stop(),
  };
}

const rig: ContractRig = { module: modbus, start };

driverContract('modbus', rig);
