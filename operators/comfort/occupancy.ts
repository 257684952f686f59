/**
 * Whether somebody is in a room.
 *
 * C1 Motion stopping does not at once mean vacant: only its absence for the whole hold does.
 * C2 At night a guest who is in the house is never taken for absent for lack of motion, and the hold starts anew in the
 *    morning. A room that nobody has booked (an office, or a guest room between two stays) is judged by motion alone, day
 *    and night.
 * C3 What is not known is said to be unknown; nobody guesses.
 */
import type { SensedPoint } from '@fibric/sdk';
import type { Guest } from './bookings.ts';
import { goodSwitch, problemOf } from './sensed.ts';
import { spoken } from './time.ts';

/** `unclear`: no motion, but not for long enough to say, and nobody was known to be there before. Leave it as it is. */
export interface Occupancy {
  readonly kind: 'occupied' | 'vacant' | 'unclear' | 'unknown';
  readonly why: string;
}

export interface OccupancyFacts {
  readonly motion: SensedPoint | undefined;
  /** The event that woke this run was motion here. */
  readonly just_moved: boolean;
  /** What the run before concluded. */
  readonly was_occupied: boolean;
  readonly guest: Guest;
  /** Minutes since the night ended, null at night. */
  readonly since_night_min: number | null;
  readonly hold_s: number;
}

export function occupancyOf(facts: OccupancyFacts): Occupancy {
  const { motion, was_occupied, guest, since_night_min, hold_s } = facts;
  const moving = goodSwitch(motion);
  if (motion === undefined || moving === null) {
    return { kind: 'unknown', why: problemOf('motion', motion) ?? 'motion is not a yes or no' };
  }
  if (moving || facts.just_moved) return { kind: 'occupied', why: 'motion' };
  const absent_s = motion.unchanged_s;
  const since = `no motion for ${spoken(absent_s)}`;
  if (guest !== 'none') {
    const who = guest === 'in_house' ? 'a guest is in the house' : 'the booking system does not answer';
    if (since_night_min === null) {
      return { kind: was_occupied ? 'occupied' : 'unclear', why: `${since}, but it is night and ${who}` };
    }
    if (since_night_min * 60 < hold_s && absent_s >= since_night_min * 60) {
      return { kind: was_occupied ? 'occupied' : 'unclear', why: `${since}, but the night has just ended and ${who}` };
    }
  }
  if (absent_s >= hold_s) return { kind: 'vacant', why: since };
  return { kind: was_occupied ? 'occupied' : 'unclear', why: `${since}, less than the hold` };
}
