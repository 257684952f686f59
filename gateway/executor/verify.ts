/** A write is a request until it is read back from the device. */
import {
  type Clock,
  type Driver,
  isoTime,
  type PointState,
  type PointValue,
  type Provenance,
  type Readback,
  type Reading,
  sleep,
} from '@fibric/sdk';
import type { DeviceTool, Verification } from '../config/site.ts';
import type { Action } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';

/** Binary fractions of decimal scales differ in the last bits; this is far below any device's resolution. */
const ROUNDING = 1e-9;

export function equals(a: PointValue, b: PointValue, tolerance: number): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= tolerance + ROUNDING * Math.max(1, Math.abs(b));
  return a === b;
}

export type Look =
  /** Every point reads what was written. */
  | { readonly kind: 'equal'; readonly readback: readonly Readback[] }
  /** Every point reads what it was before the write. */
  | { readonly kind: 'unchanged'; readonly readback: readonly Readback[] }
  /** Each point reads one of the two, and not all of them the same. */
  | { readonly kind: 'partly'; readonly readback: readonly Readback[] }
  | { readonly kind: 'other'; readonly readback: readonly Readback[] }
  | { readonly kind: 'unreadable'; readonly readback: readonly Readback[] };

export interface Witness {
  readonly driver: Driver;
  readonly journal: Pick<Journal, 'gather'>;
  /** Real time: settle times are the device's. */
  readonly clock: Clock;
  /** Site wall time, for the label on the reading. */
  readonly siteClock: Clock;
  readonly real: Provenance;
  /** Told of what was read, so that the present does not lag behind what is known. */
  readonly observe: (readings: readonly Reading[]) => void;
}

/** Reads the points of `verify` once from the device and compares them with what was written and what was there before. */
export async function look(
  witness: Witness,
  action: Pick<Action, 'device' | 'target'>,
  verify: Verification,
  baseline: readonly PointState[],
  timeoutMs: number,
): Promise<Look> {
  const refs = verify.read.map(({ point }) => ({ device: action.device, point }));
  const readings = await witness.journal.gather(witness.driver.read(refs, timeoutMs));
  witness.observe(readings.filter((reading) => reading.quality === 'good'));
  const now = isoTime(witness.siteClock.wallMs());
  const readback = readings.map(({ point, value, quality }) => ({ point, value, quality, at: now }));
  if (readings.some((r) => r.quality !== 'good' || r.provenance !== witness.real))
    return { kind: 'unreadable', readback };
  const at = (states: readonly PointState[], by: 'point' | 'written'): readonly boolean[] =>
    verify.read.map((read, i) => {
      const state = states.find(({ point }) => point === read[by]);
      return state !== undefined && equals(readings[i]?.value ?? null, state.value, verify.tolerance);
    });
  const sent = at(action.target, 'written');
  const before = at(baseline, 'point');
  if (sent.every(Boolean)) return { kind: 'equal', readback };
  if (before.every(Boolean)) return { kind: 'unchanged', readback };
  return { kind: sent.every((is, i) => is || before[i]) ? 'partly' : 'other', readback };
}

/** Looks until the device reads what was written, at most `tries` times, `settle_ms` apart. */
export async function readBack(
  witness: Witness,
  action: Pick<Action, 'device' | 'target'>,
  tool: DeviceTool,
  verify: Verification,
  baseline: readonly PointState[],
): Promise<Look> {
  let last: Look = { kind: 'unreadable', readback: [] };
  for (let i = 0; i < verify.tries; i++) {
    if (verify.settle_ms > 0) await sleep(witness.clock, verify.settle_ms);
    last = await look(witness, action, verify, baseline, tool.timeout_ms);
    if (last.kind === 'equal') break;
  }
  return last;
}
