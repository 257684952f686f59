/**
 * From decisions to a plan: only changes, only what may be tried now, and every key made by this code.
 *
 * C5 What already is as it should be is not proposed, nor what was changed or asked for less than `min_interval` ago.
 * C6 The arrival a room is made ready for is the occasion of that change; whatever follows belongs to the room's episode.
 * C7 No action waits for another: one dead unit holds nobody up.
 */
import type { CapabilityAction } from '@fibric/sdk';
import { type Memory, NO_MEMORY, type ZoneMemory } from './memory.ts';
import { type Corridor, isAt, type Picture, type Room } from './picture.ts';
import type { CorridorDecision, Decisions, RoomDecision } from './rules.ts';
import type { Settings } from './settings.ts';
import { spoken } from './time.ts';

/** As many as the policy admits of one capability in one run; the rest comes with the next. */
const PER_RUN = 30;
/** Zones named in the reasoning of one plan. */
const NAMED = 40;

interface Change {
  readonly zone: string;
  readonly said: string;
  /** Smaller goes first: those who are in a room do not wait for empty ones. */
  readonly rank: number;
  readonly action: CapabilityAction;
  readonly memory: ZoneMemory;
}

type Considered =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'as_it_is' }
  | { readonly kind: 'left'; readonly said: string };

export interface Proposed {
  readonly actions: readonly CapabilityAction[];
  readonly reasoning: string;
  readonly memory: Memory;
}

interface Context {
  readonly settings: Settings;
  readonly memory: Memory;
  readonly now_s: number;
}

export function propose(picture: Picture, decisions: Decisions, context: Context): Proposed {
  const rooms = new Map(picture.rooms.map((room) => [room.zone, room]));
  const corridors = new Map(picture.corridors.map((corridor) => [corridor.zone, corridor]));
  const considered = [
    ...decisions.rooms.map((decision) => considerRoom(rooms.get(decision.zone), decision, context)),
    ...decisions.corridors.map((decision) => considerCorridor(corridors.get(decision.zone), decision, context)),
  ];
  const wanted = considered.flatMap((one) => (one.kind === 'change' ? [one.change] : []));
  const { now, later } = cut(wanted.toSorted((a, b) => a.rank - b.rank));
  const left = considered.flatMap((one) => (one.kind === 'left' ? [one.said] : []));
  const same = considered.length - wanted.length - left.length;
  const memory = new Map(context.memory);
  for (const change of now) memory.set(change.zone, change.memory);
  return { actions: now.map(({ action }) => action), reasoning: explain(now, later.length, left, same), memory };
}

function considerRoom(room: Room | undefined, decision: RoomDecision, context: Context): Considered {
  const { settings, now_s } = context;
  const { zone, celsius, why } = decision;
  if (room === undefined) return { kind: 'left', said: `${zone}: there is no such room` };
  if (celsius === null) return { kind: 'left', said: `${zone}: ${why}` };
  if (celsius < settings.bounds.min || celsius > settings.bounds.max)
    return { kind: 'left', said: `${zone}: ${celsius} °C is out of bounds` };
  if (isAt(room.setpoint, celsius)) return { kind: 'as_it_is' };
  const memory = context.memory.get(zone) ?? NO_MEMORY;
  const changed_s = room.setpoint_changed ? room.setpoint_unchanged_s : Number.POSITIVE_INFINITY;
  const waits = waitsFor(memory, celsius, changed_s, context);
  if (waits !== null) return { kind: 'left', said: `${zone}: ${waits}` };
  const forArrival = decision.booking_id !== null && memory.readied_for !== decision.booking_id;
  return {
    kind: 'change',
    change: {
      zone,
      said: `${zone} to ${celsius} °C: ${why}`,
      rank: room.occupancy.kind === 'occupied' ? 0 : 1,
      action: {
        capability: 'hvac.setpoint',
        args: { zone, celsius },
        value: celsius,
        ...(forArrival ? { occurrence: `ev=${decision.booking_id}` } : {}),
        after: [],
      },
      memory: {
        ...memory,
        asked: { value: celsius, at_s: now_s },
        readied_for: forArrival ? decision.booking_id : memory.readied_for,
      },
    },
  };
}

function considerCorridor(corridor: Corridor | undefined, decision: CorridorDecision, context: Context): Considered {
  const { zone, scene, why } = decision;
  if (corridor === undefined) return { kind: 'left', said: `${zone}: there is no such corridor` };
  if (scene === null) return { kind: 'left', said: `${zone}: ${why}` };
  if (corridor.scene === scene) return { kind: 'as_it_is' };
  const memory = context.memory.get(zone) ?? NO_MEMORY;
  const waits = waitsFor(memory, scene, Number.POSITIVE_INFINITY, context);
  if (waits !== null) return { kind: 'left', said: `${zone}: ${waits}` };
  return {
    kind: 'change',
    change: {
      zone,
      said: `${zone} to ${scene}: ${why}`,
      rank: corridor.occupancy.kind === 'occupied' ? 0 : 1,
      action: { capability: 'lighting.scene', args: { zone, scene }, after: [] },
      memory: { ...memory, asked: { value: scene, at_s: context.now_s } },
    },
  };
}

/** Why the change cannot be tried yet, or null. */
function waitsFor({ asked }: ZoneMemory, value: number | string, changed_s: number, context: Context): string | null {
  const interval_s = context.settings.min_interval / 1_000;
  if (changed_s < interval_s) return `to be ${value}, but it was changed ${spoken(changed_s)} ago`;
  const ago_s = asked === null ? Number.POSITIVE_INFINITY : context.now_s - asked.at_s;
  // A clock that went back makes no promise about how long ago that was.
  const recent = ago_s >= 0 && ago_s < interval_s;
  return recent && asked?.value === value ? `${value} was proposed ${spoken(ago_s)} ago` : null;
}

/** The first so many of each capability. */
function cut(changes: readonly Change[]): { readonly now: readonly Change[]; readonly later: readonly Change[] } {
  const taken = new Map<string, number>();
  const now = changes.filter(({ action }) => {
    const n = (taken.get(action.capability) ?? 0) + 1;
    taken.set(action.capability, n);
    return n <= PER_RUN;
  });
  return { now, later: changes.filter((change) => !now.includes(change)) };
}

function explain(now: readonly Change[], later: number, left: readonly string[], same: number): string {
  const parts = [
    now.length === 0 ? 'Nothing to change' : now.map(({ said }) => said).join('; '),
    ...(later === 0 ? [] : [`${later} more with the next run`]),
    ...(same === 0 ? [] : [`${same} as they should be`]),
    ...(left.length === 0 ? [] : [`left alone: ${named(left)}`]),
  ];
  return `${parts.join('. ')}.`;
}

function named(said: readonly string[]): string {
  const rest = said.length - NAMED;
  return rest > 0 ? `${said.slice(0, NAMED).join('; ')}; and ${rest} more` : said.join('; ');
}
