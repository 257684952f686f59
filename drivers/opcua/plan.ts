/** The connection's points in one list, as the driver works with them. */
import type { ConnectionSpec, PointRef } from '@fibric/sdk';
import { type DeviceOptions, identifierOf, type PointAddress } from './options.ts';

/** Where a profile does not say how often. */
const SAMPLING_MS = 1_000;

export interface PlannedPoint {
  readonly ref: PointRef;
  readonly key: string;
  readonly namespace: string;
  /** `s=AHU1.SupplyTemperature`, without the namespace. */
  readonly identifier: string;
  readonly writable: boolean;
  /** How often the server samples it, and the longest we go without hearing of it; null: it is only written. */
  readonly pollMs: number | null;
  readonly deadband: number | null;
}

export function keyOf(ref: PointRef): string {
  return `${ref.device}\n${ref.point}`;
}

export function planPoints(spec: ConnectionSpec): ReadonlyMap<string, PlannedPoint> {
  const points = spec.devices.flatMap((device) =>
    device.points.map((point): PlannedPoint => {
      const ref = { device: device.id, point: point.name };
      const address = point.address as PointAddress;
      return {
        ref,
        key: keyOf(ref),
        namespace: address.namespace,
        identifier: identifierOf(device.options as DeviceOptions, address),
        writable: point.access !== 'read',
        pollMs: point.access === 'write' ? null : (point.poll_ms ?? SAMPLING_MS),
        deadband: point.deadband,
      };
    }),
  );
  return new Map(points.map((point) => [point.key, point]));
}
