/**
 * From a site file to the site: everything it names is read, checked and put together.
 *
 * F1 All findings of the site file, its profiles and its policies stand in one answer, each with file, line and column.
 * F2 With one finding there is no site. Nothing unknown is passed over, nothing is guessed. A policy with a finding is not used, and does
 *    not keep the site from starting: what was decided by before still stands in the journal (G-PS-3).
 * F3 What comes out does not change any more.
 */
import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import type { DriverModule } from '@fibric/sdk';
import { type Finding, inOrder } from '@fibric/policy';
import { baseOf } from '../sync/uplink.ts';
import { alertChannels, checkAlerts } from './alerts.ts';
import { checkHeartbeat, checkSecrets, checkSite } from './checks.ts';
import { buildDevice } from './device.ts';
import { deepFreeze, frozenMap } from './freeze.ts';
import { type LoadedOperator, loadOperators } from './operators.ts';
import { type Outline, outlineOf } from './outline.ts';
import { type LoadedProfile, loadProfile, statesOf } from './profile.ts';
import type { Connection, Device, OperatorSite, Site } from './site.ts';
import { driverOf, type SiteFile, siteSchema } from './site-schema.ts';
import { readSource, type Source } from './source.ts';
import { isLoopback } from './words.ts';

export interface LoadOptions {
  readonly drivers: readonly DriverModule[];
  /** Holds a folder for each operator that ships with the product. */
  readonly operatorsDir: string;
  /** Holds the profiles that ship with the product; the site's own come first. */
  readonly profilesDir: string;
  /** Overrides `gateway.data`. */
  readonly data?: string;
}

export type LoadedSite =
  | { readonly kind: 'ok'; readonly site: Site; readonly policyFindings: readonly Finding[] }
  /** What to mend, in the order of the files. */
  | { readonly kind: 'invalid'; readonly findings: readonly Finding[] };

export function loadSite(file: string, options: LoadOptions): LoadedSite {
  const source = readSource(file);
  if ('findings' in source) return { kind: 'invalid', findings: source.findings };
  const { drivers } = options;
  const outline = outlineOf(source.root);
  const folders = [...(outline.profiles === null ? [] : [join(dirname(file), outline.profiles)]), options.profilesDir];
  const profiles = loadProfiles(outline, folders, drivers);
  const places = { source, base: dirname(file), operatorsDir: options.operatorsDir };
  const { operators, names, policyFindings, ...ofOperators } = loadOperators(places, outline, profiles);
  const modules = new Map([...outline.connections].map(([id, entry]) => [id, driverOf(drivers, entry)]));
  const checked = source.check(siteSchema(drivers, modules));
  const place = { source, outline, drivers, profiles, folders };
  const found = [
    ...('findings' in checked
      ? checked.findings
      : [
          ...checkAddresses(source, checked.value),
          ...checkHeartbeat(place, checked.value),
          ...checkAlerts(source, checked.value),
        ]),
    ...checkSite(place),
    ...[...profiles.values()].flatMap((one) => (one.kind === 'invalid' ? one.findings : [])),
    ...ofOperators.findings,
  ];
  // A driver may have refused a URL for the secret in it already.
  const findings = [
    ...found,
    ...checkSecrets(source).filter((secret) => !found.some((other) => isSamePlace(secret, other))),
  ];
  if ('findings' in checked || findings.length > 0)
    return { kind: 'invalid', findings: inOrder([...findings, ...policyFindings]) };
  const site = build(checked.value, { source, options, profiles, operators, names });
  return { kind: 'ok', site, policyFindings: inOrder(policyFindings) };
}

/** The witness of the upstream; its API stands beside the events' where nothing else is said. */
function witnessOf(upstream: SiteFile['upstream']): Site['witness'] {
  if (!upstream?.witness) return null;
  const { key, to = `${baseOf(upstream.to)}v1/witness` } = upstream.witness;
  return { key, url: to.replace(/\/+$/, '') };
}

function loadProfiles(
  outline: Outline,
  folders: readonly string[],
  drivers: readonly DriverModule[],
): ReadonlyMap<string, LoadedProfile> {
  const names = new Set(outline.devices.flatMap(({ profile }) => (profile === null ? [] : [profile])));
  return new Map([...names].map((name) => [name, loadProfile(name, folders, drivers)]));
}

function isSamePlace(a: Finding, b: Finding): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column;
}

