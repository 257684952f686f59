/**
 * A desk from which orders are given on the wire: a Modbus device with one unit for each zone, the wanted setpoint in its
 * input register 0. With the puppet (test/support/puppet.ts) an order becomes a proposal for `hvac.setpoint`.
 */
import type { Receipt } from '@fibric/sdk';
import { type Behaviour, createModbusServer, ModbusUnit, type ModbusServer } from '@fibric/simulators/modbus/server';
import { systemClock } from '@fibric/simulators/system';
import type { Ends } from '../support/ends.ts';
import { PUPPET_FILES, PUPPET_OPERATOR } from '../support/puppet.ts';
import { type Files, HEAD, type RealGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';

/** °C in registers: signed tenths. */
export const tenths = (celsius: number): number => Math.round(celsius * 10);

/** Profiles for a desk and for a thermostat that is polled quickly and settles quickly. */
export const DESK_FILES: Files = {
  ...PUPPET_FILES,
  'profiles/desk.yaml': `description: Orders in a register.
driver: modbus
points: { order: { table: input, address: 0, base: 0, type: int16, scale: 0.1, invalid: [0], unit: degC, poll: 50ms, stale_after: never, event: zone.order } }
`,
  'profiles/quick.yaml': `description: A thermostat that settles quickly.
driver: modbus
points: { setpoint: { table: holding, address: 0, base: 0, type: int16, scale: 0.1, unit: degC, access: read_write, poll: 100ms, event: zone.setpoint } }
reads: { climate.read: [setpoint] }
tools:
  hvac.setpoint:
    effect: absolute_set
    writes: { setpoint: celsius }
    verify: { tolerance: 0.05, settle: 10ms, late_write_window: 50ms }
    timeout: 1s
`,
};

export class Desk {
  readonly port: number;
  readonly #units: ReadonlyMap<number, ModbusUnit>;

  constructor(port: number, units: ReadonlyMap<number, ModbusUnit>) {
    this.port = port;
    this.#units = units;
  }

  /** Zones are named by the unit of the desk that orders for them. */
  static async open(end: Ends, zones: number, world: string | null = null): Promise<Desk> {
    const units = Array.from({ length: zones }, (_, i) => new ModbusUnit({ id: i + 1, input: { 0: 0 } }));
    const server = end.add(createModbusServer({ world, units, clock: systemClock() }), (one) => one.stop());
    const { port } = await server.start();
    return new Desk(port, new Map(units.map((unit) => [unit.id, unit])));
  }

  /** Lines for `devices:` of the site file. */
  devices(): string {
    return [...this.#units.keys()]
      .map((id) => `  - { id: desk-${id}, connection: desk, unit: ${id}, profile: desk, entity: 'zone:${id}' }`)
      .join('\n');
  }

  /** Gives an order and leaves it there. */
  ask(zone: number, celsius: number): void {
    this.#units.get(zone)?.set('input', 0, tenths(celsius));
  }

  /** Gives an order and waits for the receipt of it. */
  async order(gateway: RealGateway, zone: number, celsius: number): Promise<Receipt> {
    const before = (await gateway.receipts()).length;
    this.ask(zone, celsius);
    const found = (one: Receipt): boolean => one.entity_key === `zone:${zone}` && one.args['celsius'] === celsius;
    return waitFor(`a receipt for ${celsius} °C in zone ${zone}`, async () =>
      (await gateway.receipts()).slice(before).find(found),
    );
  }
}

/** A site of one desk and the thermostat of zone 1 on its line, under `puppet/policy.yaml`. */
export const siteOfOne = (desk: Desk, { port }: Pick<Line, 'port'>): string => `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line-1: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }
devices:
${desk.devices()}
  - { id: unit-1, connection: line-1, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line-1] }
operators: { ${PUPPET_OPERATOR} }
`;

export interface Line {
  readonly port: number;
  readonly unit: ModbusUnit;
  readonly server: ModbusServer;
}

/** A thermostat at 17 °C on a line of its own. It says which world it simulates, or, with null, nothing. */
export async function openLine(
  end: Ends,
  unitId: number,
  world: string | null = null,
  behaviours: readonly Behaviour[] = [],
): Promise<Line> {
  const unit = new ModbusUnit({ id: unitId, holding: { 0: tenths(17) }, behaviours });
  const server = end.add(createModbusServer({ world, units: [unit], clock: systemClock() }), (one) => one.stop());
  const { port } = await server.start();
  return { port, unit, server };
}
