/** Hands, leases and the stop, on the wire: the real process and a Modbus device, looked at from outside. */
import type { LeaseView } from '@fibric/gateway/executor/lease-view';
import type { Receipt } from '@fibric/sdk';
import { beforeAll, describe, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

/** A zone each: a knob that is turned, the stop, and a lease that ends while nobody is there. */
const [KNOB, STOP, GONE] = [1, 2, 3];

const POLICY = `version: 1
rules:
  - { id: lent, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { lease: { ttl: 1h, renew: true, fallback: baseline }, override: { hold: 4h } } }
  - { id: shortly, match: { capability: hvac.setpoint, entity: 'zone:${GONE}' }, decision: ALLOW, constraints: { lease: { ttl: 3s, fallback: baseline } } }
`;

const end = ends();
let desk: Desk;
let gateway: RealGateway;
const lines = new Map<number, Line>();
const unit = (zone: number) => (lines.get(zone) as Line).unit;
const leases = async (): Promise<LeaseView[]> => rows<LeaseView>((await gateway.fibric('leases', 'ls', '--json')).out);
const leaseOf = async (zone: number, state: string) =>
  (await leases()).find((one) => one.entity_key === `zone:${zone}` && one.state === state);

beforeAll(async () => {
  desk = await Desk.open(end, 3);
  for (const zone of [KNOB, STOP, GONE]) lines.set(zone, await openLine(end, zone));
  const all = [...lines];
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'puppet/policy.yaml': POLICY,
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
${all.map(([zone, { port }]) => `  line-${zone}: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }`).join('\n')}
devices:
${desk.devices()}
${all.map(([zone]) => `  - { id: unit-${zone}, connection: line-${zone}, unit: ${zone}, profile: quick, entity: 'zone:${zone}' }`).join('\n')}
bindings: { hvac.setpoint: [${all.map(([zone]) => `line-${zone}`).join(', ')}] }
operators: { ${PUPPET_OPERATOR} }
`,
  });
  for (const [zone] of all)
    await waitFor(
      `unit-${zone} to be read`,
      async () => (await gateway.point(`unit-${zone}/setpoint`)).quality === 'good',
    );
});

describe('a knob that is turned', () => {
  test('K3 is seen, told, and left alone: the gateway yields and does not write back (row 77)', async () => {
    expect(await desk.order(gateway, KNOB, 22)).toMatchObject({ outcome: 'applied', lease: { state: 'active' } });
    unit(KNOB).set('holding', 0, tenths(24.5));
    const held = await waitFor('the gateway to yield', () => leaseOf(KNOB, 'yielded'));
    expect(held).toMatchObject({ device: `unit-${KNOB}`, points: [{ point: 'setpoint', value: 24.5 }] });
    const [told] = await waitFor('the event', async () => {
      const events = await gateway.events('device.overridden');
      return events.length > 0 ? events : null;
    });
    expect(told?.payload).toMatchObject({
      device: `unit-${KNOB}`,
      points: [{ point: 'setpoint', value: 24.5, ours: 22 }],
    });
    expect(await desk.order(gateway, KNOB, 21)).toMatchObject({ outcome: 'blocked', reason_code: 'manual_override' });
    expect([unit(KNOB).get('holding', 0), unit(KNOB).writes('holding', 0)]).toEqual([tenths(24.5), 1]);

    const given = await gateway.fibric('leases', 'release', held.id, '--as', 'duty-engineer');
    expect(given).toMatchObject({ code: 0, out: expect.stringContaining('may be changed again') });
    const back = await desk.order(gateway, KNOB, 20);
    expect(back).toMatchObject({ outcome: 'applied', baseline: [{ value: 24.5 }] });
    expect((await gateway.fibric('leases', 'release', back.lease?.id ?? '', '--as', 'duty-engineer')).code).toBe(0);
    expect(unit(KNOB).get('holding', 0)).toBe(tenths(24.5));
  });
});

describe('the stop', () => {
  test('K1 holds from the moment it is answered, over a kill, until a named person clears it (row 83)', async () => {
    const [{ lease }] = [await desk.order(gateway, STOP, 22)] as [Receipt];
    const { code, out } = await gateway.fibric('stop-all', '--as', 'duty-engineer', '--reason', 'smoke in the shaft');
    expect([code, out]).toEqual([0, expect.stringContaining('STOPPED by duty-engineer')]);
    const blocked = { outcome: 'blocked', reason_code: 'emergency_stop', reason: expect.stringContaining('smoke') };
    expect(await desk.order(gateway, STOP, 23)).toMatchObject(blocked);
    expect((await gateway.fibric('status')).out).toMatch(/^STOPPED/);

    await gateway.stop('SIGKILL');
    await gateway.start();
    expect((await gateway.fibric('status')).out).toMatch(/^STOPPED/);
    expect(await desk.order(gateway, STOP, 24)).toMatchObject(blocked);
    expect(await gateway.fibric('leases', 'release', lease?.id ?? '', '--as', 'duty-engineer')).toMatchObject({
      code: 1,
    });
    expect([unit(STOP).get('holding', 0), unit(STOP).writes('holding', 0)]).toEqual([tenths(22), 1]);

    expect((await gateway.fibric('stop-all', '--release', '--as', 'duty-engineer')).code).toBe(0);
    await waitFor('the lease to be taken back', () => unit(STOP).get('holding', 0) === tenths(17));
    expect((await gateway.fibric('stop-all', '--clear', '--as', 'site-lead')).code).toBe(0);
    expect(await desk.order(gateway, STOP, 25)).toMatchObject({ outcome: 'applied' });
  });
});

describe('a lease', () => {
  test('K4 that ends while the gateway is dead is taken back when it is there again (row 56)', async () => {
    const { lease, receipt_id } = await desk.order(gateway, GONE, 22);
    expect(lease).toMatchObject({ ttl_s: 3, state: 'active' });
    await gateway.stop('SIGKILL');
    await gateway.start();
    await waitFor('the lease to be taken back', () => unit(GONE).get('holding', 0) === tenths(17));
    const released = await waitFor('its receipt', async () =>
      (await gateway.receipts()).find((one) => one.refers_to.includes(receipt_id) && one.lease?.state === 'released'),
    );
    expect(released).toMatchObject({ outcome: 'applied', lease: { id: lease?.id }, capability: 'hvac.setpoint' });
    expect(await gateway.fibric('receipts', 'verify')).toMatchObject({ code: 0 });
  });
});
