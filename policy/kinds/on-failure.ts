/** on_failure: what becomes of the rest of the plan when this action fails (G-SF-5). Nothing to check: it tells the executor. */
import { z } from 'zod';
import type { Answer } from './kind.ts';

export const schema = z.enum(['stop', 'continue']);

export function check(): Answer {
  return null;
}
