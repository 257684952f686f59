/** `ctx.sense` of a capability that is made of points: the entities that offer it, each with the points that belong to it. */
import { type Clock, entityKey, isoTime, type Sensed, type SensedPoint } from '@fibric/sdk';
import type { Site } from '../config/site.ts';
import type { PointStatus } from '../kernel.ts';
import { freshest, type SlotIndex } from './points.ts';
import type { Slot } from './slot.ts';

/** One entity as one capability shows it; devices that carry the same entity are one. */
interface View {
  readonly kind: string;
  readonly id: string;
  readonly points: Map<string, Slot[]>;
}

export function createSensing(
  site: Site,
  index: SlotIndex,
  clock: Clock,
): (capability: string, args: Readonly<Record<string, unknown>>) => Sensed {
  const views = new Map([...site.bindings.keys()].map((capability) => [capability, viewsOf(site, index, capability)]));

  return (capability, args) => {
    const monoMs = clock.monoMs();
    const wanted = (views.get(capability) ?? []).filter((view) => isWanted(view, args));
    return {
      at: isoTime(clock.wallMs()),
      entities: wanted.map(({ kind, id, points }) => ({ kind, id, points: present(points, monoMs) })),
    };
  };
}

/** Only devices of bound connections whose profile lists the capability under `reads`. */
function viewsOf(site: Site, index: SlotIndex, capability: string): readonly View[] {
  const views = new Map<string, View>();
  const devices = (site.bindings.get(capability) ?? []).flatMap((id) => site.connections.get(id)?.devices ?? []);
  for (const device of devices) {
    const { kind, id } = device.entity;
    const key = entityKey(device.entity);
    for (const name of device.reads[capability] ?? []) {
      const slot = index.byDevice.get(device.id)?.get(name);
      if (slot === undefined) throw new Error(`the profile of ${device.id} lists ${name}, which it does not have`);
      const view = views.get(key) ?? { kind, id, points: new Map<string, Slot[]>() };
      views.set(key, view);
      view.points.set(name, [...(view.points.get(name) ?? []), slot]);
    }
  }
  return [...views.values()];
}

function isWanted(view: View, args: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(args).every(([name, value]) =>
    name === 'entity' ? value === entityKey(view) : name === view.kind && String(value) === view.id,
  );
}

/** A point that was never heard of is left out: missing stays missing. */
function present(points: ReadonlyMap<string, readonly Slot[]>, monoMs: number): Readonly<Record<string, SensedPoint>> {
  const shown: Record<string, SensedPoint> = {};
  for (const [name, slots] of points) {
    const status = freshest(slots, monoMs);
    if (status !== null) shown[name] = sensed(status, monoMs);
  }
  return shown;
}

function sensed(status: PointStatus, monoMs: number): SensedPoint {
  const { value, unit, quality, quality_reason, provenance, device } = status;
  const age_s = seconds(monoMs - status.received_mono_ms);
  return {
    value,
    unit,
    quality,
    quality_reason,
    provenance,
    age_s,
    unchanged_s: seconds(monoMs - status.changed_mono_ms),
    change_seen: status.change_seen,
    device,
  };
}

function seconds(ms: number): number {
  return Math.round(ms) / 1_000;
}
