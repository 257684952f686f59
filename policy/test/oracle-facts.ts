/** The oracle's view of the facts. */
import type { Facts, PointFact } from '../types.ts';
import type { Said } from './oracle-types.ts';

export function holds(yes: boolean): Said {
  return yes ? 'holds' : 'fails';
}

/** How far the device would be moved; NaN, which compares false with everything, when nobody knows. */
export function moved({ current, writes, real }: Facts): number {
  const target = writes[0]?.value;
  if (current === null || typeof current.value !== 'number' || typeof target !== 'number') return NaN;
  if (current.quality !== 'good' || current.provenance !== real) return NaN;
  return Math.round(Math.abs(current.value - target) * 1e9) / 1e9;
}

export function lookup(ref: string, facts: Facts): PointFact | null {
  if (!ref.includes('{id}')) return facts.point(ref);
  const [kind, ...id] = facts.action.entity_key.split(':');
  if (kind === '' || id.length === 0) throw new Error('no id');
  return facts.point(ref.split('{id}').join(id.join(':')));
}

export function usable(point: PointFact | null, maxAge: number, uncertainToo: boolean, facts: Facts): boolean {
  if (point === null || point.value === null || Number.isNaN(point.value)) return false;
  if (point.provenance !== facts.real || point.quality === 'bad') return false;
  if (point.quality === 'uncertain' && !uncertainToo) return false;
  if (point.age_ms > maxAge) return false;
  if (point.source_ts === null || !facts.now.clock_trusted) return true;
  return new Date(point.source_ts).getTime() <= facts.now.wall_ms + 5_000;
}

/** Milliseconds of `10m`. */
export function ms(text: string): number {
  const unit = { s: 1_000, m: 60_000, h: 3_600_000 }[text.slice(-1)] ?? NaN;
  return Number(text.slice(0, -1)) * unit;
}
