/**
 * What an operator may not do by itself now, although it might when it proposed: its mode has been lowered since, or a person has
 * something to acknowledge first, and until then nothing acts by itself (G-IO-2, G-IO-3).
 */
import type { Mode } from '@fibric/sdk';
import type { Origin } from '../journal/entries.ts';
import type { Projection } from '../journal/projection.ts';
import { lower } from '../modes.ts';

const ACTING: ReadonlySet<Mode> = new Set(['live', 'live_limited']);

/** The mode that a new proposal is taken in. */
export function modeUnderHolds(mode: Mode, { liveHolds }: Pick<Projection, 'liveHolds'>): Mode {
  return liveHolds.rows.size > 0 && ACTING.has(mode) ? 'propose_only' : mode;
}

/** The mode that counts for what was admitted before: a way down counts at once, a way up only for what is proposed after it. */
export function modeNow({ mode, operator_uid }: Origin, { modes }: Pick<Projection, 'modes'>): Mode {
  const present = modes.rows.get(operator_uid)?.mode ?? mode;
  // In shadow nothing of an operator's reaches a device, whoever wants it.
  return present === 'shadow' && mode === 'propose_only' ? 'shadow' : lower(present, mode);
}

/** Why an action that was admitted before must not be sent now; null when it may. `released`: a person has said yes to it. */
export function heldBack(
  origin: Origin,
  projection: Pick<Projection, 'liveHolds' | 'modes'>,
  released: boolean,
): { readonly reason_code: string; readonly reason: string } | null {
  const [reason] = projection.liveHolds.rows.values();
  if (reason !== undefined && ACTING.has(origin.mode))
    return { reason_code: 'live_off', reason: `not acknowledged yet: ${reason}` };
  const mode = modeNow(origin, projection);
  if (mode !== 'disabled' && (mode !== 'propose_only' || released)) return null;
  return { reason_code: 'mode_lowered', reason: `${origin.operator} is ${mode} now` };
}
