/** An OPC UA server that is not what the site says: an untrusted certificate, unknown nodes, wrong types, refusals. */
import type { Receipt } from '@fibric/sdk';
import { type AirHandlerServer, createAirHandlerServer } from '@fibric/simulators/opcua/air-handler';
import { systemClock } from '@fibric/simulators/system';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';

const end = ends();
let server: AirHandlerServer;
let gateway: RealGateway;
let receipts: readonly Receipt[];

const OURS = "namespace: 'urn:fibric:simulator:air-handler'";

const PROFILE = `description: An air handler that the profile is partly wrong about.
driver: opcua
poll: 500ms
points:
  supply_setpoint: { ${OURS}, node: s=SupplySetpoint, unit: degC, access: read_write }
  fan_command: { ${OURS}, node: s=FanCommand, access: read_write }
  ghost: { ${OURS}, node: s=Ghost, access: read_write }
  elsewhere: { namespace: 'urn:somebody:else', node: s=SupplySetpoint }
  array: { namespace: 'http://opcfoundation.org/UA/', node: i=2255 }
tools:
  ventilation.supply:
    input: { plant: name, celsius: number }
    entity: plant:{plant}
    effect: absolute_set
    writes: { supply_setpoint: celsius }
    verify: { settle: 10ms }
  ventilation.fan:
    input: { plant: name, speed: number }
    entity: plant:{plant}
    effect: absolute_set
    writes: { fan_command: speed }
    verify: {}
  ventilation.ghost:
    input: { plant: name, speed: number }
    entity: plant:{plant}
    effect: absolute_set
    writes: { ghost: speed }
    verify: {}
`;

const OPERATOR = `import { defineOperator } from '@fibric/sdk';
export default defineOperator({
  name: 'asked', goal: 'Try everything once.', requires: ['ventilation.supply', 'ventilation.fan', 'ventilation.ghost'], trigger: { on: 'ask' },
  run: (ctx) => ctx.propose([
    { capability: 'ventilation.supply', args: { plant: 'a', celsius: 21 }, after: [] },
    { capability: 'ventilation.fan', args: { plant: 'a', speed: 1 }, after: [] },
    { capability: 'ventilation.ghost', args: { plant: 'a', speed: 1 }, after: [] },
  ], 'asked'),
});
`;

beforeAll(async () => {
  server = createAirHandlerServer({ port: 0, world: null, clock: systemClock(), pkiDir: join(end.folder(), 'pki') });
  end.add(server, (one) => one.stop());
  await server.start();
  gateway = await startGateway(end, {
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  plant: { driver: opcua, url: '${server.url()}' }
  guarded: { driver: opcua, url: '${server.url()}', security: { mode: SignAndEncrypt } }
devices:
  - { id: ahu-a, connection: plant, profile: odd, prefix: AHU1., entity: 'plant:a' }
  - { id: ahu-b, connection: guarded, profile: odd, prefix: AHU1., entity: 'plant:b' }
bindings: { ventilation.supply: [plant], ventilation.fan: [plant], ventilation.ghost: [plant] }
operators: { asked: { mode: live, path: ./asked, policy: ./policy.yaml } }
`,
    'profiles/odd.yaml': PROFILE,
    'asked/operator.ts': OPERATOR,
    'policy.yaml': 'version: 1\nallow: [ventilation.supply, ventilation.fan, ventilation.ghost]\n',
  });
  await waitFor('the server', async () => (await gateway.point('ahu-a/supply_setpoint')).quality === 'good', 30_000);
  server.fault('supply_setpoint', { kind: 'refuse', status: 'BadOutOfRange' });
  ({ receipts } = await gateway.run('asked'));
});

const receipt = (capability: string): Receipt | undefined => receipts.find((one) => one.capability === capability);

test.each([
  ['ghost', 'device_error', 'the server has no node ns=2;s=AHU1.Ghost: BadNodeIdUnknown; it is reported bad'],
  ['elsewhere', 'device_error', 'the server has no namespace urn:somebody:else; it is reported bad'],
  ['array', 'wrong_type', null],
])(
  'a point with an unknown node, an unknown namespace or an array (%s) is bad and the others are not',
  async (point, reason, said) => {
    expect(await gateway.point(`ahu-a/${point}`)).toMatchObject({
      value: null,
      quality: 'bad',
      quality_reason: reason,
    });
    if (said !== null) expect(gateway.log.map(({ msg }) => msg)).toContain(`ahu-a/${point}: ${said}`);
    expect(await gateway.point('ahu-a/fan_command')).toMatchObject({ value: true, quality: 'good' });
  },
);

test('a value of another type than the node has is not sent, and the receipt names the type', () => {
  expect(receipt('ventilation.fan')).toMatchObject({
    ...{ outcome: 'failed', reason_code: 'wrong_type', device_response: null },
    reason: 'nothing was sent: ahu-a/fan_command: 1 is not a value of type Boolean',
  });
  expect(server.writes('fan_command')).toBe(0);
});

test('nothing is sent to a node that is not there', () => {
  expect(receipt('ventilation.ghost')).toMatchObject({
    ...{ outcome: 'failed', reason_code: 'device_unreadable' },
    reason: 'nothing was sent: ahu-a/ghost reads bad (device_error)',
  });
});

test("a refusal is the device's own word, with its StatusCode", async () => {
  expect(receipt('ventilation.supply')).toMatchObject({
    ...{ outcome: 'failed', reason: expect.stringContaining('the device refused: '), attempt: 1 },
    device_response: { protocol: 'opcua', code: 'BadOutOfRange' },
  });
  expect(server.writes('supply_setpoint')).toBe(1);
  server.fault('supply_setpoint', null);
  const again = (await gateway.run('asked')).receipts.find((one) => one.capability === 'ventilation.supply');
  expect(again).toMatchObject({ outcome: 'applied', readback: [{ value: 21 }] });
  expect(server.get('supply_setpoint')).toBe(21);
});

test('a server whose certificate nobody has trusted is not spoken to; when a person has moved it, it is', async () => {
  const detail = await waitFor('the refusal', async () => {
    const guarded = await gateway.connection('guarded');
    return guarded.status === 'pending_auth' && guarded.detail;
  });
  const pki = join(gateway.data, 'connections', 'guarded', 'pki');
  const [name = ''] = readdirSync(join(pki, 'rejected'));
  const rejected = join(pki, 'rejected', name);
  const trusted = join(pki, 'trusted', 'certs');
  expect(detail).toBe(
    `the server's certificate is not trusted. It lies in ${rejected}: compare it with the server's and, if it is the same, move it to ${trusted}`,
  );
  expect(await gateway.point('ahu-b/supply_setpoint')).toMatchObject({
    value: null,
    quality: 'bad',
    quality_reason: 'disconnected',
  });
  mkdirSync(trusted, { recursive: true });
  renameSync(rejected, join(trusted, name));
  await waitFor(
    'the trust to be seen',
    async () => (await gateway.connection('guarded')).status === 'connected',
    40_000,
  );
  await waitFor('a value', async () => (await gateway.point('ahu-b/supply_setpoint')).quality === 'good');
}, 60_000);
