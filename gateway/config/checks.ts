/**
 * What no schema can see: names that lead nowhere, two answers to one question, and what a site must not do. Works on the outline
 * and on the profiles that could be read, so that it finds what it can whatever else is wrong.
 */
import { CAPABILITIES, type DriverModule, entityKey, parseEntityKey } from '@fibric/sdk';
import { didYouMean, type Finding, type Path } from '@fibric/policy';
import { entityKindOf } from './capability.ts';
import type { DeviceOutline, Outline } from './outline.ts';
import type { LoadedProfile, Profile } from './profile.ts';
import { driverOf, type SiteFile } from './site-schema.ts';
import type { Source } from './source.ts';
import { isLoopback } from './words.ts';

export interface CheckedSite {
  readonly source: Source;
  readonly outline: Outline;
  readonly drivers: readonly DriverModule[];
  readonly profiles: ReadonlyMap<string, LoadedProfile>;
  /** Where profiles were looked for. */
  readonly folders: readonly string[];
}

export function checkSite(site: CheckedSite): readonly Finding[] {
  return [...checkIds(site), ...checkDevices(site), ...checkBindings(site), ...checkWorld(site)];
}

function checkIds({ source, outline }: CheckedSite): readonly Finding[] {
  const first = new Map<string, number>();
  return outline.devices.flatMap(({ id, index }) => {
    if (id === null) return [];
    const before = first.get(id);
    if (before !== undefined)
      return [source.at(['devices', index, 'id'], `the id '${id}' is already that of devices[${before}]`)];
    first.set(id, index);
    return [];
  });
}

function checkDevices(site: CheckedSite): readonly Finding[] {
  const { source, outline, drivers, profiles, folders } = site;
  return outline.devices.flatMap((device) => {
    const loaded = profiles.get(device.profile ?? '');
    const path = ['devices', device.index, 'profile'];
    if (loaded?.kind === 'missing') {
      return [source.at(path, `there is no profile '${device.profile}' in ${folders.join(' or ')}${loaded.hint}`)];
    }
    if (loaded?.kind !== 'ok') return [];
    const { profile } = loaded;
    const entry = outline.connections.get(device.connection ?? '');
    const driver = entry === undefined ? null : driverOf(drivers, entry);
    if (driver !== null && driver !== profile.driver) {
      const message = `the profile '${profile.name}' is for ${profile.driver.protocol}, but '${device.connection}' is ${driver.protocol}`;
      return [source.at(path, message)];
    }
    return [...checkKinds(source, device, profile), ...checkIdentity(source, device, profile)];
  });
}

/** A tool that acts on zones cannot be found by a plan when its device is something else. */
function checkKinds(source: Source, device: DeviceOutline, profile: Profile): readonly Finding[] {
  const kind = device.entity === null ? null : (parseEntityKey(device.entity)?.kind ?? null);
  if (kind === null) return [];
  return profile.tools
    .map(({ capability }) => ({ name: capability.name, wanted: entityKindOf(capability) }))
    .filter(({ wanted }) => wanted !== kind)
    .map(({ name, wanted }) =>
      source.at(
        ['devices', device.index, 'entity'],
        `its profile offers '${name}', which acts on a ${wanted}, not on a ${kind}`,
      ),
    );
}

/** A device is asked who it is on points that it has, and that can be read. */
function checkIdentity(source: Source, device: DeviceOutline, { points }: Profile): readonly Finding[] {
  const readable = points.filter(({ access }) => access !== 'write').map(({ name }) => name);
  return device.identity
    .filter((point) => !readable.includes(point))
    .map((point) =>
      source.atKey(
        ['devices', device.index, 'identity', point],
        `its profile has no readable point '${point}'${didYouMean(point, readable)}`,
      ),
    );
}

function checkBindings(site: CheckedSite): readonly Finding[] {
  return [...site.outline.bindings].flatMap(([capability, ids]) => [
    ...ids.flatMap((id, i) => checkBinding(site, capability, id, ['bindings', capability, i])),
    ...checkRivals(site, capability, ids),
  ]);
}

function checkBinding(site: CheckedSite, capability: string, id: unknown, path: Path): readonly Finding[] {
  const { source, outline } = site;
  if (typeof id !== 'string') return [];
  if (!outline.connections.has(id)) {
    return [source.at(path, `there is no connection '${id}'${didYouMean(id, outline.connections.keys())}`)];
  }
  const offered = offeredOn(site, id);
  if (offered === null || offered.has(capability)) return [];
  const names = [...CAPABILITIES.keys(), ...offered];
  const hint = names.includes(capability) ? '' : didYouMean(capability, names);
  return [source.at(path, `nothing on the connection '${id}' offers '${capability}'${hint}`)];
}

