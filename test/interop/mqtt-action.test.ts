/**
 * Actions by MQTT publish, confirmed on a state topic, through Mosquitto. The valve is made of mosquitto_sub, which hears its
 * commands, and mosquitto_pub, which says where it stands: once when it is switched on, and once after every command.
 */
import type { Receipt } from '@fibric/sdk';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_FILES, PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { against, type Heard, Mosquitto, type MqttVersion } from './peers.ts';

const end = ends();
let broker: Mosquitto;
let gateway: RealGateway;

type Obedience = 'obeys' | 'stays' | 'takes 20' | 'is dead';

class Valve {
  readonly heard: Heard[] = [];
  obedience: Obedience = 'obeys';
  setpoint = 17;
  readonly #say: (payload: string) => void;

  constructor(say: (payload: string) => void) {
    this.#say = say;
  }

  static async start(broker: Mosquitto, topic: string, version: MqttVersion): Promise<Valve> {
    const valve = new Valve(broker.publisher(end, `${topic}/state`, version));
    await broker.subscribe(end, `${topic}/set`, version, (message) => valve.#hear(message));
    valve.#state();
    return valve;
  }

  #state(): void {
    this.#say(JSON.stringify({ valve: { setpoint: this.setpoint } }));
  }

  #hear(message: Heard): void {
    this.heard.push(message);
    const { celsius } = JSON.parse(message.payload) as { celsius: number };
    if (this.obedience === 'obeys') this.setpoint = celsius;
    if (this.obedience === 'takes 20') this.setpoint = 20;
    if (this.obedience !== 'is dead') this.#state();
  }
}

const VALVE = `description: A radiator valve that is told over MQTT and says where it stands.
driver: mqtt
points:
  setpoint:
    { topic: state, path: valve.setpoint, unit: degC, event: zone.setpoint, access: read_write, set: { topic: set, payload: '{"celsius":{value}}' } }
tools:
  hvac.setpoint: { effect: absolute_set, writes: { setpoint: celsius }, verify: { tolerance: 0.05, settle: 20ms, tries: 1 }, timeout: 500ms }
`;

/** Orders come on a connection of their own, so that nothing but the command depends on the version. */
const site = (): string => `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: mqtt, url: 'mqtt://127.0.0.1:${broker.port}' }
  valves311: { driver: mqtt, url: 'mqtt://127.0.0.1:${broker.port}', version: 4 }
  valves5: { driver: mqtt, url: 'mqtt://127.0.0.1:${broker.port}', version: 5 }
devices:
  - { id: order-1, connection: desk, topic: orders/1, profile: mqtt-orders, entity: 'zone:1' }
  - { id: order-2, connection: desk, topic: orders/2, profile: mqtt-orders, entity: 'zone:2' }
  - { id: valve-1, connection: valves311, topic: valves/1, profile: valve, entity: 'zone:1' }
  - { id: valve-2, connection: valves5, topic: valves/2, profile: valve, entity: 'zone:2' }
bindings: { hvac.setpoint: [valves311, valves5] }
operators:
  ${PUPPET_OPERATOR}
`;

async function order(zone: string, celsius: number): Promise<Receipt> {
  await broker.publish(`orders/${zone}`, JSON.stringify({ celsius }));
  const found = (one: Receipt): boolean => one.entity_key === `zone:${zone}` && one.args['celsius'] === celsius;
  return waitFor(
    `a receipt for ${celsius} in zone ${zone}`,
    async () => (await gateway.receipts()).find(found),
    30_000,
  );
}

against(['mosquitto', 'mosquitto-clients'], () => {
  const valves: Partial<Record<string, Valve>> = {};
  beforeAll(async () => {
    broker = await Mosquitto.start(end);
    gateway = await startGateway(end, { ...PUPPET_FILES, 'site.yaml': site(), 'profiles/valve.yaml': VALVE });
    for (const id of ['desk', 'valves311', 'valves5']) {
      await waitFor(`${id} to be connected`, async () => (await gateway.connection(id)).status === 'connected');
    }
    valves['1'] = await Valve.start(broker, 'valves/1', 'mqttv311');
    valves['2'] = await Valve.start(broker, 'valves/2', 'mqttv5');
    for (const id of ['valve-1', 'valve-2']) {
      await waitFor(`${id} to speak`, async () => (await gateway.point(`${id}/setpoint`)).value === 17);
    }
  });

  test.each([
    ['3.1.1', '1', ''],
    ['5', '2', 'fibric-key:puppet:zone:2:setpoint@ep=1#1'],
  ])(
    'MQTT %s: one command leaves, not retained, and the receipt says applied by what the state topic said',
    async (_, zone, key) => {
      const valve = valves[zone] as Valve;
      valve.obedience = 'obeys';
      const receipt = await order(zone, 21.5);
      expect(receipt).toMatchObject({
        ...{ outcome: 'applied', reason_code: 'verified', baseline: [{ point: 'setpoint', value: 17 }] },
        readback: [{ point: 'setpoint', value: 21.5, quality: 'good' }],
        device_response: { protocol: 'mqtt' },
      });
      expect(valve.heard).toEqual([
        { topic: `valves/${zone}/set`, payload: '{"celsius":21.5}', qos: 1, retain: false, userProperties: key },
      ]);
    },
  );

  test.each<[Obedience, number, object]>([
    ['stays', 19, { outcome: 'failed', reason_code: 'no_effect', readback: [{ value: 21.5 }] }],
    ['takes 20', 23, { outcome: 'failed', reason_code: 'device_altered', readback: [{ value: 20 }] }],
    [
      'is dead',
      24,
      { outcome: 'applied_unverified', reason_code: 'unreadable', readback: [{ value: null, quality: 'bad' }] },
    ],
  ])('a valve that %s is not said to be at the setpoint (rows 59, 60, 70)', async (obedience, celsius, receipt) => {
    (valves['2'] as Valve).obedience = obedience;
    expect(await order('2', celsius)).toMatchObject(receipt);
  });
});
