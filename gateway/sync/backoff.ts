/** How long to wait after a failure: doubling, with jitter so that a fleet does not come back in step. */
import type { Random } from '@fibric/sdk';

const FIRST_MS = 500;
const MOST_MS = 60_000;

export interface Backoff {
  /** Milliseconds until the next attempt: between half and the whole of a span that doubles from 0.5 s to 60 s. */
  next(): number;
  reset(): void;
}

export function createBackoff(random: Random): Backoff {
  let failures = 0;
  return {
    next: () => {
      const span = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
      failures += 1;
      return span * (0.5 + random.next() / 2);
    },
    reset: () => {
      failures = 0;
    },
  };
}
