/**
 * single_flight: `by_<arg>`, one action at a time for what the argument names (G-SF-2). The lanes themselves are the executor's;
 * here is asked only whether there is something to name the lane by.
 */
import { z } from 'zod';
import type { ActionFacts, Facts } from '../types.ts';
import { type Answer, fails } from './kind.ts';

const PATTERN = /^by_[a-z][a-z0-9_]*$/;

export const schema = z
  .string({ error: 'expected by_ and an argument, such as by_zone' })
  .regex(PATTERN, 'expected by_ and an argument, such as by_zone');

export function check(singleFlight: z.output<typeof schema>, facts: Facts): Answer {
  if (laneOf(singleFlight, facts.action) !== null) return null;
  return fails(
    'entity_unresolved',
    `single_flight is ${singleFlight}, but neither an argument nor the entity '${facts.action.entity_key}' says which one`,
  );
}

/** What the action is alone on: the argument's value, or the entity when it is of that kind (`by_zone_id` for `zone:412`). */
export function laneOf(singleFlight: string, action: ActionFacts): string | null {
  const name = singleFlight.slice('by_'.length);
  const given = action.args[name];
  if ((typeof given === 'string' && given !== '') || typeof given === 'number') return `${name}:${given}`;
  const kind = name.replace(/_id$/, '');
  return action.entity_key.startsWith(`${kind}:`) ? action.entity_key : null;
}
