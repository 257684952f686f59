/**
 * A decision that can be taken again: what it was taken on, as plain data beside the action and the evidence of its receipt, and the
 * facts made of these once more (G-PS-6). What was not asked then is not known now: it is named, never guessed.
 */
import type { Receipt } from '@fibric/sdk';
import type { ActionFacts, Facts, Moment, PastChange, PointFact } from './types.ts';

const FORM = 'inputs/2';

/** What stands on a receipt under `inputs`. JSON, always whole. */
export interface DecisionInputs
  extends Pick<
      Facts,
      | 'admitted_in_run'
      | 'now'
      | 'current'
      | 'writes'
      | 'changes_reach_ms'
      | 'override'
      | 'holders'
      | 'lease'
      | 'approval'
      | 'alerts'
    >,
    Pick<ActionFacts, 'connector' | 'tool' | 'effect_class'> {
  readonly form: typeof FORM;
  /** As in `Facts`, each in its order: there are dozens on every receipt. */
  readonly changes: readonly (readonly [PastChange['ago_ms'], PastChange['delta'], PastChange['by']])[];
  readonly moment: Moment;
  /** Points that a gate asked for, of which nothing was known. */
  readonly missing: readonly string[];
}

/** What of `facts` is not on the receipt already: also how it would have been done, which the receipt of a refusal does not say. */
export function inputsOf(facts: Facts, moment: Moment, missing: readonly string[]): DecisionInputs {
  const { admitted_in_run, now, current, writes, changes_reach_ms } = facts;
  const { override, holders, lease, approval, alerts } = facts;
  const { connector, tool, effect_class } = facts.action;
  const changes = facts.changes.map(({ ago_ms, delta, by }) => [ago_ms, delta, by] as const);
  const known = { admitted_in_run, now, current, writes, changes, changes_reach_ms, connector, tool, effect_class };
  return { form: FORM, moment, missing, ...known, override, holders, lease, approval, alerts };
}

/** The part of a receipt that a decision is replayed from. */
export type Recorded = Pick<
  Receipt,
  'operator' | 'capability' | 'entity_key' | 'args' | 'value' | 'mode' | 'provenance' | 'evidence' | 'inputs'
>;

export interface Replay {
  readonly facts: Facts;
  readonly moment: Moment;
  /** Points that were asked for and are not on record: a verdict that asked for one is none. */
  readonly unknown: ReadonlySet<string>;
}

/**
 * The facts of a decision as they were; null when its receipt does not hold them. `sent_within`: what was sent before, counted from the
 * receipts before this one.
 */
export function replay(receipt: Recorded, sent_within: Facts['sent_within']): Replay | null {
  const { operator, capability, entity_key, args, value, mode, provenance, evidence, inputs } = receipt;
  if (inputs?.['form'] !== FORM || entity_key === null) return null;
  const recorded = inputs as unknown as DecisionInputs;
  const { form: _, moment, missing, connector, tool, effect_class, ...known } = recorded;
  const changes = recorded.changes.map(([ago_ms, delta, by]) => ({ ago_ms, delta, by }));
  const action = { operator, capability, connector, tool, effect_class, entity_key, args, value };
  const points = new Map<string, PointFact>(evidence.map(({ point, ...fact }) => [point, fact]));
  const unknown = new Set<string>();
  const point = (ref: string): PointFact | null => {
    const fact = points.get(ref);
    if (fact === undefined && !missing.includes(ref)) unknown.add(ref);
    return fact ?? null;
  };
  return { facts: { action, mode, real: provenance, ...known, changes, point, sent_within }, moment, unknown };
}
