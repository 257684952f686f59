/** Worlds never mix (D7): a live site writes to no simulator, a simulated site speaks to nobody but its own. */
import { beforeAll, describe, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

const end = ends();

interface Setup {
  /** Of the desk that gives the orders, and of the devices in zones 1, 2, …; null: a device that says of no world that it is in it. */
  readonly desk: string | null;
  readonly devices: readonly (string | null)[];
  readonly simulation?: string;
}

interface World {
  readonly gateway: RealGateway;
  readonly desk: Desk;
  readonly lines: readonly Line[];
}

async function open({ desk: deskWorld, devices, simulation }: Setup): Promise<World> {
  const desk = await Desk.open(end, devices.length, deskWorld);
  const lines = await Promise.all(devices.map((world, i) => openLine(end, i + 1, world)));
  const zones = lines.map(({ port }, i) => ({ zone: i + 1, port }));
  const gateway = await startGateway(end, {
    ...DESK_FILES,
    'site.yaml': `${HEAD}
${simulation === undefined ? '' : `simulation: { world: ${simulation}, epoch: 2026-07-02T08:00:00Z, started: ${new Date().toISOString()} }`}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
${zones.map(({ zone, port }) => `  line-${zone}: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }`).join('\n')}
devices:
${desk.devices()}
${zones.map(({ zone }) => `  - { id: unit-${zone}, connection: line-${zone}, unit: ${zone}, profile: quick, entity: 'zone:${zone}' }`).join('\n')}
bindings: { hvac.setpoint: [${zones.map(({ zone }) => `line-${zone}`).join(', ')}] }
operators: { ${PUPPET_OPERATOR} }
`,
  });
  for (const { zone } of zones) {
    await waitFor(
      `line-${zone} to be met`,
      async () => (await gateway.point(`unit-${zone}/setpoint`)).received_at !== null,
    );
  }
  return { gateway, desk, lines };
}

function untouched(line: Line | undefined): void {
  const { unit } = line as Line;
  expect([unit.get('holding', 0), unit.writes('holding', 0)]).toEqual([tenths(17), 0]);
}

describe('a live site', () => {
  let live: World;
  beforeAll(async () => {
    live = await open({ desk: null, devices: [null, 'w1'] });
  });

  test('writes to a device of its own world', async () => {
    const receipt = await live.desk.order(live.gateway, 1, 21);
    expect(receipt).toMatchObject({ outcome: 'applied', provenance: 'live' });
    expect(live.lines[0]?.unit.get('holding', 0)).toBe(tenths(21));
  });

  test("tags a simulator's values as simulated and writes nothing to it", async () => {
    expect(await live.gateway.point('unit-2/setpoint')).toMatchObject({
      value: 17,
      quality: 'good',
      provenance: 'simulated',
    });
    const told = (await live.gateway.events('zone.setpoint')).filter(({ payload }) => payload['device'] === 'unit-2');
    expect(told.map(({ payload }) => payload['provenance'])).toEqual(['simulated']);
    expect(await live.desk.order(live.gateway, 2, 21)).toMatchObject({
      ...{ outcome: 'blocked', reason_code: 'not_live', device_response: null },
      reason: 'unit-2/setpoint is simulated; only live devices are written to in this site',
      verdict: { decision: 'BLOCK' },
    });
    untouched(live.lines[1]);
  });
});

describe('a simulated site', () => {
  let simulated: World;
  beforeAll(async () => {
    simulated = await open({ desk: 'w1', devices: ['w1', null, 'w2'], simulation: 'w1' });
  });

  test('is said to be one at start, and everything in it is simulated', async () => {
    const receipt = await simulated.desk.order(simulated.gateway, 1, 21);
    expect(receipt).toMatchObject({ outcome: 'applied', provenance: 'simulated' });
    expect(simulated.gateway.log).toContainEqual(
      expect.objectContaining({ level: 'warn', world: 'w1', msg: 'this is a simulated site: nothing here is real' }),
    );
    const points = await simulated.gateway.points();
    expect(points.filter(({ value, provenance }) => value !== null && provenance !== 'simulated')).toEqual([]);
  });

  test.each([
    [2, 'is no simulator (unit 2 answered exception 1 (illegal function))'],
    [3, "is the simulator of world 'w2'"],
  ])('refuses the device in zone %i, which %s: nothing is read from it and nothing written', async (zone, what) => {
    const { gateway, desk, lines } = simulated;
    const { port } = lines[zone - 1] as Line;
    expect(await gateway.connection(`line-${zone}`)).toMatchObject({
      status: 'error',
      detail: `this site is the simulated world 'w1', but 127.0.0.1:${port} ${what}`,
    });
    expect(await gateway.point(`unit-${zone}/setpoint`)).toMatchObject({ value: null, quality: 'bad' });
    expect(await desk.order(gateway, zone, 21)).toMatchObject({ outcome: 'failed', reason_code: 'device_unreadable' });
    untouched(lines[zone - 1]);
  });
});
