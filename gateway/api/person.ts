/** How a request names the person in whose name it is made: one token speaks for the site, so the name is what they say. */
import { LIMITS } from '@fibric/sdk';
import { z } from 'zod';

export { personName as who } from '../config/words.ts';

/** Why, for the record. */
export const reason = z.string().trim().min(1).max(LIMITS.reasonChars);
