/** evidence: points that must be known, real, good and fresh at the moment of the write, and agree with another (fault rows 73, 74). */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts, PointFact } from '../types.ts';
import { exact } from './change.ts';
import { gate, pointRef } from './gate.ts';
import { type Answer, fails, short } from './kind.ts';

const item = z.strictObject({
  point: pointRef,
  max_age: duration,
  quality: z.literal('good').default('good'),
  /** What counts as live is the site's to say: `facts.real`. */
  provenance: z.literal('live').default('live'),
  allow_uncertain: z.boolean().default(false),
  /** A second point that must be as good, and no further away than `within`. */
  agree: z.strictObject({ with: pointRef, within: z.number().min(0) }).optional(),
});

export const schema = z.array(item).min(1);

export function check(evidence: z.output<typeof schema>, facts: Facts): Answer {
  // Every gate is looked at, so that the verdict shows all that was known.
  return evidence.map((wanted) => checkOne(wanted, facts)).find((answer) => answer !== null) ?? null;
}

function checkOne(wanted: z.output<typeof item>, facts: Facts): Answer {
  const one = gate(wanted, facts);
  const other = wanted.agree === undefined ? null : gate({ ...wanted, point: wanted.agree.with }, facts);
  if (one.kind === 'refused') return fails(one.reason_code, one.reason);
  if (wanted.agree === undefined || other === null) return null;
  if (other.kind === 'refused') return fails(other.reason_code, other.reason);
  const apart = distance(one.fact, other.fact);
  if (apart <= wanted.agree.within) return null;
  const differ = `${one.ref} and ${other.ref} differ by ${short(apart)}`;
  return fails('evidence_disagrees', `${differ}, at most ${wanted.agree.within} allowed`);
}

function distance({ value: a }: PointFact, { value: b }: PointFact): number {
  if (typeof a === 'number' && typeof b === 'number') return exact(Math.abs(a - b));
  if (typeof a !== typeof b || typeof a === 'number') throw new Error('agree compares two values of one type');
  return a === b ? 0 : Number.POSITIVE_INFINITY;
}
