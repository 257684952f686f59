/** What a kind of constraint is: a schema, and a pure predicate over one constraint of the kind and the facts. */
import type { z } from 'zod';
import type { ActionFacts, Facts, Moment } from '../types.ts';

/** The stages of execution semantics §2.10 that a policy decides, in their order; `box` is: is there a policy at all. */
export const STAGES = [
  'box',
  'grant',
  'value',
  'quantity',
  'evidence',
  'authority',
  'motion',
  'approval',
  'lease',
] as const;
export type Stage = (typeof STAGES)[number];

/** Null: the constraint holds. `noop`: it holds, and there is nothing to write. `note`: it holds, and there is something to say of it. */
export type Answer = {
  readonly kind: 'fails' | 'noop' | 'note';
  readonly reason_code: string;
  readonly reason: string;
} | null;

export interface Kind<S extends z.ZodType> {
  readonly schema: S;
  readonly stage: Stage;
  /** When it is asked: what needs a device, or the very moment, only at the head of the lane. */
  readonly at: readonly Moment[];
  /** Anything thrown here blocks as `rule_error`. Durations of a constraint are milliseconds by now. */
  readonly check: (constraint: z.output<S>, facts: Facts) => Answer;
}

/** The constraint does not hold. `reason` says what was compared with what. */
export function fails(reason_code: string, reason: string): Answer {
  return { kind: 'fails', reason_code, reason };
}

/** The number at the end of `zone:412`, so to speak: the id of the entity that is acted on. */
export function entityId(action: ActionFacts): string {
  const colon = action.entity_key.indexOf(':');
  if (colon < 1) throw new Error(`entity '${action.entity_key}' is not kind:id`);
  return action.entity_key.slice(colon + 1);
}

/** Seconds for people: `312 s`, `0.5 s`. */
export function seconds(ms: number): string {
  return `${Number((ms / 1_000).toFixed(1))} s`;
}

/** At most three decimals: enough for a person, and no `0.30000000000000004`. */
export function short(value: number): string {
  return String(Number(value.toFixed(3)));
}
