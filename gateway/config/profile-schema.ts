/**
 * What may stand in a device profile: `docs/PROFILES.md` says it for people. The keys of a point's address are those of the driver.
 */
import { CAPABILITY_PATTERN, duration, type DriverModule, EFFECT_CLASSES, UNITS } from '@fibric/sdk';
import { z } from 'zod';
import { eventType, pointName, profileName } from './words.ts';

const scalar = z.union([z.number(), z.boolean(), z.string().max(200)]);

const spike = z.strictObject({
  delta: z.number().positive(),
  confirm: z.int().min(2).max(100).default(3),
});

const POINT_KEYS = {
  unit: z.enum(UNITS).optional(),
  event: eventType.optional(),
  access: z.enum(['read', 'write', 'read_write']).default('read'),
  poll: duration.optional(),
  stale_after: z.union([z.literal('never'), duration]).optional(),
  deadband: z.number().nonnegative().optional(),
  range: z
    .tuple([z.number(), z.number()])
    .refine(([min, max]) => min < max, 'expected [lowest, highest], such as [-40, 85]')
    .optional(),
  plausibility: z.strictObject({ spike: spike.optional(), stuck: duration.optional() }).default({}),
};

const writeSource = z.union([
  z.string(),
  z.strictObject({ arg: z.string(), map: z.record(z.string(), scalar).optional() }),
  z.strictObject({ const: scalar }),
]);

const verify = z.strictObject({
  read: z.record(pointName, pointName).default({}),
  tolerance: z.number().nonnegative().default(0),
  settle: duration.prefault('100ms'),
  late_write_window: duration.optional(),
  tries: z.int().min(1).max(20).default(3),
});

/** The arguments of a capability of the device's own. */
const argument = z.union([
  z.enum(['name', 'text', 'number', 'integer', 'boolean']),
  z.strictObject({ number: z.strictObject({ min: z.number(), max: z.number() }) }),
  z.strictObject({ one_of: z.array(z.string()).min(1) }),
]);

const tool = z.strictObject({
  effect: z.enum(EFFECT_CLASSES).default('relative_or_pulse'),
  writes: z
    .record(pointName, writeSource)
    .refine((writes) => Object.keys(writes).length > 0, 'expected a point to write'),
  verify: verify.optional(),
  proof: pointName.optional(),
  timeout: duration.prefault('2s'),
  input: z.record(pointName, argument).optional(),
  entity: z
    .string()
    .regex(/^[a-z][a-z0-9_-]*:\{[a-z][a-z0-9_]*\}$/, 'expected kind:{argument}, such as zone:{zone}')
    .optional(),
  value: z.string().optional(),
});

/** What a device says of itself when it is the one that this file is about: point → value. */
export const identityOf = z.record(pointName, scalar);

const capability = z.string().regex(CAPABILITY_PATTERN, 'expected noun.verb, such as hvac.setpoint');

const FIXED = {
  $schema: z.string().optional(),
  profile: profileName.optional(),
  description: z.string().min(1).max(500),
  poll: duration.optional(),
  stale_after: POINT_KEYS.stale_after,
  identity: identityOf.default({}),
  reads: z.record(capability, z.array(pointName).min(1)).default({}),
  tools: z.record(capability, tool).default({}),
};

export type ArgumentForm = z.output<typeof argument>;
export type ToolEntry = z.output<typeof tool>;
export type PointEntry = z.output<z.ZodObject<typeof POINT_KEYS>> & Readonly<Record<string, unknown>>;
export type ProfileFile = z.output<z.ZodObject<typeof FIXED>> & {
  readonly driver: string;
  readonly points: Readonly<Record<string, PointEntry>>;
};

/** The keys of a point that are ours; the others are its address. */
export const OUR_POINT_KEYS: ReadonlySet<string> = new Set(Object.keys(POINT_KEYS));

/** The schema of a profile for `driver`; null: for a driver that is not known, of which only that is said. */
export function profileSchema(drivers: readonly DriverModule[], driver: DriverModule | null): z.ZodType<ProfileFile> {
  const point = driver === null ? z.looseObject({}) : driver.point.safeExtend(POINT_KEYS);
  return z.strictObject({
    ...FIXED,
    driver: z.enum(drivers.map((one) => one.protocol)),
    points: z.record(pointName, point),
  }) as unknown as z.ZodType<ProfileFile>;
}

/** The schema of a profile for any of the drivers, for editors. */
export function anyProfileSchema(drivers: readonly DriverModule[]): z.ZodType<ProfileFile> {
  return z.union(drivers.map((driver) => profileSchema([driver], driver)));
}
