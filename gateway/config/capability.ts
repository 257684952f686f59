/** A capability that a device profile brings along: its arguments, what it acts on, and the quantity a ceiling applies to. */
import type { Capability } from '@fibric/sdk';
import { z } from 'zod';
import type { ArgumentForm } from './profile-schema.ts';

export interface OwnCapability {
  readonly input: Readonly<Record<string, ArgumentForm>>;
  /** `kind:{argument}`. */
  readonly entity: string;
  readonly value: string | null;
}

export function ownCapability(name: string, own: OwnCapability): Capability {
  const [kind = '', argument = ''] = own.entity.split(/[:{}]+/);
  const shape = Object.fromEntries(Object.entries(own.input).map(([key, form]) => [key, argumentSchema(form)]));
  return {
    name,
    side_effecting: true,
    input: z.strictObject(shape) as z.ZodType<Record<string, unknown>>,
    entity_key: (args) => (typeof args[argument] === 'string' ? `${kind}:${args[argument]}` : null),
    value: own.value,
    action: name.slice(name.indexOf('.') + 1),
  };
}

/** The names of a capability's arguments. */
export function argumentsOf(capability: Capability): readonly string[] {
  return capability.input instanceof z.ZodObject ? Object.keys(capability.input.shape) : [];
}

/** What kind of entity a capability acts on. */
export function entityKindOf(capability: Capability): string | null {
  const sample = Object.fromEntries(argumentsOf(capability).map((name) => [name, 'x']));
  return capability.entity_key(sample)?.split(':')[0] ?? null;
}

function argumentSchema(form: ArgumentForm): z.ZodType {
  if (typeof form === 'object') {
    return 'number' in form ? z.number().min(form.number.min).max(form.number.max) : z.enum(form.one_of);
  }
  switch (form) {
    case 'name':
      return z.string().regex(/^[A-Za-z0-9._/-]{1,100}$/);
    case 'text':
      return z.string().max(2_000);
    case 'number':
      return z.number();
    case 'integer':
      return z.int();
    case 'boolean':
      return z.boolean();
  }
}
