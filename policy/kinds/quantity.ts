/**
 * quantity: how many actions of the capability one run may have admitted (G-LIM-1; fault rows 23, 24), how many may be sent in a
 * sliding window, and how often the same points may be changed in a day. Whether an overrun cuts the plan off or rejects it whole is
 * the executor's to do; `on_overrun` tells it.
 */
import { duration, LIMITS } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

const perWindow = z
  .strictObject({ count: z.int().min(0), window: duration })
  .refine(({ window }) => window > 0 && window <= LIMITS.sentWindowMs, 'window is more than none and at most 24h');

export const schema = z
  .strictObject({
    max_per_run: z.int().min(0).optional(),
    per_window: perWindow.optional(),
    /** A cap beyond what is remembered could never be reached. */
    max_changes_per_day: z.int().min(0).max(LIMITS.changesKept).optional(),
    on_overrun: z.enum(['truncate', 'reject_plan']).default('truncate'),
  })
  .superRefine(({ max_per_run, per_window, max_changes_per_day }, context) => {
    if ((max_per_run ?? per_window ?? max_changes_per_day) === undefined)
      context.addIssue('needs max_per_run, per_window or max_changes_per_day');
  });
type Quantity = z.output<typeof schema>;

/** §2.9: a `live_limited` operator has a quarter of every cap, and of a cap that lets anything through at least one. */
const LIMITED_SHARE = 0.25;
const DAY_MS = 86_400_000;

export function check(quantity: Quantity, facts: Facts): Answer {
  return perRun(quantity, facts) ?? inWindow(quantity, facts) ?? perDay(quantity, facts);
}

/** The cap that counts, and what to say of it. */
function capOf(max: number, { mode }: Facts): { readonly cap: number; readonly share: string } {
  if (mode !== 'live_limited') return { cap: max, share: '' };
  const share = ` (a quarter of ${max}, the operator is live_limited)`;
  return { cap: Math.min(max, Math.max(1, Math.floor(max * LIMITED_SHARE))), share };
}

function perRun({ max_per_run }: Quantity, facts: Facts): Answer {
  if (max_per_run === undefined) return null;
  const { cap, share } = capOf(max_per_run, facts);
  if (facts.admitted_in_run < cap) return null;
  return fails(
    'max_per_run',
    `this run already has ${facts.admitted_in_run} of ${facts.action.capability}, at most ${cap} allowed${share}`,
  );
}

function inWindow({ per_window }: Quantity, facts: Facts): Answer {
  if (per_window === undefined) return null;
  const { cap, share } = capOf(per_window.count, facts);
  const sent = facts.sent_within(per_window.window);
  if (sent < cap) return null;
  const span = seconds(per_window.window);
  return fails(
    'rate_limited',
    `${sent} of ${facts.action.capability} were sent in the last ${span}, at most ${cap} allowed${share}`,
  );
}

/** Counts what we wrote, releases included; what others did is not ours to ration. */
function perDay({ max_changes_per_day }: Quantity, facts: Facts): Answer {
  if (max_changes_per_day === undefined) return null;
  const { cap, share } = capOf(max_changes_per_day, facts);
  const ours = facts.changes.filter(({ by, ago_ms }) => by === 'us' && ago_ms < DAY_MS).length;
  if (ours < cap) return null;
  return fails('max_changes_per_day', `changed ${ours} times in the last 24 hours, at most ${cap} allowed${share}`);
}
