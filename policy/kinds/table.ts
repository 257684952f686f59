/** Every kind of constraint: its stage, and the moments at which it is asked. A new kind is one file and one line. */
import { z } from 'zod';
import type { Facts, Moment } from '../types.ts';
import * as alert from './alert.ts';
import * as approval from './approval.ts';
import * as authority from './authority.ts';
import * as comfort from './comfort.ts';
import * as deadband from './deadband.ts';
import * as evidence from './evidence.ts';
import * as idempotency from './idempotency.ts';
import * as interlocks from './interlocks.ts';
import type { Answer, Kind, Stage } from './kind.ts';
import * as lease from './lease.ts';
import * as minInterval from './min-interval.ts';
import * as minOnOff from './min-on-off.ts';
import * as onConflict from './on-conflict.ts';
import * as onFailure from './on-failure.ts';
import * as onUnknown from './on-unknown.ts';
import * as override from './override.ts';
import * as pair from './pair.ts';
import * as quantity from './quantity.ts';
import * as ramp from './ramp.ts';
import * as range from './range.ts';
import * as settle from './settle.ts';
import * as singleFlight from './single-flight.ts';
import * as step from './step.ts';
import * as value from './value.ts';
import * as when from './when.ts';
import * as windows from './windows.ts';

const NEVER: readonly Moment[] = [];
const HEAD: readonly Moment[] = ['head'];
const BOTH: readonly Moment[] = ['admission', 'head'];

function kind<S extends z.ZodType>(
  file: { readonly schema: S; readonly check: Kind<S>['check'] },
  stage: Stage,
  at: readonly Moment[],
): Kind<S> {
  return { schema: file.schema, check: file.check, stage, at };
}

export const KINDS = {
  when: kind(when, 'grant', BOTH),
  single_flight: kind(singleFlight, 'grant', BOTH),
  on_conflict: kind(onConflict, 'grant', NEVER),
  on_failure: kind(onFailure, 'grant', NEVER),
  on_unknown: kind(onUnknown, 'grant', NEVER),
  idempotency: kind(idempotency, 'grant', NEVER),
  value: kind(value, 'value', BOTH),
  // An argument's range needs no device: asked before quantity, so that what is out of range uses up no cap (G-LIM-1).
  range: kind(range, 'value', BOTH),
  quantity: kind(quantity, 'quantity', BOTH),
  evidence: kind(evidence, 'evidence', HEAD),
  override: kind(override, 'authority', HEAD),
  authority: kind(authority, 'authority', HEAD),
  interlocks: kind(interlocks, 'authority', HEAD),
  windows: kind(windows, 'motion', HEAD),
  min_interval: kind(minInterval, 'motion', HEAD),
  min_on_off: kind(minOnOff, 'motion', HEAD),
  settle: kind(settle, 'motion', HEAD),
  pair: kind(pair, 'motion', HEAD),
  step: kind(step, 'motion', HEAD),
  ramp: kind(ramp, 'motion', HEAD),
  comfort: kind(comfort, 'motion', HEAD),
  deadband: kind(deadband, 'motion', HEAD),
  approval: kind(approval, 'approval', HEAD),
  alert: kind(alert, 'approval', HEAD),
  lease: kind(lease, 'lease', HEAD),
};

export type KindName = keyof typeof KINDS;
export type Terms<K extends KindName> = z.output<(typeof KINDS)[K]['schema']>;

/** One constraint of a rule: its kind, and its terms as that kind's schema gives them. */
export type Constraint = { readonly [K in KindName]: { readonly kind: K; readonly terms: Terms<K> } }[KindName];

/** Kinds in the order in which their failures are reported. */
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** Asks one constraint. */
export function checkConstraint(constraint: Constraint, facts: Facts): Answer {
  // The terms come from the schema beside this very check; the compiler cannot follow the pair through the table.
  return KINDS[constraint.kind].check(constraint.terms as never, facts);
}

/** Written beside a rule's decision: `value` as maxValue and minValue. */
const BESIDE = ['value', 'when'] as const;
type Written = Exclude<KindName, (typeof BESIDE)[number]>;

const isWritten = (name: KindName): name is Written => !(BESIDE as readonly KindName[]).includes(name);

/** What may stand under `constraints` of a rule. */
export const constraintsSchema = z.strictObject(
  Object.fromEntries(KIND_NAMES.filter(isWritten).map((name) => [name, KINDS[name].schema.optional()])) as {
    [K in Written]: z.ZodOptional<(typeof KINDS)[K]['schema']>;
  },
);

/** The constraints of a rule, in the order of the table. */
export function constraintsOf(written: z.output<typeof constraintsSchema>): readonly Constraint[] {
  return KIND_NAMES.filter(isWritten).flatMap((name) => {
    const terms = written[name];
    return terms === undefined ? [] : [{ kind: name, terms } as Constraint];
  });
}
