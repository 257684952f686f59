/** The real world: the one file of the simulators that reads the machine's clock, starts its timers and draws its randomness. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@fibric/sdk';

/** The machine's own clock. Its timers do not keep the process alive. */
export function systemClock(): Clock {
  return {
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    after(delayMs, fn) {
      const timer = setTimeout(fn, delayMs).unref();
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

/** A name for a new world, unlike all others: two hotels on one machine must not mix. */
export function newWorldId(site: string): string {
  return `${site}-${randomBytes(4).toString('hex')}`;
}
