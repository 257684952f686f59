/** One point of the site as observe keeps it: what is configured, what is known now, and what was last told. */
import {
  type Entity,
  entityKey,
  isoTime,
  type Provenance,
  type Quality,
  type QualityReason,
  type PointValue,
} from '@fibric/sdk';
import type { Connection, Device, Point } from '../config/site.ts';
import type { PointStatus } from '../kernel.ts';
import { emptyMemory, type SpikeMemory } from './plausible.ts';

/** What can be said of a point at a moment. */
export interface State {
  value: PointValue;
  quality: Quality;
  reason: QualityReason | null;
  provenance: Provenance;
  observedAt: string | null;
}

/** Mutable, one for each point, for the life of the process. */
export interface Slot {
  readonly point: Point;
  readonly entity: Entity;
  readonly entityKey: string;
  readonly source: string;
  readonly spike: SpikeMemory;
  /** Null until the first reading. */
  now: State | null;
  receivedWallMs: number;
  receivedMonoMs: number;
  changedMonoMs: number;
  /** A change was seen: `changedMonoMs` is the time of one, not of the first reading. */
  changeSeen: boolean;
  /** What the last envelope said; null before the first. */
  told: { value: PointValue; quality: Quality; reason: QualityReason | null; provenance: Provenance } | null;
}

export function createSlot(connection: Connection, device: Device, point: Point): Slot {
  return {
    point,
    entity: Object.freeze({ ...device.entity }),
    entityKey: entityKey(device.entity),
    source: `${connection.driver.protocol}:${connection.id}`,
    spike: emptyMemory(),
    now: null,
    receivedWallMs: 0,
    receivedMonoMs: 0,
    changedMonoMs: 0,
    changeSeen: false,
    told: null,
  };
}

export function isStale(slot: Slot, monoMs: number): boolean {
  return slot.now !== null && slot.now.value !== null && monoMs - slot.receivedMonoMs > slot.point.stale_ms;
}

/** The point as others see it at `monoMs`: a value past its time is shown as missing, also before the sweep came by. */
export function statusOf(slot: Slot, monoMs: number): PointStatus | null {
  const { now, point } = slot;
  if (now === null) return null;
  const stale = isStale(slot, monoMs);
  return {
    device: point.device,
    point: point.name,
    entity_key: slot.entityKey,
    value: stale ? null : now.value,
    unit: point.unit,
    quality: stale ? 'bad' : now.quality,
    quality_reason: stale ? 'stale' : now.reason,
    provenance: now.provenance,
    observed_at: now.observedAt,
    received_at: isoTime(slot.receivedWallMs),
    received_mono_ms: slot.receivedMonoMs,
    changed_mono_ms: slot.changedMonoMs,
    change_seen: slot.changeSeen,
  };
}

/** Whether what is known now is worth an envelope: another quality, or a value that moved beyond the deadband. */
export function isNews(slot: Slot): boolean {
  const { now, told } = slot;
  if (now === null) return false;
  if (told === null || now.provenance !== told.provenance) return true;
  // One outage is told once, whatever is found to be its cause later on.
  if (now.value === null && told.value === null && now.quality === 'bad' && told.quality === 'bad') return false;
  if (now.quality !== told.quality || now.reason !== told.reason) return true;
  const { deadband } = slot.point;
  if (deadband === null || typeof now.value !== 'number' || typeof told.value !== 'number')
    return now.value !== told.value;
  return Math.abs(now.value - told.value) > deadband;
}
