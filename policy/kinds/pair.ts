/**
 * pair: two points that must not meet (fault row 76). Judged on the state that would result: what the action writes, and for what it
 * leaves alone the read-back. `heat` and `cool` keep a gap; `exclusive` outputs are never on together.
 */
import { duration, type PointValue } from '@fibric/sdk';
import { z } from 'zod';
import type { ActionFacts, Facts } from '../types.ts';
import { exact } from './change.ts';
import { gate, pointRef, resolved } from './gate.ts';
import { type Answer, fails, short } from './kind.ts';

/** A point of the entity acted on by its bare name, or any point in full. */
const member = z.union([z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]*$/, 'expected a point, such as heat_sp'), pointRef]);
/** A read-back older than this says nothing of the other half. */
const max_age = duration.prefault('5m');

const gap = z.strictObject({ heat: member, cool: member, min_gap: z.number().min(0), max_age });
const exclusive = z.strictObject({ exclusive: z.array(member).min(2), max_age });

export const schema = z.union([gap, exclusive]);
type Pair = z.output<typeof schema>;

type Resulting =
  | { readonly kind: 'value'; readonly name: string; readonly value: PointValue }
  | { readonly kind: 'refused'; readonly answer: Answer };

export function check(pair: Pair, facts: Facts): Answer {
  return 'exclusive' in pair ? apart(pair, facts) : gapKept(pair, facts);
}

/** What it looks at, as `entity/point`. */
export function pointsOf(pair: Pair, action: ActionFacts): readonly string[] {
  const members = 'exclusive' in pair ? pair.exclusive : [pair.heat, pair.cool];
  return members.map((name) => resolved(inFull(name, action), { action }));
}

/** A bare name is a point of the entity acted on. */
const inFull = (name: string, { entity_key }: ActionFacts): string =>
  name.includes('/') ? name : `${entity_key}/${name}`;

function gapKept(pair: z.output<typeof gap>, facts: Facts): Answer {
  const [heat, cool] = [resulting(pair.heat, pair, facts), resulting(pair.cool, pair, facts)];
  if (heat.kind === 'refused') return heat.answer;
  if (cool.kind === 'refused') return cool.answer;
  if (typeof heat.value !== 'number' || typeof cool.value !== 'number')
    return fails('pair_unknown', `pair compares numbers, and ${heat.name} or ${cool.name} is none`);
  const left = exact(cool.value - heat.value);
  if (left >= pair.min_gap) return null;
  const would = `${heat.name} would be ${short(heat.value)} and ${cool.name} ${short(cool.value)}`;
  return fails('pair_crossed', `${would}: ${short(left)} apart, at least ${pair.min_gap} needed`);
}

function apart(pair: z.output<typeof exclusive>, facts: Facts): Answer {
  const states = pair.exclusive.map((name) => resulting(name, pair, facts));
  const refused = states.find((state) => state.kind === 'refused');
  if (refused !== undefined) return refused.answer;
  const on = states.flatMap((state) => (state.kind === 'value' && isOn(state.name, state.value) ? [state.name] : []));
  return on.length < 2 ? null : fails('pair_crossed', `${on.join(' and ')} would be on together`);
}

/** A switch, or a demand: anything above nothing is on. */
function isOn(name: string, value: PointValue): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value !== 0;
  throw new Error(`${name} is neither a switch nor a number`);
}

function resulting(name: string, { max_age }: Pair, facts: Facts): Resulting {
  const point = inFull(name, facts.action);
  const written = facts.writes.find((write) => `${facts.action.entity_key}/${write.point}` === resolved(point, facts));
  if (written !== undefined) return { kind: 'value', name, value: written.value };
  const gated = gate({ point, max_age, allow_uncertain: false }, facts);
  if (gated.kind === 'good') return { kind: 'value', name, value: gated.fact.value };
  return { kind: 'refused', answer: fails(gated.reason_code, `pair: ${gated.reason}`) };
}
