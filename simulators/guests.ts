/**
 * The guests of the hotel: who has booked which room, and what they do in it. Everything follows from the seed, so that a
 * restarted world remembers its guests, and any day of it can be asked for.
 */
import { atLocalHour, localTime } from './local-time.ts';
import { between, chance, seededRandom, wholeBetween } from './random.ts';

export interface Booking {
  readonly bookingId: string;
  readonly room: string;
  readonly guestRef: string;
  /** What the booking system was told. People come and go around it. */
  readonly arrivesMs: number;
  readonly departsMs: number;
  /** Nobody comes. */
  readonly cancelled: boolean;
}

/** What goes on in a room at a moment. */
export interface Presence {
  readonly doing: 'nobody' | 'awake' | 'asleep' | 'cleaning';
  readonly people: number;
  /** Whether the motion sensor sees somebody within this minute. */
  readonly motion: boolean;
  readonly windowOpen: boolean;
  /** Where the guest has turned the knob on the wall, in K around the setpoint. */
  readonly knobK: number;
}

interface Stay extends Booking {
  readonly people: number;
  readonly knobK: number;
  /** When the guest's doing changes, in order of time. */
  readonly changes: readonly { readonly atMs: number; readonly doing: 'nobody' | 'awake' | 'asleep' }[];
}

export interface HotelPlan {
  readonly seed: number;
  readonly rooms: readonly string[];
  readonly timezone: string;
  /** The moment at which this world began; bookings reach back some days before it. */
  readonly originMs: number;
}

const DAYS_BEFORE = 10;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const CLEANING_H = 0.4;
/** How likely a minute is to show motion. */
const MOTION = { nobody: 0, awake: 0.45, asleep: 0.015, cleaning: 0.8 } as const;
/** How likely somebody who is awake is to open the window within an hour. */
const WINDOW_PER_H = 0.12;

type Change = Stay['changes'][number];

/** The changes of one guest's doing, from the evening of arrival to the morning of departure. */
function itinerary(
  plan: HotelPlan,
  bookingId: string,
  firstDay: number,
  arriveH: number,
  lastDay: number,
  leaveH: number,
): Change[] {
  const changes: Change[] = [];
  let lastMs = 0;
  const at = (day: number, hour: number, doing: Change['doing']): void => {
    lastMs = Math.max(lastMs + MINUTE_MS, atLocalHour(day, hour, plan.timezone));
    changes.push({ atMs: lastMs, doing });
  };
  for (let day = firstDay; day <= lastDay; day++) {
    const random = seededRandom(plan.seed, 'habit', bookingId, day);
    const wakeH = Math.min(between(random, 6.5, 8.5), day === lastDay ? leaveH - 0.4 : 24);
    const outH = between(random, 9, 10.5);
    const backH = between(random, 16, 18.5);
    const goesOut = chance(random, 0.8);
    const dines = chance(random, 0.6);
    const dinnerH = between(random, 19, 19.8);
    const bedH = between(random, 22.4, 24.4);
    if (day > firstDay) at(day, wakeH, 'awake');
    if (day === lastDay) {
      at(day, leaveH, 'nobody');
      break;
    }
    if (day === firstDay) at(day, arriveH, 'awake');
    else if (goesOut) {
      at(day, outH, 'nobody');
      at(day, backH, 'awake');
    }
    if (dines && (day > firstDay || arriveH < 18.5)) {
      at(day, dinnerH, 'nobody');
      at(day, dinnerH + 1.6, 'awake');
    }
    at(day, bedH, 'asleep');
  }
  return changes;
}

/** The `n`th stay in `room`, beginning on local day `firstDay`. */
function makeStay(plan: HotelPlan, room: string, n: number, firstDay: number): Stay & { readonly lastDay: number } {
  const bookingId = `BK-${room}-${String(n).padStart(4, '0')}`;
  const random = seededRandom(plan.seed, 'stay', bookingId);
  const lastDay = firstDay + wholeBetween(random, 1, 4);
  const arriveH = Math.round(between(random, 14, 21) * 4) / 4;
  const leaveH = Math.round(between(random, 7.5, 11) * 4) / 4;
  const cancelled = chance(random, 0.06);
  const actualArriveH = arriveH + between(random, -0.3, 0.7);
  const actualLeaveH = leaveH - between(random, 0, 0.6);
  return {
    bookingId,
    room,
    guestRef: `guest-${Math.floor(random.next() * 0xffffff)
      .toString(16)
      .padStart(6, '0')}`,
    arrivesMs: atLocalHour(firstDay, arriveH, plan.timezone),
    departsMs: atLocalHour(lastDay, leaveH, plan.timezone),
    cancelled,
    people: chance(random, 0.4) ? 2 : 1,
    knobK: chance(random, 0.7) ? 0 : wholeBetween(random, -2, 2) / 2,
    changes: cancelled ? [] : itinerary(plan, bookingId, firstDay, actualArriveH, lastDay, actualLeaveH),
    lastDay,
  };
}

