/**
 * What may stand in a site file. The keys of connections and devices are those of their drivers, so the schema is made for the
 * drivers there are and, to say which keys a device takes, for the connections of the file at hand.
 */
import { CAPABILITY_PATTERN, type DriverModule, duration, type Entity, MODES } from '@fibric/sdk';
import { z } from 'zod';
import { publicKeyOf } from './policy-signature.ts';
import { parseKey, WITNESS_KEY } from '../proof/note.ts';
import { identityOf } from './profile-schema.ts';
import { alertsSchema } from './alerts.ts';
import {
  address,
  connectionId,
  deviceId,
  entity,
  eventGlob,
  identifier,
  instant,
  operatorName,
  personName,
  pointName,
  profileName,
  slot,
  timezone,
} from './words.ts';
import { ROLES } from './site.ts';

const site = z.strictObject({
  tenant: identifier.optional(),
  reseller: identifier.optional(),
  workspace: identifier.optional(),
  name: z.string().min(1).max(100),
  timezone,
});

const policyKey = z.string().superRefine((text, context) => {
  const key = publicKeyOf(text);
  if (typeof key === 'string') context.addIssue(key);
});

const gateway = z.strictObject({
  listen: address.prefault('127.0.0.1:8480'),
  data: z.string().min(1).default('./data'),
  policy_keys: z.array(policyKey).default([]),
});

const simulation = z.strictObject({
  world: identifier,
  speed: z.number().positive().max(100_000).default(1),
  epoch: instant,
  started: instant,
});

const broker = z.strictObject({
  listen: address.prefault('127.0.0.1:1883'),
  auth: z.strictObject({ user: slot, pass: slot }).optional(),
});

const operator = z.strictObject({
  uid: operatorName.optional(),
  path: z.string().min(1).optional(),
  mode: z.enum(MODES).default('propose_only'),
  policy: z
    .union([z.string(), z.array(z.string())])
    .transform((files) => (typeof files === 'string' ? [files] : files))
    .prefault([]),
  settings: z.record(z.string(), z.unknown()).default({}),
});

const upstream = z.strictObject({
  to: z.url({ protocol: /^https?$/, error: 'expected a URL such as https://api.example.com' }),
  auth: z.strictObject({ secret: slot }).optional(),
  events: z.array(eventGlob).default([]),
  witness: z
    .strictObject({
      key: z.string().refine((text) => {
        const key = parseKey(text);
        return typeof key === 'object' && key.type === WITNESS_KEY;
      }, 'expected the key of a witness, <name>+<id>+<base64>'),
      to: z.url({ protocol: /^https?$/, error: 'expected a URL such as https://witness.example.com' }).optional(),
    })
    .optional(),
});

const heartbeat = z.strictObject({
  device: deviceId,
  point: pointName,
  period: duration.refine((ms) => ms >= 100, 'expected 100ms or more').prefault('10s'),
});

const capability = z.string().regex(CAPABILITY_PATTERN, 'expected noun.verb, such as hvac.setpoint');
const alias = z.string().regex(/^router:[a-z0-9-]+$/, 'expected a router alias, such as router:reasoning');

const FIXED = {
  $schema: z.string().optional(),
  site,
  gateway: gateway.prefault({}),
  simulation: simulation.optional(),
  profiles: z.string().min(1).optional(),
  broker: broker.optional(),
  bindings: z.record(capability, z.array(connectionId).min(1)).default({}),
  operators: z.record(operatorName, operator).default({}),
  models: z
    .record(alias, z.array(z.strictObject({ provider: z.literal('rules') })).min(1))
    .default({ 'router:reasoning': [{ provider: 'rules' }] }),
  upstream: upstream.optional(),
  heartbeat: heartbeat.optional(),
  alerts: alertsSchema.optional(),
  people: z.record(personName, z.strictObject({ roles: z.array(z.enum(ROLES)).default([]) })).optional(),
};

/** A connection or device as written: our keys, and those of its driver. */
export type ConnectionEntry = Readonly<Record<string, unknown>>;
export type DeviceEntry = {
  readonly id: string;
  readonly connection: string;
  readonly profile: string;
  readonly entity: Entity;
  readonly identity?: z.output<typeof identityOf>;
} & Readonly<Record<string, unknown>>;

export type SiteFile = z.output<z.ZodObject<typeof FIXED>> & {
  readonly connections: Readonly<Record<string, ConnectionEntry>>;
  readonly devices: readonly DeviceEntry[];
};

const DEVICE_KEYS = { id: deviceId, profile: profileName, entity, identity: identityOf.optional() };

/** The schema of a file whose connections are known: each with its driver, or null when that is not a driver of ours. */
export function siteSchema(
  drivers: readonly DriverModule[],
  connections: ReadonlyMap<string, DriverModule | null>,
): z.ZodType<SiteFile> {
  const forms = [...connections].map(([id, driver]) => deviceForm(z.literal(id), driver));
  const none = z.array(z.never()).max(0, 'there are devices, but no connections for them');
  return compose(drivers, forms.length === 0 ? none : z.array(union('connection', forms)));
}

/** The schema of any file, for editors: a device takes the keys of one of the drivers. */
export function anySiteSchema(drivers: readonly DriverModule[]): z.ZodType<SiteFile> {
  return compose(drivers, z.array(z.union(drivers.map((driver) => deviceForm(connectionId, driver)))));
}

/** The driver of a connection as written: the one it names, or, when it names a connector instead, the one that runs connectors. */
export function driverOf(
  drivers: readonly DriverModule[],
  entry: Readonly<Record<string, unknown>>,
): DriverModule | null {
  const found = drivers.find((one) =>
    entry.driver === undefined ? runsConnectors(one) : one.protocol === entry.driver,
  );
  return found ?? null;
}

function runsConnectors(driver: DriverModule): boolean {
  return 'connector' in driver.connection.shape;
}

function compose(drivers: readonly DriverModule[], devices: z.ZodType): z.ZodType<SiteFile> {
  const forms = drivers.map((driver) => {
    const name = z.literal(driver.protocol);
    return driver.connection.safeExtend({ driver: runsConnectors(driver) ? name.optional() : name });
  });
  return z.strictObject({
    ...FIXED,
    connections: z.record(connectionId, union('driver', forms)).default({}),
    devices: devices.prefault([]),
  }) as unknown as z.ZodType<SiteFile>;
}

function deviceForm(connection: z.ZodType<string>, driver: DriverModule | null): z.ZodObject {
  // Of an unknown driver nothing is known but that: its devices' keys are not found fault with.
  const own = driver === null ? z.looseObject({}) : driver.device;
  return own.safeExtend({ ...DEVICE_KEYS, connection });
}

function union(key: string, forms: readonly z.ZodObject[]): z.ZodType {
  return z.discriminatedUnion(key, forms as unknown as readonly [z.core.$ZodTypeDiscriminable]);
}