/** The capabilities of a connection; null when they cannot all be known, because a device or its profile has findings of its own. */
function offeredOn(site: CheckedSite, connection: string): ReadonlySet<string> | null {
  const { connections, devices } = site.outline;
  const driver = driverOf(site.drivers, connections.get(connection) ?? {});
  if (driver === null || devices.some((device) => !connections.has(device.connection ?? ''))) return null;
  const offered = new Set(driver.queries);
  for (const device of devices.filter((one) => one.connection === connection)) {
    const loaded = site.profiles.get(device.profile ?? '');
    if (loaded?.kind !== 'ok' || loaded.profile.driver !== driver) return null;
    for (const capability of Object.keys(loaded.profile.reads)) offered.add(capability);
    for (const tool of loaded.profile.tools) offered.add(tool.capability.name);
  }
  return offered;
}

/** One entity takes its orders from one device: a capability that two offer for it cannot be resolved. */
function checkRivals(site: CheckedSite, capability: string, ids: readonly unknown[]): readonly Finding[] {
  const first = new Map<string, DeviceOutline>();
  return site.outline.devices.flatMap((device) => {
    const loaded = site.profiles.get(device.profile ?? '');
    const entity = device.entity === null ? null : parseEntityKey(device.entity);
    if (loaded?.kind !== 'ok' || entity === null || !ids.includes(device.connection)) return [];
    if (!loaded.profile.tools.some((tool) => tool.capability.name === capability)) return [];
    const key = entityKey(entity);
    const rival = first.get(key);
    if (rival === undefined) {
      first.set(key, device);
      return [];
    }
    const message = `'${rival.id}' and '${device.id}' both offer '${capability}' for ${key}: only one device may`;
    return [site.source.at(['devices', device.index], message)];
  });
}

function checkWorld({ source, outline, drivers }: CheckedSite): readonly Finding[] {
  if (!outline.simulated) {
    return !outline.tenantMissing ? [] : [source.atKey(['site'], 'the tenant is missing: a live site belongs to one')];
  }
  return [...outline.connections].flatMap(([id, entry]) => {
    const { driver: _, ...options } = entry;
    const driver = driverOf(drivers, entry);
    const parsed = driver?.connection.safeParse(options);
    if (driver === null || !parsed?.success) return [];
    const { host } = driver.endpoint(parsed.data);
    const message = `a simulated site speaks to its own simulator on this machine only, and ${host} is not a loopback address`;
    return isLoopback(host) ? [] : [source.at(['connections', id], message)];
  });
}

/** The register of the heartbeat: of a device that is there, and one that can be read and written. */
export function checkHeartbeat({ source, outline, profiles }: CheckedSite, file: SiteFile): readonly Finding[] {
  if (file.heartbeat === undefined) return [];
  const { device, point } = file.heartbeat;
  const entry = outline.devices.find(({ id }) => id === device);
  const ids = outline.devices.flatMap(({ id }) => (id === null ? [] : [id]));
  if (entry === undefined)
    return [source.at(['heartbeat', 'device'], `there is no device '${device}'${didYouMean(device, ids)}`)];
  const loaded = profiles.get(entry.profile ?? '');
  if (loaded?.kind !== 'ok') return [];
  const { points, tools } = loaded.profile;
  const found = points.find(({ name }) => name === point);
  const names = points.map(({ name }) => name);
  const at = (message: string): readonly Finding[] => [source.at(['heartbeat', 'point'], message)];
  if (found === undefined) return at(`'${device}' has no point '${point}'${didYouMean(point, names)}`);
  if (found.access !== 'read_write')
    return at(`the point '${point}' must be both read and written: access: read_write`);
  const tool = tools.find(({ writes }) => writes.some((write) => write.point === point));
  return tool ? at(`the point '${point}' is written by '${tool.capability.name}': a heartbeat has one of its own`) : [];
}

const URL_SECRET = /\/\/[^\s/@]*:[^\s/@]+@|[?&](token|key|api_?key|secret|password)=[^\s&]+/i;

/** A secret in a URL, anywhere in the file. */
export function checkSecrets(source: Source): readonly Finding[] {
  const found: Finding[] = [];
  const walk = (value: unknown, path: Path): void => {
    if (typeof value === 'string' && URL_SECRET.test(value)) {
      found.push(
        source.at(path, 'a secret stands in this URL: name a slot under auth, and put the secret into the environment'),
      );
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value))
        walk(inner, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  };
  walk(source.root, []);
  return found;
}
