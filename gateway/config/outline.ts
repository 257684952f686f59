/**
 * What a site file names, whatever else is wrong with it: so that profiles and policies are read, and names compared, and all
 * findings stand in one answer.
 */
export interface DeviceOutline {
  readonly index: number;
  readonly id: string | null;
  readonly connection: string | null;
  readonly profile: string | null;
  readonly entity: string | null;
  /** Points that are to say which device this is. */
  readonly identity: readonly string[];
}

export interface Outline {
  /** Connection id to what is written under it. */
  readonly connections: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly devices: readonly DeviceOutline[];
  readonly bindings: ReadonlyMap<string, readonly unknown[]>;
  readonly operators: ReadonlyMap<string, { readonly path: string | null; readonly policy: readonly string[] }>;
  readonly profiles: string | null;
  readonly policyKeys: readonly string[];
  readonly simulated: boolean;
  /** There is a `site` section, and no tenant in it. */
  readonly tenantMissing: boolean;
}

export function outlineOf(root: unknown): Outline {
  const top = record(root);
  return {
    connections: new Map(Object.entries(record(top.connections)).map(([id, entry]) => [id, record(entry)])),
    devices: list(top.devices).map((entry, index) => device(record(entry), index)),
    bindings: new Map(Object.entries(record(top.bindings)).map(([capability, ids]) => [capability, list(ids)])),
    operators: new Map(Object.entries(record(top.operators)).map(([name, entry]) => [name, operator(record(entry))])),
    profiles: text(top.profiles),
    policyKeys: list(record(top.gateway).policy_keys).filter((key) => typeof key === 'string'),
    simulated: top.simulation !== undefined,
    tenantMissing: top.site !== undefined && record(top.site).tenant === undefined,
  };
}

function device(entry: Readonly<Record<string, unknown>>, index: number): DeviceOutline {
  const { id, connection, profile, entity, identity } = entry;
  return {
    index,
    id: text(id),
    connection: text(connection),
    profile: text(profile),
    entity: text(entity),
    identity: Object.keys(record(identity)),
  };
}

function operator({ path, policy }: Readonly<Record<string, unknown>>): {
  readonly path: string | null;
  readonly policy: readonly string[];
} {
  const files = typeof policy === 'string' ? [policy] : list(policy).filter((file) => typeof file === 'string');
  return { path: text(path), policy: files };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
