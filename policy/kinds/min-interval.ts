/**
 * min_interval: time that must pass between changes of the same points, by the gateway (across restarts, from its journal) or by
 * anybody else whom it saw. It is about restlessness: protecting equipment from a change that nobody saw is another kind's work.
 */
import { duration } from '@fibric/sdk';
import type { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = duration;

export function check(minInterval: z.output<typeof schema>, facts: Facts): Answer {
  const last = facts.changes[0];
  if (last === undefined || last.ago_ms >= minInterval) return null;
  return fails(
    'min_interval',
    `last changed ${seconds(last.ago_ms)} ago, at least ${seconds(minInterval)} apart allowed`,
  );
}
