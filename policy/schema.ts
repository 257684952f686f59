/**
 * The spellings of a policy file, as people write them (G-PS-1, G-PS-3). Closed: a key that is not known here is refused, and so is
 * a capability or tool that the site does not know (G-PS-2).
 */
import { matchesGlob } from '@fibric/sdk';
import { z } from 'zod';
import { constraintsSchema, KINDS } from './kinds/table.ts';
import { didYouMean } from './nearest.ts';
import { DECISIONS } from './rules.ts';

/** What the site knows: the names that a policy may speak about. */
export interface Known {
  readonly capabilities: ReadonlySet<string>;
  readonly tools: ReadonlySet<string>;
}

const CAPABILITY = /^(?:[a-z][a-z0-9_]*|\*)\.(?:[a-z][a-z0-9_]*|\*)$/;

/** Text that `wrong` finds nothing wrong with. */
function text(wrong: (given: string) => string | null) {
  return z.string().superRefine((given, context) => {
    const message = wrong(given);
    if (message !== null) context.addIssue(message);
  });
}

function wrongCapability(given: string, known: Known): string | null {
  if (!CAPABILITY.test(given)) return `expected noun.verb, such as hvac.setpoint, got '${given}'`;
  if (known.capabilities.has(given)) return null;
  if (!given.includes('*')) return `unknown capability '${given}'${didYouMean(given, known.capabilities)}`;
  return [...known.capabilities].some((name) => matchesGlob(given, name))
    ? null
    : `'${given}' matches no known capability`;
}

/** A TrustPolicy says `tool` where we say capability as well; a name that is only a capability is taken for one. */
function wrongTool(given: string, known: Known): string | null {
  if (known.tools.has(given) || known.capabilities.has(given)) return null;
  return `unknown tool '${given}'${didYouMean(given, [...known.tools, ...known.capabilities])}`;
}

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected letters, digits, dots and dashes');
const entity = z
  .string()
  .regex(/^(?:[a-z][a-z0-9_-]*|\*):(?:[A-Za-z0-9._/-]+|\*)$/, 'expected kind:id, such as zone:412 or zone:*');
const decision = z.enum(DECISIONS);

/** A TrustPolicy's bounds, in either spelling. */
const bounds = {
  maxValue: z.number().optional(),
  max_value: z.number().optional(),
  minValue: z.number().optional(),
  min_value: z.number().optional(),
};
type Bounds = { readonly [K in keyof typeof bounds]?: number | undefined };

/** The bounds, whichever way they are spelled. */
export function boundsOf(written: Bounds): { readonly max: number | null; readonly min: number | null } {
  return { max: written.maxValue ?? written.max_value ?? null, min: written.minValue ?? written.min_value ?? null };
}

function checkBounds(written: Bounds, context: z.RefinementCtx): void {
  const twice = (snake: keyof Bounds, camel: keyof Bounds): void => {
    if (written[snake] === undefined || written[camel] === undefined) return;
    context.addIssue({
      code: 'custom',
      path: [snake],
      message: `is ${camel} in another spelling: write one of the two`,
    });
  };
  twice('max_value', 'maxValue');
  twice('min_value', 'minValue');
  const { max, min } = boundsOf(written);
  if (max !== null && min !== null && min > max)
    context.addIssue(`its lower bound ${min} is above its upper bound ${max}`);
}

interface Subject {
  readonly capability?: string | undefined;
  readonly tool?: string | undefined;
}

function checkSubject({ capability, tool }: Subject, context: z.RefinementCtx): void {
  if ((capability === undefined) === (tool === undefined)) context.addIssue('needs either capability or tool');
}

const limit = z.strictObject({
  max_per_run: z.int().min(0).optional(),
  single_flight: KINDS.single_flight.schema.optional(),
  require_receipt: z.literal(true, { error: 'expected true: every action leaves a receipt' }).optional(),
});

/** A policy file: the tutorial's form, perhaps with rules, or a TrustPolicy[]. */
export function policyFileSchema(known: Known) {
  const capability = text((given) => wrongCapability(given, known));
  const tool = text((given) => wrongTool(given, known));
  const when = KINDS.when.schema.optional();
  const subject = { capability: capability.optional(), tool: tool.optional(), connector: name.optional() };

  const match = z
    .strictObject({ ...subject, operator: name.optional(), entity: entity.optional() })
    .superRefine(checkSubject);
  const rule = z
    .strictObject({ id: name, match, decision, ...bounds, when, constraints: constraintsSchema.optional() })
    .superRefine(checkBounds);
  const trustPolicy = z
    .strictObject({ ...subject, decision, ...bounds, when })
    .superRefine(checkSubject)
    .superRefine(checkBounds);

  const tutorial = z.strictObject({
    version: z.literal(1),
    allow: z.array(capability).default([]),
    limits: z.record(capability, limit).default({}),
    rules: z.array(rule).default([]),
  });
  return z.union([tutorial, z.array(trustPolicy)]);
}

/** A policy file as it was written, defaults filled in. */
export type WrittenPolicy = z.output<ReturnType<typeof policyFileSchema>>;
export type WrittenTrustPolicy = Extract<WrittenPolicy, readonly unknown[]>[number];
export type WrittenRule = Exclude<WrittenPolicy, readonly unknown[]>['rules'][number];
export type WrittenLimit = z.output<typeof limit>;
