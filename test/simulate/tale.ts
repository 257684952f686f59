/** What the journal says of one action and the devices of what was sent for it, and when two things are the same. */
import type { PointState, PointValue } from '@fibric/sdk';
import type { Action, IntentEntry, ReceiptEntry, Row } from '@fibric/gateway/journal/entries';
import type { Standing } from '@fibric/gateway/journal/lifecycle';
import type { Effect, Sent } from './field.ts';
import { registerOf, SITE } from './site.ts';

/** Everything that is told of one action. */
export interface Tale {
  readonly action: Action;
  readonly planSeq: number;
  readonly operator: string;
  /** How many persons it waits for, who has said yes, and whether somebody has said no. */
  readonly needed: number;
  readonly yeses: Set<string>;
  vetoed: boolean;
  readonly intents: Row<IntentEntry>[];
  readonly receipts: Row<ReceiptEntry>[];
  standing: Standing;
  /** What was sent for it. */
  readonly sent: Sent[];
}

/** The widest that any profile of the site declares. */
export const TOLERANCE = 0.3 + 1e-6;
const CONSUMING: ReadonlySet<string> = new Set(['applied', 'applied_unverified', 'unknown', 'superseded_externally']);
export const consumed = ({ outcome, reason_code }: Row<ReceiptEntry>): boolean =>
  CONSUMING.has(outcome) || reason_code === 'device_altered';

export const valueOf = (states: readonly PointState[], point: string): PointValue =>
  states.find((state) => state.point === point)?.value ?? null;

export function same(a: PointValue, b: PointValue, tolerance: number): boolean {
  return typeof a === 'number' && typeof b === 'number' ? Math.abs(a - b) <= tolerance : a === b;
}

/** The register took what was meant for it; a pulse and a call are what they are. */
export function tookEffect({ register, value }: Effect, action: Action): boolean {
  const target = action.target.find(({ point }) => registerOf(action.device, point) === register);
  return target === undefined || same(target.value, value, TOLERANCE);
}

/** The entity and the registers behind the device, as the site file has them. */
export function lanesOf(action: Action): readonly string[] {
  const tool = SITE.devices.get(action.device)?.tools.find(({ name }) => name === action.tool);
  return [action.entity_key, ...(tool?.writes.map(({ point }) => registerOf(action.device, point)) ?? [])];
}

/** Registers that the rules of an action look at beside its own. */
function looksAt({ operator, action }: Tale): readonly string[] {
  if (operator !== 'apart') return [];
  return [registerOf(action.device === 'fcu-421' ? 'fcu-422' : 'fcu-421', 'setpoint')];
}

/**
 * An action begins that looks at what others may not move until it has ended. Returns those that are at it, and those that look at what
 * this one moves. `held`: who has which lane.
 */
export function looking(tale: Tale, held: Map<string, string>): readonly string[] {
  const { action_id } = tale.action;
  const looked = looksAt(tale);
  const others = [...looked, ...lanesOf(tale.action).map((lane) => `looked at: ${lane}`)].map((lane) => held.get(lane));
  for (const lane of looked) held.set(`looked at: ${lane}`, action_id);
  return others.filter((holder): holder is string => holder !== undefined && holder !== action_id);
}
