/** The picture a run reasons about: every room and corridor with what is known of it, plain data, in the order of their names. */
import type { Envelope, SensedPoint } from '@fibric/sdk';
import { arrivalOf, type Booking, guestOf } from './bookings.ts';
import { type Memory, NO_MEMORY, type ZoneMemory } from './memory.ts';
import { type Occupancy, occupancyOf } from './occupancy.ts';
import { leadS, measure } from './precondition.ts';
import { goodNumber, goodSwitch, problemOf, type Zone, zonesOf } from './sensed.ts';
import type { Settings } from './settings.ts';
import { minuteOfDay, minutesSince } from './time.ts';

export interface Room {
  readonly zone: string;
  /** °C; null with the reason in `setpoint_problem`. */
  readonly setpoint: number | null;
  readonly setpoint_problem: string | null;
  /** Since the setpoint last changed. */
  readonly setpoint_unchanged_s: number;
  /** It was seen to change; false: it is what it was when the gateway started. */
  readonly setpoint_changed: boolean;
  readonly temperature: number | null;
  /** False also where no sensor can tell. */
  readonly window_open: boolean;
  readonly occupancy: Occupancy;
  /** The arrival to be ready for: how long until it (below 0: it is late), and how long before it to start. */
  readonly arrival: { readonly booking_id: string; readonly in_s: number; readonly lead_s: number } | null;
  /** What we proposed last, °C; null when we never did. */
  readonly asked: number | null;
}

export interface Corridor {
  readonly zone: string;
  readonly scene: string | null;
  readonly scene_problem: string | null;
  readonly occupancy: Occupancy;
}

export interface Picture {
  readonly rooms: readonly Room[];
  readonly corridors: readonly Corridor[];
}

/** What was sensed in one run. `unknown`: the booking system did not answer; null: none is bound. */
export interface Senses {
  readonly climate: unknown;
  readonly occupancy: unknown;
  readonly lighting: unknown;
  readonly bookings: readonly Booking[] | 'unknown' | null;
}

export interface Moment {
  readonly now_s: number;
  /** Local wall time, such as `2026-07-02T22:05:00`. */
  readonly local: string;
  readonly event: Envelope;
}

/** The picture, and the memory with what it adds. */
export interface Seen {
  readonly picture: Picture;
  readonly memory: Memory;
}

/** Whether the event says that somebody moved in `zone` just now, also when the sensor has fallen quiet since. */
function movedIn(event: Envelope, zone: string): boolean {
  return zoneOf(event) === zone && isMotion(event);
}

/** Whether the event is somebody moving. */
export function isMotion({ payload }: Envelope): boolean {
  return payload['point'] === 'motion' && payload['value'] === true && payload['quality'] === 'good';
}

/** The zone whose reading the event is, or null. */
export function zoneOf({ payload }: Envelope): string | null {
  const { kind, id } = (payload['entity'] ?? {}) as { readonly kind?: unknown; readonly id?: unknown };
  return kind === 'zone' && typeof id === 'string' ? id : null;
}

export function look(senses: Senses, moment: Moment, settings: Settings, before: Memory): Seen {
  const climate = zonesOf(senses.climate);
  const motions = new Map([...zonesOf(senses.occupancy)].map(([zone, points]) => [zone, points['motion']]));
  const lighting = senses.lighting === null ? new Map<string, Zone>() : zonesOf(senses.lighting);
  // A zone that says nothing now, just after a start, keeps what is remembered of it.
  const memory = new Map<string, ZoneMemory>(before);
  const rooms: Room[] = [];
  const corridors: Corridor[] = [];
  for (const [zone, points] of inOrder(climate)) {
    // Without a thermostat there is nothing to set.
    if (points['setpoint'] === undefined) continue;
    const seen = lookAtRoom(zone, points, motions.get(zone), before.get(zone) ?? NO_MEMORY, {
      senses,
      moment,
      settings,
    });
    rooms.push(seen.room);
    memory.set(zone, seen.memory);
  }
  for (const [zone, points] of inOrder(lighting)) {
    // A light that belongs to a room is its guest's: only zones that are nothing but light are corridors.
    if (points['scene'] === undefined || climate.get(zone)?.['setpoint'] !== undefined) continue;
    const seen = lookAtCorridor(zone, points, motions.get(zone), before.get(zone) ?? NO_MEMORY, { moment, settings });
    corridors.push(seen.corridor);
    memory.set(zone, seen.memory);
  }
  return { picture: { rooms, corridors }, memory };
}

