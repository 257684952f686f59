import { describe, expect, it } from 'vitest';
import { Guests } from './guests.ts';
import { Hotel } from './hotel.ts';
import { localTime } from './local-time.ts';
import { NORTHERN_CITY, weatherAt } from './plant/weather.ts';

const ORIGIN_MS = Temporal.Instant.from('2026-02-03T12:00:00Z').epochMilliseconds;
const HOUR_MS = 3_600_000;
const ROOMS = ['401', '402'];

function hotel(seed: number, setpointC = 21): Hotel {
  const guests = new Guests({ seed, rooms: ROOMS, timezone: NORTHERN_CITY.timezone, originMs: ORIGIN_MS });
  const commands = {
    fanCoil: () => ({ setpointC, mode: 'heat' as const }),
    airHandler: () => ({ setpointC: 18, on: true }),
  };
  return new Hotel({ seed, rooms: ROOMS, corridors: [], climate: NORTHERN_CITY, guests, commands }, ORIGIN_MS, null);
}

describe('the hotel', () => {
  it('lives the same day for the same seed and another one for another seed', () => {
    const day = (seed: number): unknown => {
      const one = hotel(seed);
      one.liveUntil(ORIGIN_MS + 24 * HOUR_MS);
      return one.snapshot();
    };
    expect(day(5)).toEqual(day(5));
    expect(day(5)).not.toEqual(day(6));
  });

  it('warms its rooms to a new setpoint within hours', () => {
    const one = hotel(1, 23);
    one.liveUntil(ORIGIN_MS + 8 * HOUR_MS);
    for (const room of ROOMS) expect(one.room(room).temperatureC).toBeGreaterThan(21.5);
  });

  it('never goes back in time and goes on from a snapshot', () => {
    const one = hotel(1);
    one.liveUntil(ORIGIN_MS + HOUR_MS);
    const lived = one.snapshot();
    one.liveUntil(ORIGIN_MS);
    expect(one.atMs).toBe(ORIGIN_MS + HOUR_MS);
    expect(one.snapshot()).toEqual(lived);
  });
});

describe('the weather', () => {
  it('is colder in winter than in summer, and the sun stands by day only', () => {
    const at = (text: string) => weatherAt(NORTHERN_CITY, 1, Temporal.Instant.from(text).epochMilliseconds);
    expect(at('2026-01-20T14:00:00Z').outsideC).toBeLessThan(5);
    expect(at('2026-07-20T14:00:00Z').outsideC).toBeGreaterThan(14);
    expect(at('2026-07-20T10:00:00Z').sunWm2.south).toBeGreaterThan(20);
    expect(at('2026-07-20T23:30:00Z').sunWm2.south).toBe(0);
  });

  it('changes without jumps', () => {
    const minutes = Array.from({ length: 3 * 24 * 60 }, (_, i) => ORIGIN_MS + i * 60_000);
    const jump = minutes.reduce((most, ms) => {
      const step = Math.abs(
        weatherAt(NORTHERN_CITY, 3, ms).outsideC - weatherAt(NORTHERN_CITY, 3, ms + 60_000).outsideC,
      );
      return Math.max(most, step);
    }, 0);
    expect(jump).toBeLessThan(0.2);
    expect(localTime(ORIGIN_MS, NORTHERN_CITY.timezone).hour).toBe(13);
  });
});
