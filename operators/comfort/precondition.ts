/** How early to start before an arrival: from the room's own measured rate of warming or cooling. */

/** K/h; null until measured. */
export interface Rates {
  readonly heat: number | null;
  readonly cool: number | null;
}

export const UNMEASURED: Rates = { heat: null, cool: null };

/** A measurement under way: since when, and from which temperature (°C). */
export interface Measurement {
  readonly since_s: number;
  readonly from: number;
}

/** Closer than this the unit throttles, K; a measurement begins no closer than the larger. */
const NEAR_K = 0.5;
const FAR_K = 1;
/** Shorter tells more about the sensor than about the room; longer, more about the weather. Seconds. */
const SHORTEST_S = 15 * 60;
const LONGEST_S = 45 * 60;
/** What a room can plausibly do, K/h. */
const SLOWEST = 0.2;
const FASTEST = 10;
/** The share of a new measurement in what is remembered. */
const WEIGHT = 0.5;
/** Extra time, and the least lead there is, seconds. */
const MARGIN_S = 10 * 60;
const LEAST_S = 15 * 60;

export interface RoomState {
  readonly now_s: number;
  /** °C; null when not known. */
  readonly temperature: number | null;
  /** Where the unit is driving to: null unless it conditions towards comfort now. °C. */
  readonly towards: number | null;
}

export interface Measured {
  readonly rates: Rates;
  readonly open: Measurement | null;
}

/** The next step of measuring a room. Measured only while the unit drives towards comfort with nothing in its way. */
export function measure(rates: Rates, open: Measurement | null, { now_s, temperature, towards }: RoomState): Measured {
  if (temperature === null || towards === null) return { rates, open: null };
  const gap = towards - temperature;
  if (open === null) {
    return { rates, open: Math.abs(gap) >= FAR_K ? { since_s: now_s, from: temperature } : null };
  }
  const elapsed_s = now_s - open.since_s;
  const near = Math.abs(gap) < NEAR_K;
  if (elapsed_s < 0) return { rates, open: null };
  if (!near && elapsed_s < LONGEST_S) return { rates, open };
  if (elapsed_s < SHORTEST_S) return { rates, open: null };
  return { rates: learnt(rates, open, temperature, towards, elapsed_s), open: null };
}

function learnt(rates: Rates, open: Measurement, temperature: number, towards: number, elapsed_s: number): Rates {
  const direction = towards > open.from ? 'heat' : 'cool';
  const moved = direction === 'heat' ? temperature - open.from : open.from - temperature;
  const rate = (moved / elapsed_s) * 3_600;
  if (rate < SLOWEST) return rates;
  const before = rates[direction] ?? rate;
  const next = before + WEIGHT * (Math.min(rate, FASTEST) - before);
  return { ...rates, [direction]: Math.round(next * 100) / 100 };
}

export interface LeadFacts {
  readonly temperature: number | null;
  readonly target: number;
  readonly rates: Rates;
  /** K/h, for a room that has not been measured. */
  readonly default_rate: number;
  readonly max_s: number;
}

/** Seconds before the arrival at which to start. Without a temperature the whole lead is taken. */
export function leadS({ temperature, target, rates, default_rate, max_s }: LeadFacts): number {
  if (temperature === null) return max_s;
  const rate = (target > temperature ? rates.heat : rates.cool) ?? default_rate;
  const needed_s = (Math.abs(target - temperature) / rate) * 3_600 + MARGIN_S;
  return Math.min(Math.max(needed_s, LEAST_S), max_s);
}
