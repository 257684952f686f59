/**
 * The rules: from the picture to what each room and corridor should be at. `prompt.md` says the same in words.
 *
 * C4 Every zone gets an answer with its reason; null means: leave it as it is.
 */
import { z } from 'zod';
import { type Corridor, isAt, type Picture, type Room } from './picture.ts';
import type { Settings } from './settings.ts';
import { spoken } from './time.ts';

const why = z.string().max(300);

export const decisionsSchema = z.strictObject({
  rooms: z.array(
    z.strictObject({
      zone: z.string(),
      /** °C; null: leave it as it is. */
      celsius: z.number().nullable(),
      why,
      /** The arrival it is for, if it is for one. */
      booking_id: z.string().nullable(),
    }),
  ),
  corridors: z.array(z.strictObject({ zone: z.string(), scene: z.string().nullable(), why })),
});

export type Decisions = z.output<typeof decisionsSchema>;
export type RoomDecision = Decisions['rooms'][number];
export type CorridorDecision = Decisions['corridors'][number];

/** What the rules are asked about. */
export interface Question {
  readonly picture: Picture;
  readonly settings: Settings;
}

export function decide({ picture, settings }: Question): Decisions {
  return {
    rooms: picture.rooms.map((room) => decideRoom(room, settings)),
    corridors: picture.corridors.map((corridor) => decideCorridor(corridor, settings)),
  };
}

function decideRoom(room: Room, settings: Settings): RoomDecision {
  const decided = (celsius: number | null, reason: string, booking_id: string | null = null): RoomDecision => ({
    zone: room.zone,
    celsius,
    why: reason,
    booking_id,
  });
  const { occupancy, arrival } = room;
  if (room.setpoint === null) return decided(null, room.setpoint_problem ?? 'setpoint is not known');
  if (occupancy.kind === 'unknown') return decided(null, occupancy.why);
  if (room.window_open) return decided(settings.vacant, 'the window is open');
  if (occupancy.kind === 'occupied') {
    const byHand = chosenByHand(room, settings);
    return byHand === null ? decided(settings.occupied, occupancy.why) : decided(null, byHand);
  }
  if (arrival !== null && arrival.in_s <= arrival.lead_s) {
    return decided(settings.occupied, arrivalReason(arrival), arrival.booking_id);
  }
  return decided(occupancy.kind === 'vacant' ? settings.vacant : null, occupancy.why);
}

function arrivalReason({ booking_id, in_s, lead_s }: NonNullable<Room['arrival']>): string {
  if (in_s <= 0) return `${booking_id} was to arrive ${spoken(-in_s)} ago`;
  return `${booking_id} arrives in ${spoken(in_s)} and the room needs ${spoken(lead_s)}`;
}

/** Somebody in the room wants another temperature than we do, and has for less than `manual_hold`. */
function chosenByHand(room: Room, settings: Settings): string | null {
  const { setpoint, asked, setpoint_unchanged_s } = room;
  const ours = [settings.occupied, settings.vacant, asked ?? settings.occupied].some((celsius) =>
    isAt(setpoint, celsius),
  );
  if (ours || asked === null || setpoint_unchanged_s >= settings.manual_hold / 1_000) return null;
  return `${setpoint} °C was chosen by hand ${spoken(setpoint_unchanged_s)} ago`;
}

function decideCorridor({ zone, scene, scene_problem, occupancy }: Corridor, { scenes }: Settings): CorridorDecision {
  if (scene === null) return { zone, scene: null, why: scene_problem ?? 'scene is not known' };
  if (occupancy.kind === 'occupied') return { zone, scene: scenes.people, why: occupancy.why };
  return { zone, scene: occupancy.kind === 'vacant' ? scenes.empty : null, why: occupancy.why };
}
