import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttributeIds, type ClientSession, DataType, OPCUACertificateManager, OPCUAClient } from 'node-opcua';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualClock } from '../clock.ts';
import { AIR_HANDLER_NAMESPACE, type AirHandlerServer, createAirHandlerServer } from './air-handler.ts';

const folder = mkdtempSync(join(tmpdir(), 'fibric-air-handler-'));
const clock = new VirtualClock(Date.UTC(2026, 6, 2, 10));
let server: AirHandlerServer;
let client: OPCUAClient;
let session: ClientSession;

async function connect(): Promise<void> {
  client = OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
    clientCertificateManager: new OPCUACertificateManager({
      rootFolder: join(folder, 'client'),
      automaticallyAcceptUnknownCertificate: true,
      disableFileWatchers: true,
    }),
  });
  await client.connect(server.url());
  session = await client.createSession();
}

beforeAll(async () => {
  server = createAirHandlerServer({ port: 0, world: 'w1', clock, pkiDir: join(folder, 'server') });
  await server.start();
  await connect();
});
afterAll(async () => {
  await client.disconnect();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function nodeOf(name: string): Promise<string> {
  const namespaces = await session.readNamespaceArray();
  return `ns=${namespaces.indexOf(AIR_HANDLER_NAMESPACE)};s=AHU1.${name}`;
}

async function read(name: string) {
  return session.read({ nodeId: await nodeOf(name), attributeId: AttributeIds.Value });
}

async function write(name: string, dataType: DataType, value: number | boolean): Promise<string> {
  const status = await session.write({
    nodeId: await nodeOf(name),
    attributeId: AttributeIds.Value,
    value: { value: { dataType, value } },
  });
  return status.name;
}

describe('the air handler', () => {
  it('says on the wire which world it belongs to', async () => {
    const [endpoint] = await client.getEndpoints();
    expect(endpoint?.server.applicationUri).toBe('urn:fibric:simulator:w1');
  });

  it('shows what was put in, with its status and the time of its clock', async () => {
    server.set('supply_temperature', 16.5, 'UncertainSensorNotAccurate');
    const shown = await read('SupplyTemperature');
    expect(shown.value.value).toBe(16.5);
    expect(shown.statusCode.name).toBe('UncertainSensorNotAccurate');
    expect(shown.sourceTimestamp?.toISOString()).toBe('2026-07-02T10:00:00.000Z');
  });

  it('takes writes of the right type to what can be written, and no others', async () => {
    expect(await write('SupplySetpoint', DataType.Double, 19)).toBe('Good');
    expect(server.get('supply_setpoint')).toBe(19);
    expect(await write('SupplySetpoint', DataType.Boolean, true)).toBe('BadTypeMismatch');
    expect(await write('SupplyTemperature', DataType.Double, 19)).toMatch(/^Bad(NotWritable|UserAccessDenied)$/);
    expect(server.writes('supply_setpoint')).toBe(1);
  });

  it('can answer Good and do nothing, or refuse', async () => {
    server.fault('fan_command', { kind: 'ignore' });
    expect(await write('FanCommand', DataType.Boolean, false)).toBe('Good');
    expect(server.get('fan_command')).toBe(true);
    server.fault('fan_command', { kind: 'refuse', status: 'BadOutOfService' });
    expect(await write('FanCommand', DataType.Boolean, false)).toBe('BadOutOfService');
    server.fault('fan_command', null);
    expect(await write('FanCommand', DataType.Boolean, false)).toBe('Good');
    expect(server.writes('fan_command')).toBe(3);
  });

  it('keeps its port and its values over a restart, and not its namespace index', async () => {
    const url = server.url();
    const before = await nodeOf('SupplySetpoint');
    await client.disconnect();
    await server.restart(['urn:somebody:else']);
    await connect();
    expect(server.url()).toBe(url);
    expect(await nodeOf('SupplySetpoint')).not.toBe(before);
    expect((await read('SupplySetpoint')).value.value).toBe(19);
  });

  it('does not take a StatusCode that does not exist', () => {
    expect(() => server.set('alarm', true, 'BadMood')).toThrow("'BadMood' is not the name of an OPC UA StatusCode");
  });
});
