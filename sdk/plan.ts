/**
 * The execution plan: what an operator's run returns. A proposal, never an act. An empty plan is a plan.
 *
 * Two author forms load: the seed's `{connector, tool, args, entity_key, idempotency_key}` and the short
 * `{capability, args}`; the gateway completes both into one canonical action. A model never supplies keys.
 */
import { z } from 'zod';
import { LIMITS } from './limits.ts';

/** `ev=BK-7741`, `win=night/2026-07-02` or `once`: which occasion an action is meant for. Left out: the current episode. */
export const occurrenceSchema = z.string().regex(/^(once|(ev|win|ep)=[A-Za-z0-9._:@/+-]{1,120})$/);

const common = {
  args: z.record(z.string(), z.unknown()),
  value: z.number().optional(),
  occurrence: occurrenceSchema.optional(),
  revision: z.int().min(1).max(1_000_000).optional(),
  /** Ordinals (from 0) of the actions of this plan that must have ended first. Left out: all earlier ones. */
  after: z.array(z.int().min(0)).optional(),
  /** Points that the wish rests on beside those its rules look at, such as `zone:412/motion`: an approval holds while they are as they were. */
  depends_on: z.array(z.string().max(LIMITS.nameChars)).max(LIMITS.dependsOn).optional(),
};

export const capabilityActionSchema = z.strictObject({ capability: z.string(), ...common });

export const toolActionSchema = z.strictObject({
  connector: z.string(),
  tool: z.string(),
  entity_key: z.string(),
  idempotency_key: z.string(),
  ...common,
});

export const plannedActionSchema = z.union([capabilityActionSchema, toolActionSchema]);

export const executionPlanSchema = z.strictObject({
  reasoning: z.string().optional(),
  /** The tutorial's word for `reasoning`. */
  rationale: z.string().optional(),
  /** Who the plan says it is from: checked against the run, never believed. */
  operator: z.string().optional(),
  tenant_id: z.string().optional(),
  actions: z.array(plannedActionSchema),
  state: z.record(z.string(), z.unknown()).optional(),
});

export type CapabilityAction = z.infer<typeof capabilityActionSchema>;
export type ToolAction = z.infer<typeof toolActionSchema>;
export type PlannedAction = CapabilityAction | ToolAction;
export type ExecutionPlan = z.infer<typeof executionPlanSchema>;

/** A person is named: `person:anna`. */
export type ProposedBy = 'model' | 'rules' | `person:${string}`;

export const MODES = ['disabled', 'propose_only', 'shadow', 'live_limited', 'live'] as const;
export type Mode = (typeof MODES)[number];
