/** Who is in the house and who is expected, from the booking system's answer. */
import { epochS } from './time.ts';

const IN_HOUSE: ReadonlySet<string> = new Set(['in_house', 'checked_in']);
const EXPECTED: ReadonlySet<string> = new Set(['booked', 'confirmed', 'reserved', 'expected']);

/** What may stand in an occurrence of a key. */
const KEY_PART = /^[A-Za-z0-9._:@/+-]{1,100}$/;

export interface Booking {
  readonly booking_id: string;
  readonly room: string;
  readonly arrives_s: number;
  readonly in_house: boolean;
}

/** The bookings that matter: guests in the house and guests expected. A record that cannot be read is left out. */
export function bookingsOf(answer: unknown): readonly Booking[] {
  const records = Array.isArray(answer) ? answer : (answer as { bookings?: unknown } | null)?.bookings;
  if (!Array.isArray(records)) throw new TypeError('the answer holds no list of bookings');
  return records.flatMap(bookingOf);
}

function bookingOf(record: unknown): readonly Booking[] {
  const { booking_id, room, arrives_at, status } = (record ?? {}) as Readonly<Record<string, unknown>>;
  const arrives_s = typeof arrives_at === 'string' ? epochS(arrives_at) : null;
  const known = typeof booking_id === 'string' && KEY_PART.test(booking_id) && typeof room === 'string';
  if (!known || arrives_s === null || typeof status !== 'string') return [];
  const in_house = IN_HOUSE.has(status);
  return in_house || EXPECTED.has(status) ? [{ booking_id, room, arrives_s, in_house }] : [];
}

/** `none` also where no booking system is bound: an office. `unknown` when there is one and it did not answer. */
export type Guest = 'in_house' | 'none' | 'unknown';

export function guestOf(room: string, bookings: readonly Booking[] | 'unknown'): Guest {
  if (bookings === 'unknown') return 'unknown';
  return bookings.some((booking) => booking.room === room && booking.in_house) ? 'in_house' : 'none';
}

/**
 * The arrival a room is to be ready for next: from long before it until `late_s` after it. Whether the desk has already
 * marked the guest as in the house makes no difference: between the desk and the room lies a way.
 */
export function arrivalOf(room: string, bookings: readonly Booking[], now_s: number, late_s: number): Booking | null {
  const due = bookings.filter((booking) => booking.room === room && now_s < booking.arrives_s + late_s);
  return due.toSorted((a, b) => a.arrives_s - b.arrives_s)[0] ?? null;
}
