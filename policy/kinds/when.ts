/**
 * when: a predicate over what the action is, written as data and never as code (G-PS-4). In a rule that permits, it must hold; a rule
 * that forbids does so only where it holds. Every part is evaluated, so that an error is one wherever it stands: a missing field, two
 * values of different types, and NaN are errors, and an error blocks (fault row 21).
 */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, entityId, fails } from './kind.ts';

export const FIELDS = [
  'operator',
  'capability',
  'connector',
  'tool',
  'entity',
  'entity_kind',
  'entity_id',
  'effect_class',
  'mode',
  'value',
] as const;
type Field = (typeof FIELDS)[number];

const literal = z.union([z.number(), z.boolean(), z.string()]);
type Literal = z.output<typeof literal>;

const comparison = z
  .strictObject({
    /** An argument of the action. */
    arg: z.string().min(1).optional(),
    field: z.enum(FIELDS).optional(),
    eq: literal.optional(),
    ne: literal.optional(),
    lt: z.number().optional(),
    le: z.number().optional(),
    gt: z.number().optional(),
    ge: z.number().optional(),
    in: z.array(literal).min(1).optional(),
    not_in: z.array(literal).min(1).optional(),
  })
  .superRefine(({ arg, field, ...tests }, context) => {
    if ((arg === undefined) === (field === undefined)) context.addIssue('needs either arg or field');
    const given = Object.values(tests).filter((test) => test !== undefined).length;
    if (given !== 1) context.addIssue('needs one of eq, ne, lt, le, gt, ge, in, not_in');
  });
type Comparison = z.output<typeof comparison>;

interface All {
  readonly all: readonly Predicate[];
}
interface AnyOf {
  readonly any: readonly Predicate[];
}
interface Not {
  readonly not: Predicate;
}
export type Predicate = Comparison | All | AnyOf | Not;

export const schema: z.ZodType<Predicate> = z.lazy(() =>
  z.union([
    comparison,
    z.strictObject({ all: z.array(schema).min(1) }),
    z.strictObject({ any: z.array(schema).min(1) }),
    z.strictObject({ not: schema }),
  ]),
);

export function check(predicate: Predicate, facts: Facts): Answer {
  if (holds(predicate, facts)) return null;
  return fails('when_false', `it is permitted only when ${inWords(predicate)}`);
}

/** Throws where it cannot be told. */
export function holds(predicate: Predicate, facts: Facts): boolean {
  if ('all' in predicate) return predicate.all.map((one) => holds(one, facts)).every(Boolean);
  if ('any' in predicate) return predicate.any.map((one) => holds(one, facts)).some(Boolean);
  if ('not' in predicate) return !holds(predicate.not, facts);
  return compare(predicate, facts);
}

function compare(test: Comparison, facts: Facts): boolean {
  const name = nameOf(test);
  const value = test.arg === undefined ? fieldOf(test.field, facts) : argumentOf(test.arg, facts);
  const number = (): number => {
    if (typeof value !== 'number') throw new Error(`${name} is ${JSON.stringify(value)}, no number`);
    return value;
  };
  if (test.lt !== undefined) return number() < test.lt;
  if (test.le !== undefined) return number() <= test.le;
  if (test.gt !== undefined) return number() > test.gt;
  if (test.ge !== undefined) return number() >= test.ge;
  const equal = (wanted: Literal): boolean => {
    if (typeof wanted !== typeof value)
      throw new Error(`${name} is ${JSON.stringify(value)}, not to be compared with ${JSON.stringify(wanted)}`);
    return wanted === value;
  };
  if (test.eq !== undefined) return equal(test.eq);
  if (test.ne !== undefined) return !equal(test.ne);
  if (test.in !== undefined) return test.in.map(equal).some(Boolean);
  return !(test.not_in ?? []).map(equal).some(Boolean);
}

function argumentOf(arg: string, { action }: Facts): Literal {
  return known(`argument ${arg}`, Object.hasOwn(action.args, arg) ? action.args[arg] : undefined);
}

function fieldOf(field: Field | undefined, { action, mode }: Facts): Literal {
  switch (field) {
    case 'entity':
      return action.entity_key;
    case 'entity_kind':
      return action.entity_key.slice(0, action.entity_key.length - entityId(action).length - 1);
    case 'entity_id':
      return entityId(action);
    case 'mode':
      return mode;
    case 'value':
      return known('value', action.value);
    case undefined:
      throw new Error('a comparison names what it compares');
    default:
      return action[field];
  }
}

function known(name: string, value: unknown): Literal {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new Error(`${name} is ${value === undefined || value === null ? 'missing' : 'nothing to compare'}`);
}

const nameOf = ({ arg, field }: Comparison): string => arg ?? field ?? '';

const SIGNS = { eq: '=', ne: '≠', lt: '<', le: '≤', gt: '>', ge: '≥', in: 'in', not_in: 'not in' } as const;

/** As a person says it: `(celsius > 24 and not operator = floor)`. */
export function inWords(predicate: Predicate): string {
  if ('all' in predicate) return `(${predicate.all.map(inWords).join(' and ')})`;
  if ('any' in predicate) return `(${predicate.any.map(inWords).join(' or ')})`;
  if ('not' in predicate) return `not ${inWords(predicate.not)}`;
  const sign = (Object.keys(SIGNS) as (keyof typeof SIGNS)[]).find((one) => predicate[one] !== undefined) ?? 'eq';
  const wanted = predicate[sign];
  return `${nameOf(predicate)} ${SIGNS[sign]} ${Array.isArray(wanted) ? wanted.join(', ') : String(wanted)}`;
}
