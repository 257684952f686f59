/**
 * The capability vocabulary: what can be read and done, named by intent (`noun.verb`), with no vendor or protocol word.
 * A device profile may add a capability of its own by declaring `input` and `entity` on the tool.
 */
import { z } from 'zod';

export const CAPABILITY_PATTERN = /^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$/;

/** How an action of this kind behaves when it is repeated; see docs/ARCHITECTURE.md, "Effect classes". */
export const EFFECT_CLASSES = ['absolute_set', 'keyed_call', 'relative_or_pulse', 'message'] as const;
export type EffectClass = (typeof EFFECT_CLASSES)[number];

export interface Capability {
  readonly name: string;
  readonly side_effecting: boolean;
  readonly input: z.ZodType<Record<string, unknown>>;
  /** `kind:id` of what an action with these arguments acts on; null when an argument is missing. */
  readonly entity_key: (args: Readonly<Record<string, unknown>>) => string | null;
  /** The argument with the quantity that a policy's ceiling applies to, or null when the capability has none. */
  readonly value: string | null;
  /** The action part of the intent key: `comfort:zone:412:setpoint`. */
  readonly action: string;
}

const name = z.string().regex(/^[A-Za-z0-9._/-]{1,100}$/);
const celsius = z.number().min(-60).max(150);

function entityOf(kind: string, argument: string): Capability['entity_key'] {
  return (args) => (typeof args[argument] === 'string' ? `${kind}:${args[argument]}` : null);
}

/** The quantity that a policy's ceiling applies to; null when there is none. */
export function valueIn({ value }: Capability, args: Readonly<Record<string, unknown>>): number | null {
  const given = value === null ? null : args[value];
  return typeof given === 'number' ? given : null;
}

function write(
  capability: string,
  kind: string,
  argument: string,
  input: z.ZodRawShape,
  value: string | null = null,
): Capability {
  return {
    name: capability,
    side_effecting: true,
    input: z.strictObject(input) as z.ZodType<Record<string, unknown>>,
    entity_key: entityOf(kind, argument),
    value,
    action: capability.slice(capability.indexOf('.') + 1),
  };
}

function read(capability: string): Capability {
  return {
    name: capability,
    side_effecting: false,
    input: z.record(z.string(), z.unknown()),
    entity_key: () => null,
    value: null,
    action: 'read',
  };
}

const VOCABULARY: readonly Capability[] = [
  ...[
    'occupancy.read',
    'climate.read',
    'bookings.read',
    'energy.read',
    'lighting.read',
    'dock.read',
    'wms.read',
    'orders.read',
    'points.read',
  ].map(read),
  write(
    'hvac.setpoint',
    'zone',
    'zone',
    { zone: name, celsius, mode: z.string().optional(), until: z.string().optional() },
    'celsius',
  ),
  write('hvac.mode', 'zone', 'zone', { zone: name, mode: z.enum(['off', 'heat', 'cool', 'auto', 'fan_only']) }),
  write('lighting.scene', 'zone', 'zone', { zone: name, scene: name }),
  write('lighting.level', 'zone', 'zone', { zone: name, percent: z.number().min(0).max(100) }, 'percent'),
  write('wave.release', 'wave', 'wave', { wave: name }),
  write('task.assign', 'task', 'task', { task: name, assignee: name }),
  write('pick.reslot', 'pick', 'pick', { pick: name, slot: name }),
  write('orders.hold', 'order', 'order', { order: name, reason: z.string().max(500).optional() }),
  write('notify.send', 'channel', 'channel', { channel: name, text: z.string().max(2_000) }),
  write('point.set', 'point', 'point', { point: name, value: z.union([z.number(), z.boolean(), z.string().max(200)]) }),
];

/** The product's own capabilities, by name. */
export const CAPABILITIES: ReadonlyMap<string, Capability> = new Map(VOCABULARY.map((c) => [c.name, c]));
