/** Devices that are not what the site file means, on the wire: nothing is written to them, and the receipt says why. */
import { beforeAll, expect, it } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

const MODEL = 50;
const SERIAL = 51;
const quick = DESK_FILES['profiles/quick.yaml'] ?? '';

const end = ends();
let desk: Desk;
let gateway: RealGateway;
let model: Line;
let serial: Line;
let swapped: Line;

beforeAll(async () => {
  desk = await Desk.open(end, 3);
  [model, serial, swapped] = [await openLine(end, 1), await openLine(end, 2), await openLine(end, 3)];
  model.unit.set('holding', MODEL, 4711);
  serial.unit.set('holding', SERIAL, 2001);
  // 17.0 as a float: 0x41880000.
  swapped.unit.set('holding', 0, 0x4188);
  swapped.unit.set('holding', 1, 0);
  const asked = (name: string, address: number): string =>
    quick.replace('points: {', `points: { ${name}: { table: holding, address: ${address}, base: 0, type: uint16 },`);
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'profiles/of-a-model.yaml': `${asked('model', MODEL)}identity: { model: 4711 }\n`,
    'profiles/with-a-serial.yaml': asked('serial', SERIAL),
    'profiles/swapped.yaml': quick.replace(
      'type: int16, scale: 0.1,',
      'type: float32, word_order: CDAB, range: [5, 35],',
    ),
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line-1: { driver: modbus, url: 'tcp://127.0.0.1:${model.port}' }
  line-2: { driver: modbus, url: 'tcp://127.0.0.1:${serial.port}' }
  line-3: { driver: modbus, url: 'tcp://127.0.0.1:${swapped.port}' }
devices:
${desk.devices()}
  - { id: unit-1, connection: line-1, unit: 1, profile: of-a-model, entity: 'zone:1' }
  - { id: unit-2, connection: line-2, unit: 2, profile: with-a-serial, identity: { serial: 2001 }, entity: 'zone:2' }
  - { id: unit-3, connection: line-3, unit: 3, profile: swapped, entity: 'zone:3' }
bindings: { hvac.setpoint: [line-1, line-2, line-3] }
operators: { ${PUPPET_OPERATOR} }
`,
  });
});

it.each([
  ['W1 registers that moved (row 64)', 1, MODEL, () => model, 'model', 4711],
  ['W1 another device at the same address (row 71)', 2, SERIAL, () => serial, 'serial', 2001],
] as const)('%s: locked, and free again when the right one is back', async (_, zone, address, line, point, meant) => {
  const { unit } = line();
  expect(await desk.order(gateway, zone, 21)).toMatchObject({ outcome: 'applied' });
  unit.set('holding', address, 9);
  expect(await desk.order(gateway, zone, 22)).toMatchObject({
    outcome: 'blocked',
    reason_code: 'identity_mismatch',
    reason: `unit-${zone}/${point} says 9, and ${meant} is meant: another device, or registers that moved; nothing is written to it until that is right`,
  });
  expect(unit.get('holding', 0)).toBe(tenths(21));
  unit.set('holding', address, meant);
  expect(await desk.order(gateway, zone, 23)).toMatchObject({ outcome: 'applied' });
});

it('W2 words in the wrong order: what is there cannot be, so nothing is written (row 65)', async () => {
  expect(await desk.order(gateway, 3, 21)).toMatchObject({
    outcome: 'blocked',
    reason_code: 'implausible_current',
    reason: expect.stringMatching(
      /^unit-3\/setpoint reads [\d.e+-]+, which is outside the range of its profile: check its type, word order, scale and address before anything is written there$/,
    ),
  });
  expect([swapped.unit.get('holding', 0), swapped.unit.get('holding', 1)]).toEqual([0x4188, 0]);
});
