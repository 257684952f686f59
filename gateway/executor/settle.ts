/**
 * Settling a doubt: the device is read to find out, never guessed, never blindly repeated (execution §2.6).
 *
 * J3 An intent without an outcome ends as what a read of the device shows, or as `unknown`.
 */
import { isoTime, LIMITS, type PointState, type Readback, sleep } from '@fibric/sdk';
import type { DeviceTool } from '../config/site.ts';
import type { Action } from '../journal/entries.ts';
import { type Look, look, type Witness } from './verify.ts';

export type Settlement =
  /** The device is where it was meant to be. */
  | { readonly kind: 'applied'; readonly reason: string; readonly readback: readonly Readback[] }
  /** The device provably did not change: the same key may be tried again. */
  | { readonly kind: 'not_applied'; readonly reason: string; readonly readback: readonly Readback[] }
  /** Some of the outputs took it and the others did not: the same key may be tried again. */
  | { readonly kind: 'partly'; readonly reason: string; readonly readback: readonly Readback[] }
  /** Somebody else moved it. */
  | { readonly kind: 'superseded'; readonly reason: string; readonly readback: readonly Readback[] }
  | { readonly kind: 'unknown'; readonly reason: string; readonly readback: readonly Readback[] }
  /** The gateway is stopping: the action stays open and is settled at the next start. */
  | { readonly kind: 'interrupted' };

/** Waits between looks that found nothing readable: the device may be rebooting. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

export interface Doubt {
  readonly action: Pick<Action, 'device' | 'target' | 'effect_class'>;
  readonly tool: DeviceTool;
  /** As read before the write; the proof counter of a pulse among them. */
  readonly baseline: readonly PointState[];
  /** For how long what was written may stand, of the site's time; null: it stays, or never was to end by itself. */
  readonly lease_ms: number | null;
}

/** Two looks, `settle_ms` apart, that agree; or null when the device cannot be read or has not come to rest. */
async function agreed(witness: Witness, doubt: Doubt): Promise<Look | null> {
  const { action, tool, baseline } = doubt;
  if (!tool.verify) return null;
  const first = await look(witness, action, tool.verify, baseline, tool.timeout_ms);
  if (first.kind === 'unreadable') return null;
  await sleep(witness.clock, tool.verify.settle_ms);
  const second = await look(witness, action, tool.verify, baseline, tool.timeout_ms);
  return second.kind === first.kind ? second : null;
}

/** A pulse leaves its counter one higher; anything else proves nothing. */
export async function proofOf(witness: Witness, doubt: Omit<Doubt, 'lease_ms'>): Promise<Settlement | null> {
  const { action, tool, baseline } = doubt;
  const proof = tool.proof?.point;
  const before = baseline.find((state) => state.point === proof)?.value;
  if (proof === undefined || typeof before !== 'number') {
    return { kind: 'unknown', reason: 'a pulse without a proof counter cannot be settled by reading', readback: [] };
  }
  const [now] = await witness.driver.read([{ device: action.device, point: proof }], tool.timeout_ms);
  if (!now || now.quality !== 'good' || now.provenance !== witness.real || typeof now.value !== 'number') return null;
  const readback = [{ point: proof, value: now.value, quality: now.quality, at: isoTime(witness.siteClock.wallMs()) }];
  if (now.value === before + 1)
    return { kind: 'applied', reason: `${proof} went from ${before} to ${now.value}`, readback };
  if (now.value === before) return { kind: 'not_applied', reason: `${proof} is still ${before}`, readback };
  return {
    kind: 'unknown',
    reason: `${proof} went from ${before} to ${now.value}; one pulse explains only one step`,
    readback,
  };
}

/** A frame that is late is late for a pulse as well: without a window of its own it gets the one that profiles get. */
function lateWindowMs({ verify, timeout_ms }: DeviceTool): number {
  return verify?.late_write_window_ms ?? Math.max(LIMITS.lateWriteMs, 2 * timeout_ms);
}

function conclude(seen: Look): Settlement | null {
  switch (seen.kind) {
    case 'equal':
      return {
        kind: 'applied',
        reason: 'read twice after the late-write window: the device is at the target',
        readback: seen.readback,
      };
    case 'unchanged':
      return {
        kind: 'not_applied',
        reason: 'read twice after the late-write window: the device is as it was before',
        readback: seen.readback,
      };
    case 'partly':
      return {
        kind: 'partly',
        reason: 'read twice after the late-write window: a part of it is at the target, the rest as it was before',
        readback: seen.readback,
      };
    case 'other':
      return {
        kind: 'superseded',
        reason: 'the device is neither where it was nor where it was sent',
        readback: seen.readback,
      };
    case 'unreadable':
      return null;
  }
}

/** Says whether a wait of so many ms would be one too many: a lease is not kept from its end by looking for what became of it. */
function deadlineOf({ clock, siteClock }: Witness, lease_ms: number | null): (waitMs: number) => boolean {
  const until = clock.monoMs() + LIMITS.settlementMs;
  const leased = siteClock.monoMs() + (lease_ms ?? Number.POSITIVE_INFINITY);
  return (waitMs) => clock.monoMs() + waitMs >= until || siteClock.monoMs() >= leased;
}

/**
 * Finds out what became of a write in doubt. Takes at least the late-write window, and at most `LIMITS.settlementMs` or as long as its
 * lease; the caller keeps the lane until then.
 */
export async function settle(witness: Witness, doubt: Doubt, signal: AbortSignal): Promise<Settlement> {
  const { action, tool } = doubt;
  const tooLate = deadlineOf(witness, doubt.lease_ms);
  await witness.driver.reset(action.device);
  await sleep(witness.clock, lateWindowMs(tool), signal);
  const pulse = action.effect_class === 'relative_or_pulse';
  if (!pulse && !tool.verify)
    return { kind: 'unknown', reason: 'the tool has no read-back to settle a doubt with', readback: [] };
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)) {
    if (signal.aborted) return { kind: 'interrupted' };
    const seen = pulse
      ? await proofOf(witness, doubt)
      : conclude((await agreed(witness, doubt)) ?? { kind: 'unreadable', readback: [] });
    if (seen) return seen;
    if (tooLate(waitMs)) return { kind: 'unknown', reason: 'the device could not be read in time', readback: [] };
    await sleep(witness.clock, waitMs, signal);
  }
}
