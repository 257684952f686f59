/** What was sensed, by zone. A value counts only when its quality is good; otherwise there is a sentence that says why not. */
import type { Sensed, SensedPoint } from '@fibric/sdk';

/** The points of one zone, by name. */
export type Zone = Readonly<Record<string, SensedPoint>>;

/** Zones of a sensed answer; entities of other kinds are none of ours. */
export function zonesOf(sensed: unknown): ReadonlyMap<string, Zone> {
  const { entities } = sensed as Sensed;
  return new Map(entities.filter(({ kind }) => kind === 'zone').map(({ id, points }) => [id, points]));
}

/** Why a point cannot be gone by, or null when it can. */
export function problemOf(name: string, point: SensedPoint | undefined): string | null {
  if (point === undefined) return `${name} has never been heard of`;
  if (point.quality !== 'good') {
    return `${name} is ${point.quality}${point.quality_reason === null ? '' : ` (${point.quality_reason})`}`;
  }
  return null;
}

/** The value when it is good and a number. */
export function goodNumber(point: SensedPoint | undefined): number | null {
  return point?.quality === 'good' && typeof point.value === 'number' ? point.value : null;
}

/** The value when it is good and a switch. */
export function goodSwitch(point: SensedPoint | undefined): boolean | null {
  return point?.quality === 'good' && typeof point.value === 'boolean' ? point.value : null;
}