/** Addresses that others could reach. */
function checkAddresses(source: Source, file: SiteFile): readonly Finding[] {
  const { listen } = file.gateway;
  const found: Finding[] = [];
  if (!isLoopback(listen.host)) {
    found.push(
      source.at(['gateway', 'listen'], `the local API answers on this machine only: use 127.0.0.1:${listen.port}`),
    );
  }
  const { broker } = file;
  if (broker !== undefined && broker.auth === undefined && !isLoopback(broker.listen.host)) {
    const message = `a broker that others can reach asks who they are: add auth: { user, pass }, or listen on 127.0.0.1:${broker.listen.port}`;
    found.push(source.at(['broker', 'listen'], message));
  }
  return found;
}

interface Parts {
  readonly source: Source;
  readonly options: LoadOptions;
  readonly profiles: ReadonlyMap<string, LoadedProfile>;
  readonly operators: ReadonlyMap<string, LoadedOperator>;
  readonly names: ReadonlySet<string>;
}

/** The tenant of a simulated site that names none; nothing live is ever stored under it. */
const SIMULATED_TENANT = 't_simulated';

function build(file: SiteFile, parts: Parts): Site {
  const { source, options } = parts;
  const base = dirname(source.file);
  const { site, gateway, simulation, broker, upstream, heartbeat, people } = file;
  const connections = buildConnections(file, parts);
  const devices = connections.flatMap((connection) => connection.devices);
  const data = options.data === undefined ? resolve(base, gateway.data) : resolve(options.data);
  return deepFreeze<Site>({
    file: resolve(source.file),
    hash: createHash('sha256').update(source.bytes).digest('hex'),
    identity: {
      tenant_id: site.tenant ?? SIMULATED_TENANT,
      reseller_id: site.reseller ?? null,
      workspace_id: site.workspace ?? null,
    },
    name: site.name,
    timezone: site.timezone,
    simulation:
      simulation === undefined
        ? null
        : {
            world: simulation.world,
            speed: simulation.speed,
            epoch_ms: simulation.epoch,
            started_ms: simulation.started,
          },
    listen: gateway.listen,
    data,
    broker: broker === undefined ? null : { ...broker.listen, auth: broker.auth ?? null },
    witness: witnessOf(upstream),
    connections: frozenMap(connections.map((connection) => [connection.id, connection])),
    devices: frozenMap(devices.map((device) => [device.id, device])),
    bindings: frozenMap(Object.entries(file.bindings).map(([name, ids]) => [name, [...new Set(ids)]])),
    operators: Object.entries(file.operators).map(([name, entry]) => buildOperator(name, entry, parts)),
    policy_names: parts.names,
    policy_keys: gateway.policy_keys,
    models: frozenMap(Object.entries(file.models)),
    upstream:
      upstream === undefined
        ? null
        : { url: upstream.to, secret: upstream.auth?.secret ?? null, events: upstream.events },
    people: people === undefined ? null : frozenMap(Object.entries(people)),
    heartbeat:
      heartbeat === undefined
        ? null
        : {
            device: heartbeat.device,
            connection: devices.find(({ id }) => id === heartbeat.device)?.connection ?? '',
            point: heartbeat.point,
            period_ms: heartbeat.period,
          },
    alerts: alertChannels(file.alerts, data),
  });
}

function buildConnections(file: SiteFile, parts: Parts): readonly Connection[] {
  return Object.entries(file.connections).map(([id, entry]) => {
    const { driver: _, ...options } = entry;
    const driver = driverOf(parts.options.drivers, entry);
    if (driver === null) throw new Error(`the connection ${id} passed without a driver`);
    const entries = file.devices.filter((device) => device.connection === id);
    return { id, driver, options, devices: entries.map((device) => deviceOf(device, options, file, parts)) };
  });
}

function deviceOf(
  entry: SiteFile['devices'][number],
  connectionOptions: unknown,
  file: SiteFile,
  parts: Parts,
): Device {
  const { id, connection, profile, entity, identity = {}, ...options } = entry;
  const loaded = parts.profiles.get(profile);
  if (loaded?.kind !== 'ok') throw new Error(`the device ${id} passed without its profile`);
  const speed = file.simulation?.speed ?? 1;
  const place = { id, connection, entity, identity: statesOf(identity), connectionOptions, options, speed };
  return buildDevice(place, loaded.profile);
}

function buildOperator(name: string, entry: SiteFile['operators'][string], parts: Parts): OperatorSite {
  const loaded = parts.operators.get(name);
  if (loaded === undefined) throw new Error(`the operator ${name} was not loaded`);
  const { uid = name, mode, settings } = entry;
  return { name, uid, folder: loaded.folder, mode, policy_files: loaded.policy_files, settings };
}
