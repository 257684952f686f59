/**
 * on_conflict: what an action does that finds its entity busy (G-SF-3, G-SF-4): waits in line, is refused, or takes the place of an older
 * wish of the same kind that still waits. Nothing to check: it tells the executor.
 */
import { z } from 'zod';
import type { Answer } from './kind.ts';

export const schema = z.enum(['wait', 'refuse', 'coalesce']);

export function check(): Answer {
  return null;
}
