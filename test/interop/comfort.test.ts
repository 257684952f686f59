/**
 * The main job between foreign peers: mosquitto_pub is the room sensor, Mosquitto the broker, pymodbus the fan-coil units, and
 * mbpoll the witness who looks into their registers. What the receipt says must be what mbpoll sees.
 */
import type { ReadingPayload, Receipt } from '@fibric/sdk';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_FILES, PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, ROOT, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { against, ModbusDevice, Mosquitto, type MqttVersion } from './peers.ts';

const end = ends();
let broker: Mosquitto;
let device: ModbusDevice;
let gateway: RealGateway;

const site = (): string => `${HEAD}
profiles: ./profiles
connections:
  field: { driver: mqtt, url: 'mqtt://127.0.0.1:${broker.port}' }
  field5: { driver: mqtt, url: 'mqtt://127.0.0.1:${broker.port}', version: 5 }
  fcu: { driver: modbus, url: 'tcp://127.0.0.1:${device.port}', timeout: 500ms }
devices:
  - { id: room-401, connection: field, topic: hotel/room/401, profile: room-sensor, entity: 'zone:401' }
  - { id: room-402, connection: field5, topic: hotel/room/402, profile: room-sensor, entity: 'zone:402' }
  - { id: orders-403, connection: field, topic: orders/403, profile: mqtt-orders, entity: 'zone:403' }
  - { id: fcu-401, connection: fcu, unit: 1, profile: fan-coil-unit, entity: 'zone:401' }
  - { id: fcu-402, connection: fcu, unit: 2, profile: fan-coil-unit, entity: 'zone:402' }
  - { id: fcu-403, connection: fcu, unit: 3, profile: fan-coil-unit, entity: 'zone:403' }
bindings: { occupancy.read: [field, field5], climate.read: [field, field5, fcu], hvac.setpoint: [fcu] }
operators:
  comfort: { mode: live, policy: ${ROOT}/operators/comfort/policy.yaml }
  ${PUPPET_OPERATOR}
`;

function room(values: { readonly temperature: number; readonly motion: boolean }): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    humidity: 41,
    co2: 520,
    window: false,
    light: 120,
    ...values,
  });
}

/** The receipts as the command prints them. */
async function receipts(): Promise<Receipt[]> {
  const { code, out } = await gateway.fibric('receipts', 'ls', '--json');
  expect(code).toBe(0);
  return rows<Receipt>(out);
}

async function receiptFor(zone: string, celsius: number): Promise<Receipt> {
  const found = (one: Receipt): boolean => one.entity_key === `zone:${zone}` && one.args['celsius'] === celsius;
  return waitFor(`a receipt for zone ${zone} at ${celsius}`, async () => (await receipts()).find(found));
}

const good = (point: string, value: number) =>
  waitFor(`${point} to be good at ${value}`, async () => {
    const now = await gateway.point(point);
    return now.quality === 'good' && now.value === value;
  });

