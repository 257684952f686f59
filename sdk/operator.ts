/**
 * What an operator is: a goal, the complete list of what it may sense or propose, a trigger, and `run`.
 *
 * O1 An operator's context has no side-effecting call, in its type or at run time: it proposes, it never disposes.
 */
import { z } from 'zod';
import { CAPABILITY_PATTERN } from './capabilities.ts';
import { parseDuration } from './duration.ts';
import type { Envelope } from './envelope.ts';
import type { ExecutionPlan, PlannedAction } from './plan.ts';
import type { PointValue, Provenance, Quality, QualityReason } from './reading.ts';

const eventGlob = z
  .string()
  .regex(/^(ask|[a-z*][a-z0-9_*]*(\.[a-z*][a-z0-9_*]*)+)$/, 'an event type, a glob such as zone.*, or ask');
const every = z
  .string()
  .refine((text) => (parseDuration(text) ?? 0) >= 1_000, 'a duration of at least 1s, such as 15m');

export const triggerSchema = z.union([z.strictObject({ on: eventGlob }), z.strictObject({ every })]);
export type Trigger = z.infer<typeof triggerSchema>;

/** One point as `ctx.sense` shows it. Ages are seconds of the site's time. */
export interface SensedPoint {
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly quality_reason: QualityReason | null;
  readonly provenance: Provenance;
  /** Since this value arrived. */
  readonly age_s: number;
  /** Since it last differed: how long it has been what it is. */
  readonly unchanged_s: number;
  /** It was seen to change; false: `unchanged_s` counts from the first reading since the gateway started. */
  readonly change_seen: boolean;
  readonly device: string;
}

/** What a read capability made of points returns: the entities that offer it, each with the points that belong to it. */
export interface Sensed {
  readonly at: string;
  readonly entities: readonly {
    readonly kind: string;
    readonly id: string;
    readonly points: Readonly<Record<string, SensedPoint>>;
  }[];
}

export interface ReasonRequest {
  readonly input: unknown;
  readonly instruction: string;
  readonly schema?: z.ZodType;
}

export interface OperatorContext<S = Record<string, unknown>> {
  readonly event: Envelope;
  /** The site's settings for this operator, checked against `settings` and with its defaults filled in. */
  readonly settings: S;
  /** The site's time now (RFC 3339 UTC), its zone (IANA) and its local wall time. */
  readonly now: { readonly utc: string; readonly zone: string; readonly local: string };
  /** Small key-value memory: read at the top, written by returning `state` with the plan. */
  readonly state: Readonly<Record<string, unknown>>;
  /** Reads through a capability of `requires`. Throws `CapabilityError` when it is not required or not bound. */
  sense(capability: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** The connection ids a capability is bound to; empty when it is unbound. */
  binding(capability: string): string;
  bound(capability: string): boolean;
  /** Reasons over `input`; the answer is checked against `schema` before it comes back. */
  reason<T extends z.ZodType>(request: ReasonRequest & { readonly schema: T }): Promise<z.output<T>>;
  reason(input: unknown): Promise<ExecutionPlan>;
  propose(actions: readonly PlannedAction[], reasoning?: string): ExecutionPlan;
  /** A deterministic key part: `ctx.key('ev', 'BK-7741')` is `ev=BK-7741`. */
  key(kind: 'ev' | 'win', id: string): string;
  readonly log: (message: string) => void;
}

export interface Operator {
  readonly name: string;
  readonly goal: string;
  readonly requires: readonly string[];
  readonly triggers: readonly Trigger[];
  readonly model: string | null;
  readonly settings: z.ZodType | null;
  readonly run: (ctx: OperatorContext<never>) => Promise<unknown> | unknown;
  /** The deterministic reasoner that the operator ships, used by the `rules` provider. */
  readonly rules: ((request: ReasonRequest) => unknown) | null;
}

export interface OperatorDefinition<S extends z.ZodType = z.ZodType<Record<string, unknown>>> {
  readonly name: string;
  readonly goal: string;
  /** Every capability it may sense or propose through. `capabilities` is the tutorial's word for the same. */
  readonly requires?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly trigger?: Trigger | readonly Trigger[];
  readonly model?: string;
  readonly settings?: S;
  readonly run: (ctx: OperatorContext<z.output<S>>) => Promise<unknown> | unknown;
  readonly rules?: (request: ReasonRequest) => unknown;
}

const definitionSchema = z.object({
  name: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'kebab-case, such as ship-risk'),
  goal: z.string().min(1),
  requires: z.array(z.string().regex(CAPABILITY_PATTERN, 'noun.verb')).min(1),
  triggers: z.array(triggerSchema),
  model: z
    .string()
    .regex(/^router:[a-z0-9-]+$/, 'a router alias such as router:reasoning')
    .nullable(),
});

/** Defines an operator. Throws a `TypeError` naming the field when the definition is not one. */
export function defineOperator<S extends z.ZodType = z.ZodType<Record<string, unknown>>>(
  definition: OperatorDefinition<S>,
): Operator {
  const trigger = definition.trigger ?? [];
  const head = definitionSchema.safeParse({
    name: definition.name,
    goal: definition.goal,
    requires: definition.requires ?? definition.capabilities,
    triggers: Array.isArray(trigger) ? trigger : [trigger],
    model: definition.model ?? null,
  });
  if (!head.success) {
    const issue = head.error.issues[0];
    throw new TypeError(`defineOperator: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a definition'}`);
  }
  return Object.freeze({
    ...head.data,
    settings: definition.settings ?? null,
    run: definition.run as Operator['run'],
    rules: definition.rules ?? null,
  });
}

/** Thrown by `ctx.sense` for a capability that is not required or not bound: names the capability and the operator. */
export class CapabilityError extends Error {
  override readonly name = 'CapabilityError';
  readonly capability: string;
  readonly operator: string;

  constructor(capability: string, operator: string, why: 'not_required' | 'not_bound') {
    super(
      why === 'not_required'
        ? `operator '${operator}' may not use '${capability}': add it to its requires`
        : `capability '${capability}' is not bound for operator '${operator}': add it to bindings in the site file`,
    );
    this.capability = capability;
    this.operator = operator;
  }
}
