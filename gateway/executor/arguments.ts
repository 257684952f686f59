/** What a person typed, as the arguments that a capability takes. */
import { FibricError, valueIn } from '@fibric/sdk';
import { z } from 'zod';
import { argumentsOf } from '../config/capability.ts';
import type { DeviceTool } from '../config/site.ts';
import type { Wish } from './evaluate.ts';

/** The arguments that entity and value stand for, and words turned into what the capability takes. Throws `invalid_parameter`. */
export function argumentsFor(
  capability: DeviceTool['capability'] | null,
  { entity, args: given, value, capability: name }: Pick<Wish, 'entity' | 'args' | 'value' | 'capability'>,
): Readonly<Record<string, unknown>> {
  if (capability === null) return given;
  const args = Object.fromEntries(Object.entries(given).map(([key, one]) => [key, typed(capability, key, one)]));
  const free = argumentsOf(capability).filter((key) => !(key in args));
  if (entity !== null && capability.entity_key(args) !== entity) {
    const id = entity.slice(entity.indexOf(':') + 1);
    const key = free.find((one) => capability.entity_key({ ...args, [one]: id }) === entity);
    if (key === undefined) throw new FibricError('invalid_parameter', `${name} does not act on ${entity}`);
    args[key] = id;
  }
  if (value !== null && valueIn(capability, args) !== value) {
    const key = free.find((one) => one === capability.value);
    if (key === undefined) throw new FibricError('invalid_parameter', `${name} has no value: name its arguments`);
    args[key] = value;
  }
  return args;
}

/** `21.5` as it was typed is a number where the capability takes one. */
function typed({ input }: DeviceTool['capability'], key: string, given: unknown): unknown {
  const schema = input instanceof z.ZodObject ? (input.shape[key] as z.ZodType | undefined) : undefined;
  if (typeof given !== 'string' || !schema || schema.safeParse(given).success) return given;
  const words: Readonly<Record<string, unknown>> = { true: true, false: false };
  const meant = words[given] ?? Number(given);
  return given.trim() !== '' && schema.safeParse(meant).success ? meant : given;
}
