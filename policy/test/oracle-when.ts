/** Predicates once more, for the oracle. */
import type { Facts } from '../types.ts';
import type { OracleWhen } from './oracle-types.ts';

/** Throws where it cannot be told. */
export function truth(when: OracleWhen, facts: Facts): boolean {
  if ('all' in when) return !(when.all as OracleWhen[]).map((one) => truth(one, facts)).includes(false);
  if ('any' in when) return (when.any as OracleWhen[]).map((one) => truth(one, facts)).includes(true);
  if ('not' in when) return !truth(when.not as OracleWhen, facts);
  const test = when as Readonly<Record<string, unknown>>;
  const subject = subjectOf(test, facts);
  if (
    subject === null ||
    subject === undefined ||
    typeof subject === 'object' ||
    Number.isNaN(subject) ||
    Math.abs(Number(subject)) === Infinity
  )
    throw new Error('nothing to compare');
  const [name = '', wanted] = Object.entries(test).find(([key]) => key !== 'arg' && key !== 'field') ?? [];
  const list = Array.isArray(wanted) ? wanted : [wanted];
  if (list.some((one) => typeof one !== typeof subject)) throw new Error('different types');
  switch (name) {
    case 'eq':
    case 'in':
      return list.includes(subject);
    case 'ne':
    case 'not_in':
      return !list.includes(subject);
    case 'lt':
      return Number(subject) < Number(wanted);
    case 'le':
      return Number(subject) <= Number(wanted);
    case 'gt':
      return Number(subject) > Number(wanted);
    default:
      return Number(subject) >= Number(wanted);
  }
}

function subjectOf({ arg, field }: Readonly<Record<string, unknown>>, { action, mode }: Facts): unknown {
  if (arg !== undefined) return new Map(Object.entries(action.args)).get(arg as string);
  const [kind = '', ...id] = action.entity_key.split(':');
  if (String(field).startsWith('entity_') && (kind === '' || id.length === 0)) throw new Error('no id');
  const fields = new Map<string, unknown>([
    ...Object.entries(action),
    ['entity', action.entity_key],
    ['entity_kind', kind],
    ['entity_id', id.join(':')],
    ['mode', mode],
  ]);
  return fields.get(String(field));
}
