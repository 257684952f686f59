import type { AirHandlerServer } from '@fibric/simulators/opcua/air-handler';
import { type AirHandlerPoint, createAirHandlerServer } from '@fibric/simulators/opcua/air-handler';
import { systemClock } from '@fibric/simulators/system';
import type { DriverModule } from '@fibric/sdk';
import { afterAll } from 'vitest';
import { driverContract, type FarSide } from '../../test/contract/driver-contract.ts';
import { opcua } from './index.ts';
import { connectionSpec, DEVICE, Line, portOf, temporaryFolder } from './test-rig.ts';

const folder = temporaryFolder();
const servers = new Map<string | null, AirHandlerServer>();
let trace: ('read' | 'write')[] = [];

afterAll(async () => {
  for (const server of servers.values()) await server.stop();
  folder.remove();
});

/** One server for each world, whoever asks; what is fresh for each test is the line to it. */
async function serverOf(world: string | null): Promise<AirHandlerServer> {
  const running = servers.get(world);
  if (running !== undefined) return running;
  const server = createAirHandlerServer({
    port: 0,
    world,
    clock: systemClock(),
    pkiDir: `${folder.path}/server-${world ?? 'real'}`,
    onRequest: (service) => trace.push(service),
  });
  await server.start();
  servers.set(world, server);
  return server;
}

async function start(world: string | null): Promise<FarSide> {
  const server = await serverOf(world);
  const line = new Line(portOf(server.url()));
  await line.open();
  trace = [];
  server.fault('supply_setpoint', null);
  server.set('supply_temperature', 20);
  server.set('supply_setpoint', 20);
  const writesBefore = server.writes('supply_setpoint');
  const name = (ref: { point: string }): AirHandlerPoint => ref.point as AirHandlerPoint;
  return {
    connection: connectionSpec(line.port, [
      { name: 'supply_temperature', node: 'SupplyTemperature', poll_ms: 20 },
      { name: 'supply_setpoint', node: 'SupplySetpoint', access: 'read_write', poll_ms: null },
      { name: 'absent', node: 'NoSuchNode', poll_ms: null },
    ]),
    sensor: { device: DEVICE, point: 'supply_temperature' },
    output: { device: DEVICE, point: 'supply_setpoint' },
    absent: { device: DEVICE, point: 'absent' },
    hold: (ref, value) => server.set(name(ref), value),
    held: (ref) => server.get(name(ref)),
    writes: () => server.writes('supply_setpoint') - writesBefore,
    trace: () => trace,
    silence: (on) => line.silence(on),
    refuse: (on) => server.fault('supply_setpoint', on ? { kind: 'refuse', status: 'BadOutOfService' } : null),
    drop: () => line.cut(),
    kill: () => line.close(),
    revive: () => line.open(),
    links: () => line.links,
    stop: () => line.close(),
  };
}

const module: DriverModule = {
  ...opcua,
  load: async () => {
    const create = await opcua.load();
    return (spec, context) => create(spec, { ...context, stateDir: `${folder.path}/state` });
  },
};

driverContract('opcua', { module, start });
