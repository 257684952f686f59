/**
 * ramp: how far a point may be moved in all within a sliding window: the sum of our applied changes, from the journal and so across
 * restarts, and the one about to be made.
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { change, exact } from './change.ts';
import { type Answer, fails, seconds, short } from './kind.ts';

export const schema = z.strictObject({ max: z.number().positive(), per: duration });

export function check(ramp: z.output<typeof schema>, facts: Facts): Answer {
  const asked = change('ramp', facts);
  if (asked.kind === 'unknown') return asked.answer;
  const ours = facts.changes.filter(({ by, ago_ms }) => by === 'us' && ago_ms < ramp.per);
  const moved = exact(ours.reduce((sum, { delta }) => sum + Math.abs(delta ?? 0), asked.by));
  const span = seconds(ramp.per);
  if (moved > ramp.max) {
    return fails('ramp_exceeded', `${short(moved)}${asked.unit} within ${span}, at most ${ramp.max} allowed`);
  }
  const forgotten = facts.changes_reach_ms !== null && facts.changes_reach_ms < ramp.per;
  if (!forgotten && ours.every(({ delta }) => delta !== null)) return null;
  return fails('ramp_unknown', `not every change of the last ${span} is known, so their sum is not`);
}
