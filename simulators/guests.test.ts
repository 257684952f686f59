import { describe, expect, it } from 'vitest';
import { bookingRecord } from './booking-system.ts';
import { type Booking, Guests } from './guests.ts';
import { atLocalHour, localTime } from './local-time.ts';

const TIMEZONE = 'Europe/Stockholm';
const ORIGIN_MS = Temporal.Instant.from('2026-02-03T12:00:00Z').epochMilliseconds;
const DAY_MS = 24 * 3_600_000;
const ROOMS = ['401', '402', '412', '501'];

function guests(seed: number): Guests {
  return new Guests({ seed, rooms: ROOMS, timezone: TIMEZONE, originMs: ORIGIN_MS });
}

function month(seed: number): readonly Booking[] {
  return guests(seed).bookings(ORIGIN_MS - 5 * DAY_MS, ORIGIN_MS + 30 * DAY_MS);
}

describe('the bookings', () => {
  it('are the same for the same seed, in whatever order they are asked for, and others for another seed', () => {
    const late = guests(7);
    late.presence('412', ORIGIN_MS + 60 * DAY_MS);
    expect(late.bookings(ORIGIN_MS - 5 * DAY_MS, ORIGIN_MS + 30 * DAY_MS)).toEqual(month(7));
    expect(month(8)).not.toEqual(month(7));
  });

  it('never overlap in a room, and each lasts from an afternoon to a morning', () => {
    for (const seed of [1, 2, 3]) {
      for (const room of ROOMS) {
        const stays = month(seed).filter((booking) => booking.room === room);
        expect(stays.length).toBeGreaterThan(5);
        for (const [i, stay] of stays.entries()) {
          expect(stay.departsMs).toBeGreaterThan(stay.arrivesMs);
          expect(stay.arrivesMs).toBeGreaterThan(stays[i - 1]?.departsMs ?? 0);
          expect(localTime(stay.arrivesMs, TIMEZONE).hour).toBeGreaterThanOrEqual(14);
          expect(localTime(stay.departsMs, TIMEZONE).hour).toBeLessThanOrEqual(11);
        }
      }
    }
  });

  it('have ids of their own', () => {
    const ids = month(1).map((booking) => booking.bookingId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('show their state at the moment they are looked at', () => {
    const booking = month(1).find((one) => !one.cancelled);
    if (booking === undefined) throw new Error('a month without a booking');
    expect(bookingRecord(booking, booking.arrivesMs - 1).status).toBe('booked');
    expect(bookingRecord(booking, booking.arrivesMs).status).toBe('in_house');
    expect(bookingRecord(booking, booking.departsMs).status).toBe('departed');
    expect(bookingRecord({ ...booking, cancelled: true }, 0).status).toBe('cancelled');
  });
});

describe('the guests', () => {
  const world = guests(1);
  const minutes = Array.from({ length: 7 * 24 * 60 }, (_, i) => ORIGIN_MS + i * 60_000);
  const week = ROOMS.flatMap((room) => minutes.map((at) => ({ room, at, ...world.presence(room, at) })));

  it('are in their rooms at night and asleep there, within a booking', () => {
    const nights = week.filter(({ at }) => [2, 3, 4].includes(Math.floor(localTime(at, TIMEZONE).hour)));
    const sleeping = nights.filter(({ doing }) => doing === 'asleep');
    expect(sleeping.length).toBeGreaterThan(nights.length * 0.3);
    for (const { room, at } of sleeping) {
      const booked = world.bookings(at, at + 1).some((one) => one.room === room && !one.cancelled);
      expect(booked).toBe(true);
    }
  });

  it('move in bursts when awake, hardly when asleep, and never when nobody is there', () => {
    const share = (doing: string): number => {
      const of = week.filter((minute) => minute.doing === doing);
      return of.filter(({ motion }) => motion).length / of.length;
    };
    expect(share('awake')).toBeGreaterThan(0.3);
    expect(share('asleep')).toBeLessThan(0.05);
    expect(share('asleep')).toBeGreaterThan(0);
    expect(share('nobody')).toBe(0);
    expect(share('cleaning')).toBeGreaterThan(0.6);
  });

  it('open windows only while they are awake', () => {
    const open = week.filter(({ windowOpen }) => windowOpen);
    expect(open.length).toBeGreaterThan(0);
    expect(open.every(({ doing }) => doing === 'awake')).toBe(true);
  });

  it('go out during the day and leave the room empty between stays', () => {
    const noon = week.filter(({ at }) => Math.floor(localTime(at, TIMEZONE).hour) === 13);
    const empty = noon.filter(({ people }) => people === 0);
    expect(empty.length).toBeGreaterThan(noon.length * 0.5);
  });
});

describe('local time', () => {
  it('goes there and back, also on the days when the clocks change', () => {
    for (const date of ['2026-03-29', '2026-10-25', '2026-07-01']) {
      const { day } = localTime(Temporal.Instant.from(`${date}T09:00:00Z`).epochMilliseconds, TIMEZONE);
      const at = atLocalHour(day, 15.5, TIMEZONE);
      expect(localTime(at, TIMEZONE)).toMatchObject({ day, hour: 15.5 });
    }
  });
});
