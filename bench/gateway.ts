/** The product as a subject: the build, started as the image starts it, on a site made for the bench. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child, descendants, ROOT, SCRATCH, scratch } from './lib.ts';

const DIST = join(ROOT, 'dist');

/**
 * The build as `npm ci` inside it would leave it: its packages find each other and not the sources beside them. Third-party
 * packages are those of the repository.
 */
export function installed(): string {
  if (!existsSync(join(DIST, 'cli', 'main.js'))) throw new Error('there is no build: npm run build');
  const packages = join(DIST, 'node_modules', '@fibric');
  mkdirSync(packages, { recursive: true });
  for (const name of readdirSync(DIST)) {
    const link = join(packages, name);
    if (existsSync(join(DIST, name, 'package.json')) && !existsSync(link)) symlinkSync(join('..', '..', name), link);
  }
  return DIST;
}

export interface SiteOptions {
  readonly mqtt: number;
  readonly modbus: number;
  /** Zones with a sensor each. */
  readonly zones: number;
  /** An actuator for each zone, and an operator that serves them: registers of one controller, or controllers of their own. */
  readonly actuators: 'none' | 'registers' | 'units';
  /** Endpoint of an OPC UA air handler to watch. */
  readonly opcua?: string;
}

export const topicOf = (zone: number): string => `site/${zone}/demand`;

function siteText({ mqtt, modbus, zones, actuators, opcua }: SiteOptions): string {
  const numbers = Array.from({ length: zones }, (_, i) => i + 1);
  const acts = actuators !== 'none';
  const lines = [
    'site: { tenant: t_bench, workspace: ws_bench, name: Bench, timezone: UTC }',
    'gateway: { listen: 127.0.0.1:0, data: ./data }',
    'profiles: ./profiles',
    'connections:',
    `  field: { driver: mqtt, url: 'mqtt://127.0.0.1:${mqtt}' }`,
    ...(acts ? [`  plc: { driver: modbus, url: 'tcp://127.0.0.1:${modbus}' }`] : []),
    ...(opcua === undefined ? [] : [`  plant: { driver: opcua, url: '${opcua}' }`]),
    'devices:',
    ...numbers.map(
      (n) => `  - { id: sensor-${n}, connection: field, topic: ${topicOf(n)}, profile: demand, entity: 'zone:${n}' }`,
    ),
  ];
  const place = (n: number): string =>
    actuators === 'units' ? `unit: ${n}, profile: level-0` : `unit: 1, profile: level-${n}`;
  if (acts)
    lines.push(...numbers.map((n) => `  - { id: slot-${n}, connection: plc, ${place(n)}, entity: 'zone:${n}' }`));
  if (opcua !== undefined)
    lines.push(`  - { id: ahu-1, connection: plant, profile: air-handler, prefix: AHU1., entity: 'plant:ahu-1' }`);
  if (acts) {
    lines.push('bindings: { bench.level: [plc] }', 'operators:');
    lines.push('  level: { mode: live, path: ./operator, policy: ./policy.yaml }');
  }
  return `${lines.join('\n')}\n`;
}

/** A folder with the site and all that it names. */
export function makeSite(options: SiteOptions): string {
  const dir = scratch(`site-${options.mqtt}`);
  cpSync(join(import.meta.dirname, 'site'), dir, { recursive: true });
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}\n');
  writeFileSync(join(dir, 'site.yaml'), siteText(options));
  // What is a register of a controller is a model of its own: an address belongs to a profile.
  const level = readFileSync(join(dir, 'profiles', 'level.yaml'), 'utf8');
  for (let n = 0; n <= options.zones; n++)
    writeFileSync(join(dir, 'profiles', `level-${n}.yaml`), level.replace('address: 0', `address: ${n}`));
  return dir;
}

export const dataOf = (siteDir: string): string => join(siteDir, 'data');

/** Beside what the image starts it with, such as `--cpu-prof`. */
const NODE_FLAGS = (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean);

export function startGateway(siteDir: string, environment: Readonly<Record<string, string>> = {}): Child {
  return new Child(
    process.execPath,
    [...NODE_FLAGS, join(installed(), 'cli', 'main.js'), 'up', join(siteDir, 'site.yaml')],
    {
      env: {
        ...process.env,
        NODE_ENV: 'production',
        MALLOC_ARENA_MAX: '1',
        MALLOC_TRIM_THRESHOLD_: '131072',
        NODE_COMPILE_CACHE: join(SCRATCH, 'compile-cache'),
        ...environment,
      },
    },
  );
}

/** The words of the log by which it says that it is ready. */
export const READY = '"msg":"ready"';

/** The processes of its operators. */
export const hostsOf = (gateway: Child): readonly number[] => descendants(gateway.pid);
