/**
 * Clamping: what lies outside a `range` with `on_exceed: clamp` is brought to its bound before anything else is judged (G-CS "range").
 * Only a state that is set can be clamped, and only where what is written is the argument as it was given.
 */
import type { Constraint } from './kinds/table.ts';
import type { Effective, Facts } from './types.ts';

/** One argument brought inside its bounds. */
export interface Clamp {
  readonly arg: string;
  readonly from: number;
  readonly to: number;
  readonly unit: string;
}

export interface Clamped {
  readonly clamps: readonly Clamp[];
  readonly effective: Effective | null;
  /** The facts with what is to be written in place of what was proposed. */
  readonly facts: Facts;
}

type Range = Extract<Constraint, { kind: 'range' }>['terms'];

/** What `constraints` make of the proposed arguments; the facts as they are where there is nothing to clamp. */
export function clamp(constraints: readonly Constraint[], facts: Facts): Clamped {
  const ranges = constraints.flatMap((one) =>
    one.kind === 'range' && one.terms.on_exceed === 'clamp' ? [one.terms] : [],
  );
  const byArg = Map.groupBy(ranges, ({ arg }) => arg);
  const clamps = [...byArg].flatMap(([arg, bounds]) => clampOf(arg, bounds, facts) ?? []);
  if (clamps.length === 0) return { clamps, effective: null, facts };
  const values = new Map(clamps.map(({ arg, to }) => [arg, to]));
  const args = { ...facts.action.args, ...Object.fromEntries(values) };
  const writes = facts.writes.map((write) => ({ ...write, value: values.get(write.arg ?? '') ?? write.value }));
  return { clamps, effective: { args, writes }, facts: { ...facts, action: { ...facts.action, args }, writes } };
}

/** Null: inside, or not to be clamped; then `range` finds it outside, and blocks. */
function clampOf(arg: string, bounds: readonly Range[], { action, writes }: Facts): Clamp | null {
  const from = action.args[arg];
  if (typeof from !== 'number' || !Number.isFinite(from) || action.effect_class !== 'absolute_set') return null;
  const min = Math.max(...bounds.map((range) => range.min ?? Number.NEGATIVE_INFINITY));
  const max = Math.min(...bounds.map((range) => range.max ?? Number.POSITIVE_INFINITY));
  const to = Math.min(Math.max(from, min), max);
  const written = writes.filter((write) => write.arg === arg);
  const asGiven = written.length > 0 && written.every(({ value }) => value === from);
  if (to === from || to < min || !asGiven) return null;
  return { arg, from, to, unit: bounds[0]?.unit ?? '1' };
}
