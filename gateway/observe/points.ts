/** The present state of every point, for whoever asks. */
import { type Clock, entityKey } from '@fibric/sdk';
import type { Site } from '../config/site.ts';
import type { Points, PointStatus } from '../kernel.ts';
import { createSlot, type Slot, statusOf } from './slot.ts';

export interface SlotIndex {
  readonly all: readonly Slot[];
  readonly byDevice: ReadonlyMap<string, ReadonlyMap<string, Slot>>;
  /** Entity key, then point: several devices may carry one point of one entity. */
  readonly byEntity: ReadonlyMap<string, ReadonlyMap<string, readonly Slot[]>>;
}

export function indexSlots(site: Site): SlotIndex {
  const byDevice = new Map<string, Map<string, Slot>>();
  const byEntity = new Map<string, Map<string, Slot[]>>();
  for (const connection of site.connections.values()) {
    for (const device of connection.devices) {
      const slots = device.points.map((point) => createSlot(connection, device, point));
      byDevice.set(device.id, new Map(slots.map((slot) => [slot.point.name, slot])));
      const ofEntity = byEntity.get(entityKey(device.entity)) ?? new Map<string, Slot[]>();
      for (const slot of slots) ofEntity.set(slot.point.name, [...(ofEntity.get(slot.point.name) ?? []), slot]);
      byEntity.set(entityKey(device.entity), ofEntity);
    }
  }
  return { all: [...byDevice.values()].flatMap((slots) => [...slots.values()]), byDevice, byEntity };
}

/** Of several slots the one that was heard last; null when none was heard yet. */
export function freshest(slots: readonly Slot[], monoMs: number): PointStatus | null {
  let found: Slot | null = null;
  for (const slot of slots) {
    if (slot.now !== null && (found === null || slot.receivedMonoMs > found.receivedMonoMs)) found = slot;
  }
  return found === null ? null : statusOf(found, monoMs);
}

export function createPoints(index: SlotIndex, clock: Clock): Points {
  return {
    all() {
      const monoMs = clock.monoMs();
      return index.all.map((slot) => statusOf(slot, monoMs)).filter((status) => status !== null);
    },
    get(device, point) {
      const slot = index.byDevice.get(device)?.get(point);
      return slot === undefined ? null : statusOf(slot, clock.monoMs());
    },
    fact(key, point) {
      const monoMs = clock.monoMs();
      const status = freshest(index.byEntity.get(key)?.get(point) ?? [], monoMs);
      if (status === null) return null;
      const { value, unit, quality, provenance, observed_at: source_ts } = status;
      const age_ms = Math.round(monoMs - status.received_mono_ms);
      const unchanged_ms = Math.round(monoMs - status.changed_mono_ms);
      return { value, unit, quality, provenance, source_ts, age_ms, unchanged_ms };
    },
  };
}