against(['mosquitto', 'mosquitto-clients', 'python3-pymodbus', 'mbpoll'], () => {
  beforeAll(async () => {
    [broker, device] = await Promise.all([Mosquitto.start(end), ModbusDevice.start(end)]);
    // From before the gateway's time: it may be from last year.
    await broker.publish('hotel/room/401', room({ temperature: 31, motion: true }), { retain: true });
    gateway = await startGateway(end, { ...PUPPET_FILES, 'site.yaml': site() });
  });

  test('a retained message of the broker is uncertain, and nobody acts on it (row 69)', async () => {
    await waitFor(
      'the retained message',
      async () => (await gateway.point('room-401/motion')).quality_reason === 'retained',
    );
    await good('fcu-401/setpoint', 17);
    expect(await gateway.point('room-401/temperature')).toMatchObject({ value: 31, quality: 'uncertain' });
    expect(await receipts()).toEqual([]);
    expect(await device.mbpoll(1, 1)).toBe(170);
  });

  test.each<[MqttVersion, string, number]>([
    ['mqttv311', '401', 1],
    ['mqttv5', '402', 2],
  ])(
    '%s: somebody moves, comfort proposes, mbpoll sees the register change, the receipt says applied',
    async (version, zone, unit) => {
      const topic = `hotel/room/${zone}`;
      await broker.publish(topic, room({ temperature: 19.2, motion: false }), { version });
      await good(`room-${zone}/temperature`, 19.2);
      await good(`fcu-${zone}/setpoint`, 17);
      expect(await device.mbpoll(unit, 1)).toBe(170);
      await broker.publish(topic, room({ temperature: 19.2, motion: true }), { version });
      await waitFor(`mbpoll to read 215 in unit ${unit}`, async () => (await device.mbpoll(unit, 1)) === 215);
      const receipt = await receiptFor(zone, 21.5);
      expect(receipt).toMatchObject({
        ...{ outcome: 'applied', reason_code: 'verified', reason: 'read back as written', operator: 'comfort' },
        ...{
          device: `fcu-${zone}`,
          mode: 'live',
          provenance: 'live',
          verdict: { decision: 'ALLOW', rule: 'comfort-setpoint' },
        },
        ...{ baseline: [{ point: 'setpoint', value: 17 }], target: [{ point: 'setpoint', value: 21.5 }] },
        readback: [{ point: 'setpoint', value: 21.5, quality: 'good' }],
        device_response: { protocol: 'modbus', code: 'ok' },
      });
      const evidence = receipt.evidence.map(({ point, value, provenance }) => [point, value, provenance]);
      expect(evidence).toContainEqual([`zone:${zone}/temperature`, 19.2, 'live']);
      expect(evidence).toContainEqual([`zone:${zone}/motion`, true, 'live']);
    },
  );

  test('a restart of the broker makes every reading bad once, and good again with the next message', async () => {
    await broker.kill();
    await waitFor('the loss', async () => (await gateway.connection('field')).status === 'error');
    expect(await gateway.point('room-401/temperature')).toMatchObject({
      value: null,
      quality: 'bad',
      quality_reason: 'disconnected',
    });
    await broker.start();
    for (const id of ['field', 'field5'])
      await waitFor(`${id} again`, async () => (await gateway.connection(id)).status === 'connected');
    await broker.publish('hotel/room/401', room({ temperature: 20.5, motion: true }));
    await good('room-401/temperature', 20.5);
    const told = (await gateway.events('zone.temperature'))
      .map(({ payload }) => payload as unknown as ReadingPayload)
      .filter((reading) => reading.device === 'room-401')
      .map(({ value, quality, quality_reason }) => [value, quality, quality_reason]);
    expect(told).toEqual([
      [31, 'uncertain', 'retained'],
      [19.2, 'good', null],
      [null, 'bad', 'disconnected'],
      [20.5, 'good', null],
    ]);
  });

  test('a device that is gone gets nothing and the receipt says so; when it is back, it is written to again', async () => {
    await good('fcu-403/setpoint', 17);
    await device.kill();
    await waitFor('the loss', async () => (await gateway.point('fcu-403/setpoint')).quality === 'bad');
    await broker.publish('orders/403', '{"celsius":22}');
    expect(await receiptFor('403', 22)).toMatchObject({
      ...{ outcome: 'failed', reason_code: 'device_unreadable', readback: [], device_response: null },
      reason: expect.stringMatching(/^nothing was sent: fcu-403\/setpoint reads bad \((disconnected|timeout)\)$/),
    });
    await device.start();
    await good('fcu-403/setpoint', 17);
    await broker.publish('orders/403', '{"celsius":22.5}');
    expect(await receiptFor('403', 22.5)).toMatchObject({
      outcome: 'applied',
      readback: [{ point: 'setpoint', value: 22.5 }],
    });
    expect(await device.mbpoll(3, 1)).toBe(225);
    const { code, out } = await gateway.fibric('receipts', 'verify');
    expect([code, out]).toEqual([0, expect.stringContaining('4 receipts')]);
  });
});
