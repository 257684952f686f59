/**
 * From what a run returned to canonical actions, or to a reason why not. Everything that comes in is hostile.
 * Whole plans are rejected for their shape (execution §2.10 P1); single actions are refused with a receipt of their own.
 */
import {
  executionPlanSchema,
  type ExecutionPlan,
  type Identity,
  LIMITS,
  type PlannedAction,
  type PointValue,
  valueIn,
} from '@fibric/sdk';
import { executionTerms, type Policy } from '@fibric/policy';
import type { Bindings, Resolution } from '../bindings.ts';
import type { DeviceTool, WriteSource } from '../config/site.ts';
import { digest } from '../journal/canonical.ts';
import { type Action, actionId, type RefusedAction } from '../journal/entries.ts';
import type { Proposal } from '../kernel.ts';
import { type KeyMemory, mintKey, type KeyTime } from './keys.ts';

export type Admitted =
  | { readonly kind: 'action'; readonly action: Action; readonly resolution: Extract<Resolution, { kind: 'tool' }> }
  | {
      readonly kind: 'refused';
      readonly action: RefusedAction;
      readonly stage: string;
      readonly reason_code: string;
      readonly reason: string;
    };

export type ShapedPlan =
  | { readonly kind: 'plan'; readonly plan: ExecutionPlan }
  | { readonly kind: 'rejected'; readonly why: { readonly reason_code: string; readonly reason: string } };

/** How long after its plan an action may still start, in the site's time: what was sensed is worth no more by then. */
const ACTION_DEADLINE_MS = 15 * 60_000;

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Control characters, and marks that make text read other than it is stored (Unicode bidi controls). */
const BAD_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u202a-\u202e\u2066-\u2069]/u;

/** The first thing about `value` that no plan may hold, as `[code, sentence]`, or null. */
function hostile(value: unknown, path: string, depth: number): readonly [string, string] | null {
  if (depth > LIMITS.planDepth) return ['plan_depth', `deeper than ${LIMITS.planDepth} levels at ${path}`];
  if (typeof value === 'number') {
    const exact =
      Number.isFinite(value) && !Object.is(value, -0) && (!Number.isInteger(value) || Number.isSafeInteger(value));
    return exact ? null : ['bad_number', `${path} is not a number that can be kept exactly`];
  }
  if (typeof value === 'string') {
    const clean = value.isWellFormed() && !BAD_TEXT.test(value);
    return clean ? null : ['bad_string', `${path} holds characters that no text of a plan may hold`];
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key)) return ['plan_schema', `${path}.${key} is not a key a plan may have`];
    const found = hostile(item, `${path}.${key}`, depth + 1);
    if (found) return found;
  }
  return null;
}

/** The plan's shape: size, depth, numbers, text, schema, tenancy. */
export function shapePlan(raw: unknown, proposal: Proposal, identity: Identity): ShapedPlan {
  const reject = (reason_code: string, reason: string): ShapedPlan => ({
    kind: 'rejected',
    why: { reason_code, reason },
  });
  const bad = hostile(raw, 'plan', 0);
  if (bad) return reject(...bad);
  const bytes = Buffer.byteLength(JSON.stringify(raw) ?? '');
  if (bytes > LIMITS.planBytes) return reject('plan_too_large', `${bytes} bytes, at most ${LIMITS.planBytes}`);
  const parsed = executionPlanSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return reject('plan_schema', `plan.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a plan'}`);
  }
  const plan = parsed.data;
  if (plan.actions.length > LIMITS.planActions) {
    return reject('plan_too_large', `${plan.actions.length} actions, at most ${LIMITS.planActions}`);
  }
  if (plan.tenant_id !== undefined && plan.tenant_id !== identity.tenant_id) {
    return reject('tenant_mismatch', `the plan names tenant ${plan.tenant_id}; this site is ${identity.tenant_id}`);
  }
  if (plan.operator !== undefined && plan.operator !== proposal.operator.name) {
    return reject(
      'operator_mismatch',
      `the plan names operator ${plan.operator}; it comes from ${proposal.operator.name}`,
    );
  }
  for (const [ordinal, { after = [] }] of plan.actions.entries()) {
    const later = after.find((other) => other >= ordinal);
    if (later !== undefined) {
      return reject('plan_schema', `plan.actions.${ordinal}.after: ${later} does not come before ${ordinal}`);
    }
  }
  return { kind: 'plan', plan };
}

function valueFrom(source: WriteSource, args: Readonly<Record<string, unknown>>): Exclude<PointValue, null> | null {
  if (source.kind === 'constant') return source.value;
  const given = args[source.argument];
  if (source.map) return source.map[String(given)] ?? null;
  return typeof given === 'number' || typeof given === 'boolean' || typeof given === 'string' ? given : null;
}

/** What the tool would write, or the name of the argument that has no value for it. */
function targetOf(tool: DeviceTool, args: Readonly<Record<string, unknown>>): Action['target'] | string {
  const target: { point: string; value: Exclude<PointValue, null> }[] = [];
  for (const { point, from } of tool.writes) {
    const value = valueFrom(from, args);
    if (value === null) return from.kind === 'argument' ? from.argument : point;
    target.push({ point, value });
  }
  return target;
}

interface Place {
  readonly plan_id: string;
  readonly ordinal: number;
}

/** The capability of either author form: a short action names it, a canonical one names the tool that offers it. */
const capabilityOf = (planned: PlannedAction): string => ('capability' in planned ? planned.capability : planned.tool);

interface Refusal {
  readonly stage: string;
  readonly reason_code: string;
  readonly reason: string;
  readonly entity_key?: string;
}

