/** A site of one connection and its devices, for tests of observe. */
import type { DriverModule, Entity, Envelope, Reading } from '@fibric/sdk';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import type { Connection, Device, Point, Simulation, Site } from '../config/site.ts';
import { createIds } from '../ids.ts';
import { createObserver, type Observer } from './observer.ts';

export const identity = { tenant_id: 't_real', reseller_id: null, workspace_id: 'ws_real' };

export type PointOptions = Partial<Omit<Point, 'name' | 'device'>>;

export function deviceOf(
  id: string,
  entity: Entity,
  points: Readonly<Record<string, PointOptions>>,
  reads: Device['reads'] = {},
): Device {
  const list = Object.entries(points).map(
    ([name, options]): Point => ({
      name,
      device: id,
      access: 'read',
      poll_ms: null,
      deadband: null,
      address: null,
      unit: 'degC',
      event_type: `${entity.kind}.${name}`,
      plausibility: { range: null, spike: null, stuck_ms: null },
      stale_ms: 600_000,
      ...options,
    }),
  );
  return {
    id,
    connection: 'field',
    profile: 'p',
    entity,
    spec: { id, options: null, points: list },
    points: list,
    identity: [],
    reads,
    tools: [],
  };
}

export interface Observed {
  readonly clock: VirtualClock;
  readonly observer: Observer;
  readonly envelopes: Envelope[];
  /** Delivers good readings of one device. */
  read(device: string, values: Readonly<Record<string, Reading['value']>>, over?: Partial<Reading>): void;
}

export function observe(
  devices: readonly Device[],
  options: { readonly bindings?: Site['bindings']; readonly simulation?: Simulation } = {},
): Observed {
  const clock = new VirtualClock();
  const envelopes: Envelope[] = [];
  const connection: Connection = { id: 'field', driver: { protocol: 'mqtt' } as DriverModule, options: null, devices };
  const site = {
    identity,
    simulation: options.simulation ?? null,
    connections: new Map([['field', connection]]),
    devices: new Map(devices.map((device) => [device.id, device])),
    bindings: options.bindings ?? new Map(),
  } as unknown as Site;
  const observer = createObserver({
    site,
    clock,
    ids: createIds(clock, { next: () => 0.5 }),
    emit: (e) => envelopes.push(e),
  });
  observer.start();
  return {
    clock,
    observer,
    envelopes,
    read(device, values, over = {}) {
      observer.readings(
        Object.entries(values).map(([point, value]) => ({ ...reading(device, point, value), ...over })),
      );
    },
  };
}

export function reading(device: string, point: string, value: Reading['value']): Reading {
  return { device, point, value, quality: 'good', quality_reason: null, provenance: 'live', observed_at: null };
}
