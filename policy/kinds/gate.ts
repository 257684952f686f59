/**
 * The evidence gate (G-CS "evidence"): a point may justify a write only when it is there, real for this site, good, fresh, and not
 * from the future. Whatever cannot be told fails (fault rows 73, 74, 94).
 */
import { parseTime } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts, PointFact } from '../types.ts';
import { entityId, seconds } from './kind.ts';

/** `zone:{id}/temperature`, `site/fire_alarm`: an entity, `{id}` standing for the one acted on, and a point of it. */
export const pointRef = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]*(:(\{id\}|[A-Za-z0-9._/-]+))?\/[A-Za-z][A-Za-z0-9_.-]*$/,
    'expected entity/point, such as zone:{id}/temperature',
  );

/** A source may run ahead of us by so much. */
const AHEAD_MS = 5_000;

export interface Gate {
  readonly point: string;
  readonly max_age: number;
  readonly allow_uncertain: boolean;
}

export type Gated =
  | { readonly kind: 'good'; readonly ref: string; readonly fact: PointFact }
  | { readonly kind: 'refused'; readonly reason_code: string; readonly reason: string };

/** The point that `ref` means for this action. */
export function resolved(ref: string, { action }: Pick<Facts, 'action'>): string {
  return ref.replace('{id}', () => entityId(action));
}

/** The point as evidence, or why it is none. */
export function gate(wanted: Gate, facts: Facts): Gated {
  const ref = resolved(wanted.point, facts);
  const fact = facts.point(ref);
  const refused = (reason_code: string, why: string): Gated => ({
    kind: 'refused',
    reason_code,
    reason: `${ref} ${why}`,
  });
  if (fact === null || fact.value === null) return refused('evidence_missing', 'has no value');
  if (fact.provenance !== facts.real)
    return refused('not_live', `is ${fact.provenance}, only ${facts.real} counts here`);
  if (fact.quality !== 'good' && !(fact.quality === 'uncertain' && wanted.allow_uncertain)) {
    return refused(
      'stale_or_bad',
      `is ${fact.quality}, ${wanted.allow_uncertain ? 'good or uncertain' : 'good'} needed`,
    );
  }
  if (typeof fact.value === 'number' && !Number.isFinite(fact.value))
    return refused('stale_or_bad', 'is not a finite number');
  if (!(fact.age_ms <= wanted.max_age)) {
    return refused('stale_or_bad', `is ${seconds(fact.age_ms)} old, at most ${seconds(wanted.max_age)} allowed`);
  }
  const ahead = aheadMs(fact, facts);
  if (!(ahead <= AHEAD_MS)) {
    return refused('clock_skew', `is stamped ${seconds(ahead)} in the future, at most ${seconds(AHEAD_MS)} allowed`);
  }
  return { kind: 'good', ref, fact };
}

/** How far the source's own time lies ahead. An untrusted clock of ours cannot tell, and must not stop what needs no clock (G-CL-4). */
function aheadMs(fact: PointFact, facts: Facts): number {
  if (fact.source_ts === null || !facts.now.clock_trusted) return 0;
  const stamped = parseTime(fact.source_ts);
  if (stamped === null) throw new Error(`'${fact.source_ts}' is not an RFC 3339 time`);
  return stamped - facts.now.wall_ms;
}
