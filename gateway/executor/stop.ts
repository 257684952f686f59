/**
 * The software stop: one row, and nothing new is sent (execution §2.12). Not a safety function (G-CS-0).
 *
 * K1 After a stop nothing new is sent, from the moment it is journaled and across restarts, until a named person clears it.
 */
import type { Projection, Stop } from '../journal/projection.ts';
import type { Ending } from './job.ts';

/** Why nothing may be sent for `releases`, or for anything else when that is not a lease; null when it may. */
export function stopped(projection: Projection, releases: 'lease' | null = null): Stop | null {
  const stop = projection.stops.rows.get('site') ?? null;
  return stop && releases === 'lease' && stop.release ? null : stop;
}

/** How an action ends that meets the stop. */
export function stopEnding(stop: Stop): Ending {
  const why = stop.reason === null ? '' : `: ${stop.reason}`;
  return {
    outcome: 'blocked',
    stage: 'box',
    reason_code: 'emergency_stop',
    reason: `stopped by ${stop.who} at ${stop.at}${why}; it is tried again only when proposed again after the stop is cleared`,
  };
}
