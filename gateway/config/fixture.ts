/** Site folders for tests of the loader, with three made-up drivers: one polled, one that delivers, one for connectors. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { duration, type DriverModule } from '@fibric/sdk';
import { formatFinding } from '@fibric/policy';
import { z } from 'zod';
import { scratchDir } from '../../test/support/scratch.ts';
import { type LoadedSite, loadSite } from './load.ts';
import type { Site } from './site.ts';

const url = z.string().regex(/^tcp:\/\/\S+$/, 'expected tcp://host:port');
const endpoint: DriverModule['endpoint'] = (options) => {
  const { hostname, port } = new URL((options as { url: string }).url.replace(/^\w+:/, 'http:'));
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
};
const load: DriverModule['load'] = () => Promise.reject(new Error('not in these tests'));

const wire: DriverModule = {
  protocol: 'wire',
  connection: z.strictObject({ url, timeout: duration.prefault('1s') }),
  device: z.strictObject({ unit: z.int() }),
  point: z.strictObject({ register: z.int(), scale: z.number().default(1) }).superRefine(({ register }, context) => {
    if (register > 9_999) context.addIssue({ code: 'custom', path: ['register'], message: 'beyond the last register' });
  }),
  endpoint,
  physicalPoint: (connection, device, address) =>
    `${(connection as { url: string }).url}/${(device as { unit: number }).unit}/${(address as { register: number }).register}`,
  load,
};

const bus: DriverModule = {
  protocol: 'bus',
  connection: z.strictObject({ url: z.string() }),
  device: z.strictObject({ topic: z.string() }),
  point: z.strictObject({ path: z.string() }),
  endpoint,
  physicalPoint: (_, device, address) => `${(device as { topic: string }).topic}/${(address as { path: string }).path}`,
  load,
};

const web: DriverModule = {
  protocol: 'web',
  connection: z.strictObject({
    connector: z.string(),
    url: z.string(),
    auth: z.strictObject({ secret: z.string() }).optional(),
  }),
  device: z.strictObject({}),
  point: z.strictObject({}),
  queries: ['bookings.read'],
  endpoint,
  physicalPoint: () => 'web',
  load,
};

export const DRIVERS: readonly DriverModule[] = [wire, bus, web];

export const FCU = `
description: Fan-coil unit.
driver: wire
poll: 5s
points:
  setpoint: { register: 1, scale: 0.1, unit: degC, access: read_write, range: [5, 35] }
  mode: { register: 2, access: read_write }
  status: { register: 3 }
reads: { climate.read: [setpoint] }
tools:
  hvac.setpoint: { effect: absolute_set, writes: { setpoint: celsius }, verify: { tolerance: 0.05 } }
  hvac.mode:
    effect: absolute_set
    writes: { mode: { arg: mode, map: { "off": 0, heat: 1 } } }
    verify: { read: { mode: status }, settle: 1s, tries: 5 }
    timeout: 4s
`;

export const ROOM = `
description: Room sensor.
driver: bus
points:
  temperature: { path: t, unit: degC, deadband: 0.1, range: [-40, 85], plausibility: { spike: { delta: 3 }, stuck: 24h }, stale_after: 15m }
  motion: { path: m }
reads: { occupancy.read: [motion], climate.read: [temperature] }
`;

export const SITE = `
site: { tenant: t_local, workspace: ws_hotel, name: Hotel, timezone: Europe/Stockholm }
connections:
  field: { driver: bus, url: 'bus://127.0.0.1:1883' }
  fcu: { driver: wire, url: 'tcp://127.0.0.1:5020' }
  pms: { connector: pms-http, url: 'http://127.0.0.1:8090', auth: { secret: PMS_KEY } }
devices:
  - { id: fcu-412, connection: fcu, unit: 12, profile: fan-coil-unit, entity: 'zone:412' }
  - { id: room-412, connection: field, topic: hotel/412, profile: room-sensor, entity: 'zone:412' }
bindings:
  hvac.setpoint: [fcu]
  climate.read: [field, fcu]
  bookings.read: [pms]
operators:
  comfort: { mode: live, policy: policy.yaml, settings: { occupied: 21.5 } }
models: { 'router:reasoning': [{ provider: rules }] }
upstream: { to: 'https://api.example.com', auth: { secret: UPSTREAM_TOKEN }, events: ['zone.*'] }
`;

const POLICY = `
version: 1
allow: [hvac.setpoint]
`;

/** Files of a site folder beside, or instead of, those above; null leaves one out. */
export type Files = Readonly<Record<string, string | null>>;

export function loadFrom(files: Files = {}): { readonly dir: string; readonly loaded: LoadedSite } {
  const dir = scratchDir();
  const all: Files = {
    'site.yaml': SITE,
    'policy.yaml': POLICY,
    'profiles/fan-coil-unit.yaml': FCU,
    'profiles/room-sensor.yaml': ROOM,
    'operators/comfort/operator.ts': '',
    ...files,
  };
  for (const [file, text] of Object.entries(all)) {
    if (text === null) continue;
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text.replace(/^\n/, ''));
  }
  const options = { drivers: DRIVERS, operatorsDir: join(dir, 'operators'), profilesDir: join(dir, 'profiles') };
  return { dir, loaded: loadSite(join(dir, 'site.yaml'), options) };
}

export function siteFrom(files: Files = {}): Site {
  const { loaded } = loadFrom(files);
  if (loaded.kind === 'invalid') throw new Error(loaded.findings.map(formatFinding).join('\n'));
  return loaded.site;
}

/** Every finding as it is printed, with paths as from inside the folder. */
export function findingsFrom(files: Files): readonly string[] {
  const { dir, loaded } = loadFrom(files);
  const findings = loaded.kind === 'ok' ? loaded.policyFindings : loaded.findings;
  return findings.map((one) => formatFinding(one).replaceAll(`${dir}/`, ''));
}

/** The site above with `from` in place of `to`. Fails when `from` does not stand there, so that no test runs on an unchanged file. */
export function edited(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`'${from}' does not stand in the text`);
  return text.replace(from, to);
}

/** A profile with a capability of its own. */
export const BLINDS = `
description: Blinds.
driver: wire
points: { position: { register: 7, access: write }, shown: { register: 8 } }
tools:
  blinds.position:
    effect: absolute_set
    input: { zone: name, percent: { number: { min: 0, max: 100 } }, why: { one_of: [sun, wind] } }
    entity: 'zone:{zone}'
    value: percent
    writes: { position: percent }
    verify: { read: { position: shown }, tolerance: 1 }
`;
/** The site with a blind of this profile. */
export const withBlinds = (profile: string): Files => ({
  'site.yaml': edited(
    SITE,
    'bindings:',
    "  - { id: blind-412, connection: fcu, unit: 9, profile: blinds, entity: 'zone:412' }\nbindings:\n  blinds.position: [fcu]",
  ),
  'profiles/blinds.yaml': profile,
});
