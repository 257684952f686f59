/**
 * A reading: one observed value of one point of one device, as a driver hands it over.
 *
 * Missing stays missing: a failed read is `value: null, quality: 'bad'` with a reason, never the last known value.
 */

/** What a point can hold, in engineering units. Null means: not known. */
export type PointValue = number | boolean | string | null;

export const QUALITIES = ['good', 'uncertain', 'bad'] as const;
export type Quality = (typeof QUALITIES)[number];

export const QUALITY_REASONS = [
  'out_of_range',
  'spike',
  'stuck',
  'stale',
  'timeout',
  'disconnected',
  'sensor_fault',
  'retained',
  'malformed',
  'device_error',
  'wrong_type',
  'clock_skew',
  'local_override',
] as const;
export type QualityReason = (typeof QUALITY_REASONS)[number];

/** Where a value comes from. Only `live` may justify a write in a live site, only `simulated` in a simulated one. */
export const PROVENANCES = ['live', 'simulated', 'replayed', 'manual'] as const;
export type Provenance = (typeof PROVENANCES)[number];

/** Names one point of one device of the site. */
export interface PointRef {
  readonly device: string;
  readonly point: string;
}

/** What a driver delivers. `observed_at` is the device's own time (RFC 3339) or null when it has none. */
export interface Reading extends PointRef {
  readonly value: PointValue;
  readonly quality: Quality;
  readonly quality_reason: QualityReason | null;
  readonly provenance: Provenance;
  readonly observed_at: string | null;
}

/** A reading that says only why there is no value. */
export function badReading(ref: PointRef, reason: QualityReason, provenance: Provenance): Reading {
  return {
    device: ref.device,
    point: ref.point,
    value: null,
    quality: 'bad',
    quality_reason: reason,
    provenance,
    observed_at: null,
  };
}
