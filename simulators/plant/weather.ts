/** The weather outside: season, time of day and a slow whim of its own, all from the seed. */
import { between, seededRandom } from '../random.ts';
import { type LocalTime, localTime } from '../local-time.ts';

export interface Climate {
  readonly timezone: string;
  /** Mean of the year, swing from it to the warmest month, and swing of an average day, in degC. */
  readonly meanC: number;
  readonly seasonC: number;
  readonly dayC: number;
}

/** A city by the Baltic: mild summers, cold winters. */
export const NORTHERN_CITY: Climate = { timezone: 'Europe/Stockholm', meanC: 7, seasonC: 11, dayC: 4 };

export type Facade = 'north' | 'east' | 'south' | 'west';

export interface Weather {
  readonly outsideC: number;
  /** Sun on a square metre of each façade, W. */
  readonly sunWm2: Readonly<Record<Facade, number>>;
}

/** Local hour at which the sun stands before a façade, and its share of the full strength. */
const FACES: Readonly<Record<Facade, { hour: number; share: number }>> = {
  north: { hour: 12, share: 0.15 },
  east: { hour: 8.5, share: 0.9 },
  south: { hour: 12.5, share: 1 },
  west: { hour: 16.5, share: 0.9 },
};

const FULL_SUN_WM2 = 450;

/** 1 in the middle of July, −1 in the middle of January. */
function season(dayOfYear: number): number {
  return Math.cos(((dayOfYear - 197) / 365.25) * 2 * Math.PI);
}

/** A day's own character, carried over smoothly from one noon to the next. */
function whim(seed: number, label: string, local: LocalTime, from: number, to: number): number {
  const value = (day: number): number => between(seededRandom(seed, label, day), from, to);
  const days = local.day + local.hour / 24;
  const today = Math.floor(days);
  const share = days - today;
  const smooth = share * share * (3 - 2 * share);
  return value(today) * (1 - smooth) + value(today + 1) * smooth;
}

function sunOn(facade: Facade, hour: number, strength: number): number {
  const { hour: best, share } = FACES[facade];
  const away = (hour - best) / 3.5;
  return FULL_SUN_WM2 * share * strength * Math.exp(-away * away);
}

/** The weather at a moment of site time. */
export function weatherAt(climate: Climate, seed: number, siteMs: number): Weather {
  const local = localTime(siteMs, climate.timezone);
  const summer = season(local.dayOfYear);
  const clouds = whim(seed, 'clouds', local, 0.1, 1);
  const daily = climate.dayC * Math.cos(((local.hour - 15) / 24) * 2 * Math.PI);
  const outsideC = climate.meanC + climate.seasonC * summer + daily + whim(seed, 'front', local, -4, 4);
  const dayLength = 12 + 5.5 * summer;
  const height = Math.max(0, Math.cos(((local.hour - 12.5) / dayLength) * Math.PI));
  const strength = Math.abs(local.hour - 12.5) < dayLength / 2 ? clouds * Math.sqrt(height) : 0;
  const sunWm2 = {
    north: sunOn('north', local.hour, strength),
    east: sunOn('east', local.hour, strength),
    south: sunOn('south', local.hour, strength),
    west: sunOn('west', local.hour, strength),
  };
  return { outsideC, sunWm2 };
}