/** An action whose arguments are checked and whose device is known; what is missing is its key. */
interface Resolved {
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
  readonly entity_key: string;
  /** The action part of its intent key. */
  readonly verb: string;
  readonly resolution: Extract<Resolution, { kind: 'tool' }>;
  readonly target: Action['target'];
}

const isRefusal = (found: object): found is Refusal => 'reason_code' in found;

function isPoint(bindings: Bindings, ref: string): boolean {
  const slash = ref.lastIndexOf('/');
  return slash > 0 && bindings.point(ref.slice(0, slash), ref.slice(slash + 1)) !== null;
}

/** Capability → schema → entity → device → values to write; each step may be the last. */
function resolve(
  planned: PlannedAction,
  capability: string,
  proposal: Proposal,
  bindings: Bindings,
): Resolved | Refusal {
  const shape = (reason_code: string, reason: string): Refusal => ({ stage: 'shape', reason_code, reason });
  if (!proposal.requires.includes(capability)) {
    return shape('not_in_requires', `${capability} is not in the requires of ${proposal.operator.name}`);
  }
  const definition = bindings.capability(capability);
  if (!definition) return shape('unknown_tool', `no device of this site offers ${capability}`);
  if (!definition.side_effecting) return shape('read_as_write', `${capability} is a read; it cannot be an action`);
  const unknown = planned.depends_on?.find((ref) => !isPoint(bindings, ref));
  if (unknown !== undefined) return shape('unknown_point', `depends_on: there is no point ${unknown}`);
  const parsed = definition.input.safeParse(planned.args);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return shape('bad_args', `${capability}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not its arguments'}`);
  }
  const args = parsed.data;
  const entity_key = definition.entity_key(args);
  if (entity_key === null) return shape('entity_unresolved', `${capability}: the arguments name no entity`);
  const described = valueIn(definition, args);
  if (planned.value !== undefined && described !== null && planned.value !== described) {
    const reason = `value is ${planned.value}, but the argument it describes is ${described}`;
    return { stage: 'value', reason_code: 'value_inconsistent', reason, entity_key };
  }
  const resolution = bindings.resolve(capability, entity_key);
  if (resolution.kind === 'unbound')
    return { ...shape('unbound', `${capability} is not bound to a connection`), entity_key };
  if (resolution.kind === 'no_device') {
    return { ...shape('no_device', `no device carries ${entity_key} and offers ${capability}`), entity_key };
  }
  const target = targetOf(resolution.tool, args);
  if (typeof target === 'string') {
    return { ...shape('bad_args', `${capability}: no value of ${target} fits what the device takes`), entity_key };
  }
  return { args, value: planned.value ?? described, entity_key, verb: definition.action, resolution, target };
}

/** Completes one action deterministically from binding, tool and key rules; the model's own keys are never used. */
export function admitAction(
  planned: PlannedAction,
  place: Place,
  proposal: Proposal,
  context: {
    readonly bindings: Bindings;
    readonly keys: KeyMemory;
    readonly time: KeyTime;
    readonly policy: Policy | null;
  },
): Admitted {
  const capability = capabilityOf(planned);
  const base = { action_id: actionId(place.plan_id, place.ordinal), ...place, capability };
  const refused = ({ stage, reason_code, reason, entity_key }: Refusal): Admitted => ({
    kind: 'refused',
    action: { ...base, args: planned.args, value: planned.value ?? null, entity_key: entity_key ?? null },
    stage,
    reason_code,
    reason,
  });
  const found = resolve(planned, capability, proposal, context.bindings);
  if (isRefusal(found)) return refused(found);
  // A deadline that has passed even so is what ends it.
  if ((proposal.deadline_ms ?? 0) > context.time.now_ms && !context.time.clock_trusted) {
    const reason = 'the clock is not trusted, so nobody knows whether its deadline has passed';
    return refused({ stage: 'deadline', reason_code: 'clock_untrusted', reason, entity_key: found.entity_key });
  }
  const { args, value, entity_key, verb, resolution, target } = found;
  const { tool, connection } = resolution;
  const intent_key = `${proposal.operator.uid}:${entity_key}:${verb}`;
  const fingerprint = digest('args/1\n', { connector: connection.id, tool: tool.name, args });
  const request = {
    intent_key,
    effect_class: tool.effect,
    fingerprint,
    occurrence: planned.occurrence ?? null,
    revision: planned.revision ?? null,
    event_id: proposal.event.event_id,
    terms: executionTerms(context.policy, {
      ...{ operator: proposal.operator.name, capability, connector: connection.id, tool: tool.name },
      ...{ effect_class: tool.effect, entity_key, args, value },
    }).idempotency,
    ...context.time,
  };
  const minted = mintKey(request, context.keys);
  if (minted.kind === 'refused') return refused({ stage: 'key', ...minted, entity_key });
  const { occurrence, revision, idempotency_key } = minted;
  const after = planned.after ?? Array.from({ length: place.ordinal }, (_, i) => i);
  const deadline_ms = Math.min(
    context.time.now_ms + ACTION_DEADLINE_MS,
    proposal.deadline_ms ?? Number.MAX_SAFE_INTEGER,
  );
  const wired = { connector: connection.id, tool: tool.name, device: tool.device, effect_class: tool.effect };
  const keyed = { intent_key, occurrence, revision, idempotency_key, fingerprint };
  return {
    kind: 'action',
    action: { ...base, ...wired, args, value, entity_key, ...keyed, after, target, deadline_ms },
    resolution,
  };
}
