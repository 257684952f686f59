/** While a person has something to acknowledge, nothing acts by itself: live operators propose only (G-IO-2, G-IO-3). */
import type { Mode } from '@fibric/sdk';
import type { Projection } from '../journal/projection.ts';

const ACTING: ReadonlySet<Mode> = new Set(['live', 'live_limited']);

type Holds = Pick<Projection, 'liveHolds'>;

/** The mode that a new proposal is taken in. */
export function modeUnderHolds(mode: Mode, { liveHolds }: Holds): Mode {
  return liveHolds.rows.size > 0 && ACTING.has(mode) ? 'propose_only' : mode;
}

/** Why an action that was admitted before must not be sent now; null when it may. */
export function heldBack(mode: Mode, { liveHolds }: Holds): string | null {
  const [reason] = liveHolds.rows.values();
  return reason !== undefined && ACTING.has(mode) ? `not acknowledged yet: ${reason}` : null;
}
