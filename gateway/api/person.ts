/** How a request names the person in whose name it is made: one token speaks for the site, so the name is what they say. */
import { LIMITS } from '@fibric/sdk';
import { z } from 'zod';

export const who = z
  .string({ error: 'expected the name of a person' })
  .trim()
  .min(1)
  .max(LIMITS.nameChars)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@+'-]*$/u, 'expected the name of a person');

/** Why, for the record. */
export const reason = z.string().trim().min(1).max(LIMITS.reasonChars);