const NIGHTS_EMPTY = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3] as const;

export class Guests {
  readonly #plan: HotelPlan;
  readonly #stays = new Map<string, { list: Stay[]; nextDay: number }>();

  constructor(plan: HotelPlan) {
    this.#plan = plan;
  }

  /** Bookings that touch the time from `fromMs` to `toMs`, by arrival. */
  bookings(fromMs: number, toMs: number): readonly Booking[] {
    return this.#plan.rooms
      .flatMap((room) => this.#upTo(room, toMs))
      .filter((stay) => stay.departsMs > fromMs && stay.arrivesMs < toMs)
      .sort((a, b) => a.arrivesMs - b.arrivesMs || a.room.localeCompare(b.room));
  }

  /** What goes on in `room` at `siteMs`. */
  presence(room: string, siteMs: number): Presence {
    const stays = this.#upTo(room, siteMs + HOUR_MS);
    const stay = stays.findLast((s) => (s.changes[0]?.atMs ?? Number.POSITIVE_INFINITY) <= siteMs);
    const guest = stay?.changes.findLast((change) => change.atMs <= siteMs)?.doing ?? 'nobody';
    const doing = guest === 'nobody' && this.#cleans(room, siteMs) ? 'cleaning' : guest;
    const inHouse = stay !== undefined && (stay.changes.at(-1)?.atMs ?? 0) > siteMs;
    const { seed } = this.#plan;
    const minute = Math.floor(siteMs / MINUTE_MS);
    return {
      doing,
      people: doing === 'nobody' ? 0 : doing === 'cleaning' ? 1 : (stay?.people ?? 1),
      motion: chance(seededRandom(seed, 'motion', room, minute), MOTION[doing]),
      windowOpen: doing === 'awake' && this.#opensWindow(room, siteMs),
      knobK: inHouse ? stay.knobK : 0,
    };
  }

  /** Housekeeping comes once a day, at a time of the room's own, when nobody is in. */
  #cleans(room: string, siteMs: number): boolean {
    const { seed, timezone } = this.#plan;
    const { day, hour } = localTime(siteMs, timezone);
    const startH = between(seededRandom(seed, 'cleaning', room, day), 10.5, 14);
    return hour >= startH && hour < startH + CLEANING_H;
  }

  #opensWindow(room: string, siteMs: number): boolean {
    const hour = Math.floor(siteMs / HOUR_MS);
    const random = seededRandom(this.#plan.seed, 'window', room, hour);
    if (!chance(random, WINDOW_PER_H)) return false;
    const openMs = hour * HOUR_MS + between(random, 0, 40) * MINUTE_MS;
    return siteMs >= openMs && siteMs < openMs + between(random, 5, 20) * MINUTE_MS;
  }

  /** The stays of a room, known far enough to cover `siteMs`. */
  #upTo(room: string, siteMs: number): readonly Stay[] {
    const { originMs, timezone, seed } = this.#plan;
    let known = this.#stays.get(room);
    if (known === undefined) {
      known = { list: [], nextDay: localTime(originMs, timezone).day - DAYS_BEFORE };
      this.#stays.set(room, known);
    }
    const untilDay = localTime(siteMs, timezone).day + 1;
    while (known.nextDay <= untilDay) {
      const n = known.list.length + 1;
      const empty = NIGHTS_EMPTY[wholeBetween(seededRandom(seed, 'empty', room, n), 0, NIGHTS_EMPTY.length - 1)] ?? 0;
      const stay = makeStay(this.#plan, room, n, known.nextDay + empty);
      known.list.push(stay);
      known.nextDay = stay.lastDay;
    }
    return known.list;
  }
}
