/**
 * A decision that can be taken again: what it was taken on, as plain data beside the action and the evidence of its receipt, and the
 * facts made of these once more (G-PS-6). What was not asked then is not known now: it is named, never guessed.
 */
import type { Evidence, Mode, Provenance } from '@fibric/sdk';
import type { ActionFacts, Facts, Moment, PointFact } from './types.ts';

const FORM = 'inputs/1';

/** What stands on a receipt under `inputs`. JSON, always whole. */
export interface DecisionInputs
  extends Pick<
    Facts,
    | 'admitted_in_run'
    | 'now'
    | 'current'
    | 'writes'
    | 'changes'
    | 'changes_reach_ms'
    | 'override'
    | 'holders'
    | 'lease'
    | 'approval'
    | 'alerts'
  > {
  readonly form: typeof FORM;
  readonly moment: Moment;
  /** Points that a gate asked for, of which nothing was known. */
  readonly missing: readonly string[];
}

/** What of `facts` is not on the receipt already. */
export function inputsOf(facts: Facts, moment: Moment, missing: readonly string[]): DecisionInputs {
  const { admitted_in_run, now, current, writes, changes, changes_reach_ms } = facts;
  const { override, holders, lease, approval, alerts } = facts;
  const known = { admitted_in_run, now, current, writes, changes, changes_reach_ms };
  return { form: FORM, moment, missing, ...known, override, holders, lease, approval, alerts };
}

/** The part of a receipt that a decision is replayed from. */
export interface Recorded {
  readonly action: ActionFacts;
  readonly mode: Mode;
  readonly provenance: Provenance;
  readonly evidence: readonly Evidence[];
  readonly inputs: Readonly<Record<string, unknown>> | null;
  /** What was sent before, counted from the receipts before this one. */
  readonly sent_within: (windowMs: number) => number;
}

export interface Replay {
  readonly facts: Facts;
  readonly moment: Moment;
  /** Points that were asked for and are not on record: a verdict that asked for one is none. */
  readonly unknown: ReadonlySet<string>;
}

/** The facts of a decision as they were; null when its receipt does not hold them. */
export function replay({ action, mode, provenance, evidence, inputs, sent_within }: Recorded): Replay | null {
  if (inputs?.['form'] !== FORM) return null;
  const { form: _, moment, missing, ...known } = inputs as unknown as DecisionInputs;
  const points = new Map<string, PointFact>(evidence.map(({ point, ...fact }) => [point, fact]));
  const unknown = new Set<string>();
  const point = (ref: string): PointFact | null => {
    const fact = points.get(ref);
    if (fact === undefined && !missing.includes(ref)) unknown.add(ref);
    return fact ?? null;
  };
  return { facts: { action, mode, real: provenance, ...known, point, sent_within }, moment, unknown };
}