function inOrder<T>(zones: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...zones].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

interface Context {
  readonly moment: Moment;
  readonly settings: Settings;
}

function lookAtRoom(
  zone: string,
  points: Zone,
  motion: SensedPoint | undefined,
  memory: ZoneMemory,
  { senses, moment, settings }: Context & { readonly senses: Senses },
): { readonly room: Room; readonly memory: ZoneMemory } {
  const { now_s, local, event } = moment;
  const bookings = senses.bookings ?? [];
  const occupancy = occupancyOf({
    motion,
    just_moved: movedIn(event, zone),
    was_occupied: memory.occupied,
    guest: guestOf(zone, bookings),
    since_night_min: minutesSince(settings.night, minuteOfDay(local)),
    hold_s: settings.hold / 1_000,
  });
  const setpoint = goodNumber(points['setpoint']);
  const temperature = goodNumber(points['temperature']);
  const window_open = goodSwitch(points['window']) === true;
  const towards = !window_open && isAt(setpoint, settings.occupied) ? settings.occupied : null;
  const { rates, open } =
    senses.bookings === null
      ? { rates: memory.rates, open: null }
      : measure(memory.rates, memory.measuring, { now_s, temperature, towards });
  const arrival = bookings === 'unknown' ? null : arrivalOf(zone, bookings, now_s, settings.late_arrival / 1_000);
  const lead_s = leadS({
    temperature,
    target: settings.occupied,
    rates,
    default_rate: settings.default_rate,
    max_s: settings.arrival_lead_max / 1_000,
  });
  return {
    room: {
      zone,
      setpoint,
      setpoint_problem:
        setpoint === null ? (problemOf('setpoint', points['setpoint']) ?? 'setpoint is not a number') : null,
      setpoint_unchanged_s: points['setpoint']?.unchanged_s ?? 0,
      setpoint_changed: points['setpoint']?.change_seen ?? true,
      temperature,
      window_open,
      occupancy,
      arrival: arrival && { booking_id: arrival.booking_id, in_s: arrival.arrives_s - now_s, lead_s },
      asked: typeof memory.asked?.value === 'number' ? memory.asked.value : null,
    },
    memory: { ...memory, rates, measuring: open, occupied: stillOccupied(occupancy, memory) },
  };
}

function lookAtCorridor(
  zone: string,
  points: Zone,
  motion: SensedPoint | undefined,
  memory: ZoneMemory,
  { moment, settings }: Context,
): { readonly corridor: Corridor; readonly memory: ZoneMemory } {
  const occupancy = occupancyOf({
    motion,
    just_moved: movedIn(moment.event, zone),
    was_occupied: memory.occupied,
    guest: 'none',
    since_night_min: null,
    hold_s: settings.corridor_hold / 1_000,
  });
  const scene = points['scene'];
  const known = scene?.quality === 'good' && typeof scene.value === 'string' ? scene.value : null;
  return {
    corridor: {
      zone,
      scene: known,
      scene_problem: known === null ? (problemOf('scene', scene) ?? 'scene is not a name') : null,
      occupancy,
    },
    memory: { ...memory, occupied: stillOccupied(occupancy, memory) },
  };
}

function stillOccupied({ kind }: Occupancy, memory: ZoneMemory): boolean {
  return kind === 'occupied' || (kind !== 'vacant' && memory.occupied);
}

/** Equal for a thermostat, which keeps tenths of a degree. */
export function isAt(setpoint: number | null, celsius: number): boolean {
  return setpoint !== null && Math.abs(setpoint - celsius) < 0.05;
}
