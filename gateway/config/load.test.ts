import { valueIn } from '@fibric/sdk';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BLINDS, DRIVERS, edited, FCU, findingsFrom, loadFrom, ROOM, SITE, siteFrom, withBlinds } from './fixture.ts';
import { loadSite } from './load.ts';
import { readPolicy } from './policy-files.ts';
import type { Site } from './site.ts';

/** The rules of the first operator; null: its site names no policy. */
function ruleIds(site: Site): readonly string[] | null {
  const read = readPolicy(site.operators[0]?.policy_files ?? [], site);
  if (read.kind === 'bad') throw new Error(JSON.stringify(read.findings));
  return read.kind === 'none' ? null : read.policy.rules.map((rule) => rule.id);
}

const site = (from: string, to: string) => ({ 'site.yaml': edited(SITE, from, to) });
const more = (text: string) => ({ 'site.yaml': `${SITE}${text}` });

describe('a site that is in order', () => {
  it('is put together with every default filled in and every duration in milliseconds', () => {
    const loaded = siteFrom();
    expect(loaded).toMatchObject({
      identity: { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_hotel' },
      name: 'Hotel',
      timezone: 'Europe/Stockholm',
      simulation: null,
      listen: { host: '127.0.0.1', port: 8480 },
      broker: null,
      heartbeat: null,
      upstream: { url: 'https://api.example.com', secret: 'UPSTREAM_TOKEN', events: ['zone.*'] },
    });
    expect(loaded.data).toBe(join(loaded.file, '..', 'data'));
    expect(loaded.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(loaded.connections.get('fcu')?.options).toEqual({ url: 'tcp://127.0.0.1:5020', timeout: 1_000 });
    expect(loaded.connections.get('pms')?.driver.protocol).toBe('web');
    expect([...loaded.bindings]).toEqual([
      ['hvac.setpoint', ['fcu']],
      ['climate.read', ['field', 'fcu']],
      ['bookings.read', ['pms']],
    ]);
    expect(loaded.models.get('router:reasoning')).toEqual([{ provider: 'rules' }]);
  });

  it('tells people by a file in the data folder, or by the channels that the file names', () => {
    const quiet = siteFrom();
    expect(quiet.alerts).toMatchObject([{ kind: 'file', path: join(quiet.data, 'alerts.ndjson') }]);
    const text = "alerts: { to: [{ webhook: 'https://hooks.example.com/x', secret: HOOK }, { file: pages }] }\n";
    const { alerts, data } = siteFrom(more(text));
    expect(alerts).toMatchObject([
      { kind: 'webhook', url: 'https://hooks.example.com/x', secret: 'HOOK' },
      { kind: 'file', path: join(data, 'pages') },
    ]);
    expect(new Set(alerts.map(({ id }) => id)).size).toBe(2);
  });

  it('has a heartbeat where the file names a register for it', () => {
    const register = 'points:\n  watchdog: { register: 9, access: read_write }';
    const files = { ...more('heartbeat: { device: fcu-412, point: watchdog, period: 2s }\n') };
    const profile = { 'profiles/fan-coil-unit.yaml': edited(FCU, 'points:', register) };
    const { heartbeat } = siteFrom({ ...files, ...profile });
    expect(heartbeat).toEqual({ device: 'fcu-412', connection: 'fcu', point: 'watchdog', period_ms: 2_000 });
  });

  it('gives a device its points, with their events, limits and addresses', () => {
    const device = siteFrom().devices.get('room-412');
    expect(device).toMatchObject({ connection: 'field', profile: 'room-sensor', entity: { kind: 'zone', id: '412' } });
    expect(device?.spec.options).toEqual({ topic: 'hotel/412' });
    expect(device?.points[0]).toEqual({
      name: 'temperature',
      device: 'room-412',
      access: 'read',
      address: { path: 't' },
      poll_ms: null,
      deadband: 0.1,
      unit: 'degC',
      event_type: 'zone.temperature',
      plausibility: { range: { min: -40, max: 85 }, spike: { delta: 3, confirm: 3 }, stuck_ms: 86_400_000 },
      stale_ms: 900_000,
    });
    expect(device?.points[1]).toMatchObject({ event_type: 'zone.motion', stale_ms: 600_000, deadband: null });
    expect(device?.reads).toEqual({ 'occupancy.read': ['motion'], 'climate.read': ['temperature'] });
    expect(device?.spec.points).toBe(device?.points);
  });

  it('gives a device its tools, with the outputs behind them', () => {
    const [setpoint, mode] = siteFrom().devices.get('fcu-412')?.tools ?? [];
    expect(setpoint).toMatchObject({
      name: 'hvac.setpoint',
      device: 'fcu-412',
      connection: 'fcu',
      effect: 'absolute_set',
      writes: [{ point: 'setpoint', from: { kind: 'argument', argument: 'celsius', map: null } }],
      physical_points: ['tcp://127.0.0.1:5020/12/1'],
      verify: {
        read: [{ point: 'setpoint', written: 'setpoint' }],
        tolerance: 0.05,
        settle_ms: 100,
        late_write_window_ms: 4_000,
        tries: 3,
      },
      proof: null,
      timeout_ms: 2_000,
    });
    expect(mode).toMatchObject({
      writes: [{ point: 'mode', from: { kind: 'argument', argument: 'mode', map: { off: 0, heat: 1 } } }],
      verify: {
        read: [{ point: 'status', written: 'mode' }],
        tolerance: 0,
        settle_ms: 1_000,
        late_write_window_ms: 8_000,
        tries: 5,
      },
      timeout_ms: 4_000,
    });
  });

  it('knows its operators, their policies and settings', () => {
    const loaded = siteFrom();
    expect(loaded.operators).toHaveLength(1);
    expect(loaded.operators[0]).toMatchObject({
      name: 'comfort',
      uid: 'comfort',
      mode: 'live',
      settings: { occupied: 21.5 },
    });
    expect(loaded.operators[0]?.folder).toMatch(/\/operators\/comfort$/);
    expect(ruleIds(loaded)).toEqual(['hvac.setpoint']);
  });

  it('an operator without a policy has none, and one without a mode only proposes', () => {
    const loaded = siteFrom(site('{ mode: live, policy: policy.yaml, settings: { occupied: 21.5 } }', '{}'));
    expect(loaded.operators[0]).toMatchObject({ mode: 'propose_only', policy_files: [], settings: {} });
    expect(ruleIds(loaded)).toBeNull();
  });

  it('a policy that comes with the product is told from one of the site (G-PS-8)', () => {
    const files = site('policy: policy.yaml', 'policy: [policy.yaml, operators/comfort/policy.yaml]');
    const { operators } = siteFrom({
      ...files,
      'operators/comfort/policy.yaml': 'version: 1\nallow: [lighting.scene]\n',
    });
    expect(operators[0]?.policy_files.map(({ name, shipped }) => [name, shipped])).toEqual([
      ['policy.yaml', false],
      ['operators/comfort/policy.yaml', true],
    ]);
  });

  it('knows its people and their roles, and that a file may list none', () => {
    expect(siteFrom().people).toBeNull();
    const { people } = siteFrom({ 'site.yaml': `${SITE}people: { anna: { roles: [approver] }, bert: {} }\n` });
    expect([...(people ?? [])]).toEqual([
      ['anna', { roles: ['approver'] }],
      ['bert', { roles: [] }],
    ]);
  });

  it('several policy files of one operator are one policy', () => {
    const files = site('policy: policy.yaml', 'policy: [policy.yaml, more.yaml]');
    const loaded = siteFrom({ ...files, 'more.yaml': 'version: 1\nallow: [lighting.scene]\n' });
    expect(ruleIds(loaded)?.toSorted()).toEqual(['hvac.setpoint', 'lighting.scene']);
  });

  it("takes a profile from the site's own folder first", () => {
    const own = ROOM.replace('Room sensor.', 'Our room sensor.').replace('15m', '1m');
    const files = { ...more('profiles: ours\n'), 'ours/room-sensor.yaml': own };
    expect(siteFrom(files).devices.get('room-412')?.points[0]?.stale_ms).toBe(60_000);
  });

  it('keeps its data where it is told to', () => {
    const { dir } = loadFrom();
    const options = {
      drivers: DRIVERS,
      operatorsDir: join(dir, 'operators'),
      profilesDir: join(dir, 'profiles'),
      data: join(dir, 'elsewhere'),
    };
    const loaded = loadSite(join(dir, 'site.yaml'), options);
    expect(loaded.kind === 'ok' && loaded.site.data).toBe(join(dir, 'elsewhere'));
  });

  it('F3 does not change any more', () => {
    const loaded = siteFrom();
    const device = loaded.devices.get('room-412');
    expect(Object.isFrozen(loaded) && Object.isFrozen(device) && Object.isFrozen(device?.points[0]?.plausibility)).toBe(
      true,
    );
    expect(() => (loaded.devices as Map<string, unknown>).set('x', null)).toThrow('the site does not change');
  });
});

describe('a simulated site', () => {
  const simulation = `simulation: { world: w1, speed: 60, epoch: '2026-01-05T06:00:00Z', started: '2026-07-01T08:00:00+02:00' }\n`;

  it('runs at its own pace; what is polled in real time is not stale before three polls', () => {
    const loaded = siteFrom(more(simulation));
    expect(loaded.simulation).toEqual({
      world: 'w1',
      speed: 60,
      epoch_ms: 1_767_592_800_000,
      started_ms: 1_782_885_600_000,
    });
    const point = loaded.devices.get('fcu-412')?.points[0];
    expect(point).toMatchObject({ poll_ms: 5_000, stale_ms: 3 * 5_000 * 60 });
  });

  it('needs no tenant: it has one that nothing live has', () => {
    const text = edited(SITE, 'tenant: t_local, ', '');
    expect(siteFrom({ 'site.yaml': text + simulation }).identity.tenant_id).toBe('t_simulated');
  });

  it('speaks to this machine only', () => {
    const text = edited(SITE, 'tcp://127.0.0.1:5020', 'tcp://10.0.0.5:502');
    expect(findingsFrom({ 'site.yaml': text + simulation })).toEqual([
      'site.yaml:4:8 connections.fcu: a simulated site speaks to its own simulator on this machine only, and 10.0.0.5 is not a loopback address',
    ]);
  });
});

it("a device's own capability checks its arguments, names its entity and the quantity a ceiling applies to", () => {
  const capability = siteFrom(withBlinds(BLINDS)).devices.get('blind-412')?.tools[0]?.capability;
  const args = { zone: '412', percent: 40, why: 'sun' };
  expect(capability?.input.safeParse(args).success).toBe(true);
  expect(capability?.input.safeParse({ ...args, percent: 101 }).success).toBe(false);
  expect(capability?.input.safeParse({ ...args, extra: 1 }).success).toBe(false);
  expect(capability?.entity_key(args)).toBe('zone:412');
  expect(capability && valueIn(capability, args)).toBe(40);
  expect(capability?.action).toBe('position');
});

it('a tool has an output for each point that it writes, in their order', () => {
  const text = edited(FCU, '{ setpoint: celsius }', '{ setpoint: celsius, mode: { const: 1 } }');
  const [tool] = siteFrom({ 'profiles/fan-coil-unit.yaml': text }).devices.get('fcu-412')?.tools ?? [];
  const backwards = edited(FCU, '{ setpoint: celsius }', '{ mode: { const: 1 }, setpoint: celsius }');
  const [other] = siteFrom({ 'profiles/fan-coil-unit.yaml': backwards }).devices.get('fcu-412')?.tools ?? [];
  expect(tool?.physical_points).toHaveLength(2);
  expect(other?.physical_points).toEqual(tool?.physical_points.toReversed());
});

it('two points with one output behind them share a lane', () => {
  const text = edited(FCU, 'mode: { register: 2', 'mode: { register: 1');
  const tools = siteFrom({ 'profiles/fan-coil-unit.yaml': text }).devices.get('fcu-412')?.tools;
  expect(tools?.[0]?.physical_points).toEqual(tools?.[1]?.physical_points);
});
