/** on_unknown: what becomes of the lane when nobody can tell whether the action took effect (§2.6.5). It tells the executor. */
import { z } from 'zod';
import type { Answer } from './kind.ts';

export const schema = z.enum(['hold', 'release']);

export function check(): Answer {
  return null;
}
