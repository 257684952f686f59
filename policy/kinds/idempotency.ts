/** idempotency: which occasion one intent belongs to, and how long it is one (§2.7). Nothing to check: it tells the executor. */
import { duration, LIMITS } from '@fibric/sdk';
import { z } from 'zod';
import type { Answer } from './kind.ts';

export const schema = z
  .strictObject({
    scope: z.enum(['once', 'event', 'window', 'episode']),
    max_episode: duration.optional(),
    re_arm: duration.optional(),
  })
  .superRefine(({ scope, max_episode, re_arm }, context) => {
    if (scope !== 'episode' && (max_episode ?? re_arm) !== undefined)
      context.addIssue('max_episode and re_arm are an episode’s');
    if (max_episode !== undefined && (max_episode === 0 || max_episode > LIMITS.maxEpisodeMs))
      context.addIssue('max_episode is more than none and at most 24h');
  });
export type Idempotency = z.output<typeof schema>;

export function check(): Answer {
  return null;
}

/** The scope that happens least often, the longest pause between episodes, and the shortest of them. */
export function strictest(all: readonly Idempotency[]): Idempotency | null {
  const scope = (['once', 'event', 'window', 'episode'] as const).find((one) => all.some((i) => i.scope === one));
  if (scope === undefined) return null;
  if (scope !== 'episode') return { scope };
  const lengths = all.flatMap(({ max_episode }) => (max_episode === undefined ? [] : [max_episode]));
  const pauses = all.flatMap(({ re_arm }) => (re_arm === undefined ? [] : [re_arm]));
  return {
    scope,
    ...(lengths.length === 0 ? {} : { max_episode: Math.min(...lengths) }),
    ...(pauses.length === 0 ? {} : { re_arm: Math.max(...pauses) }),
  };
}
