/**
 * The decision once more, written apart from the real one and straight from execution semantics §2.10–2.12, over policies as their
 * authors write them: slow, flat and without an index. The two must agree.
 */
import type { Facts, Moment, PointFact } from '../types.ts';
import { motions, people } from './oracle-control.ts';
import { holds, lookup, moved, ms, usable } from './oracle-facts.ts';
import type { OracleConstraints, OraclePolicy, OracleRange, OracleRule, Said } from './oracle-types.ts';
import { truth } from './oracle-when.ts';

export interface OracleVerdict {
  readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK';
  readonly noop: boolean;
  readonly silent: boolean;
  readonly error: boolean;
}

export function oracle(policy: OraclePolicy, facts: Facts, moment: Moment): OracleVerdict {
  const grants: OracleRule[] = policy.allow.map((capability) => ({
    id: capability,
    match: { capability },
    decision: 'ALLOW',
  }));
  const matching = [...grants, ...policy.rules].filter((rule) => matches(rule, facts));
  if (matching.length === 0) return { decision: 'BLOCK', noop: false, silent: true, error: false };
  const said: Said[] = [];
  let error = false;
  const ask = (question: () => Said): void => {
    try {
      said.push(question());
    } catch {
      error = true;
    }
  };
  const forbidding = matching.filter((rule) => rule.decision === 'BLOCK');
  const others = matching.filter((rule) => rule.decision !== 'BLOCK');
  const limits = limitsAsConstraints(policy.limits[facts.action.capability]);
  const all = [...others.map((rule) => rule.constraints ?? {}), limits];
  const written = clamped(all, facts);
  for (const given of new Set([facts, written])) {
    for (const rule of forbidding) ask(() => (rule.when === undefined || truth(rule.when, given) ? 'fails' : 'holds'));
    for (const rule of others) ask(() => (rule.when === undefined ? 'holds' : holds(truth(rule.when, given))));
  }
  for (const rule of others) ask(() => value(rule, facts));
  for (const constraints of all) for (const question of questions(constraints, facts, written, moment)) ask(question);

  const blocked = error || said.includes('fails') || others.length === 0;
  const told = facts.mode === 'live_limited' || written !== facts || others.some((rule) => rule.decision === 'ALERT');
  const decision = blocked ? 'BLOCK' : told ? 'ALERT' : 'ALLOW';
  const silent = others.length === 0 && !error && !said.includes('fails');
  return { decision, noop: !blocked && said.includes('noop'), silent, error };
}

/** What would be written once everything that may be clamped is; `facts` itself when nothing is. */
function clamped(all: readonly OracleConstraints[], facts: Facts): Facts {
  const clamps = all.flatMap(({ range }) => (range?.on_exceed === 'clamp' ? [range] : []));
  let result = facts;
  for (const arg of new Set(clamps.map((range) => range.arg))) {
    const asked = facts.action.args[arg];
    if (typeof asked !== 'number' || !Number.isFinite(asked) || facts.action.effect_class !== 'absolute_set') continue;
    const bounds = clamps.filter((range) => range.arg === arg);
    const inside = (one: number): boolean =>
      bounds.every((b) => one >= (b.min ?? -Infinity) && one <= (b.max ?? Infinity));
    if (inside(asked)) continue;
    const edges = bounds.flatMap(({ min, max }) => [min, max]).filter((edge) => edge !== undefined && inside(edge));
    const nearest = edges.toSorted((a, b) => Math.abs((a ?? 0) - asked) - Math.abs((b ?? 0) - asked))[0];
    const touched = facts.writes.filter((write) => write.arg === arg);
    if (nearest === undefined || touched.length === 0 || touched.some((write) => write.value !== asked)) continue;
    result = {
      ...result,
      action: { ...result.action, args: { ...result.action.args, [arg]: nearest } },
      writes: result.writes.map((write) => (write.arg === arg ? { ...write, value: nearest } : write)),
    };
  }
  return result;
}

function limitsAsConstraints(limits: OraclePolicy['limits'][string] | undefined): OracleConstraints {
  return {
    ...(limits?.max_per_run === undefined ? {} : { quantity: { max_per_run: limits.max_per_run } }),
    ...(limits?.single_flight === undefined ? {} : { single_flight: limits.single_flight }),
  };
}

function same(pattern: string | undefined, given: string, separator: string): boolean {
  if (pattern === undefined) return true;
  const a = pattern.split(separator);
  const b = given.split(separator);
  return a.length === b.length && a.every((part, i) => part === '*' || part === b[i]);
}

function matches({ match }: OracleRule, { action }: Facts): boolean {
  return (
    same(match.capability, action.capability, '.') &&
    (match.tool === undefined || match.tool === action.tool) &&
    (match.connector === undefined || match.connector === action.connector) &&
    (match.operator === undefined || match.operator === action.operator) &&
    same(match.entity, action.entity_key, ':')
  );
}

function questions(c: OracleConstraints, proposed: Facts, facts: Facts, moment: Moment): (() => Said)[] {
  const asked: (() => Said)[] = [];
  const { quantity, range, step, deadband, min_interval, windows, evidence, interlocks, single_flight } = c;
  if (quantity) asked.push(() => holds(withinCaps(quantity, facts)));
  if (range?.on_exceed === 'clamp') asked.push(() => inRange(range, facts));
  else if (range) asked.push(() => (inRange(range, proposed) === 'fails' ? 'fails' : inRange(range, facts)));
  if (single_flight) asked.push(() => holds(resolves(single_flight, proposed) && resolves(single_flight, facts)));
  if (moment === 'admission') return asked;
  if (step) asked.push(() => holds(moved(facts) <= step.max));
  if (deadband)
    asked.push(() => {
      if (Number.isNaN(moved(facts))) return 'fails';
      const others = facts.writes.filter((one) => one.there === false).length;
      return moved(facts) < deadband.abs && others === 0 ? 'noop' : 'holds';
    });
  if (min_interval) asked.push(() => holds((facts.changes[0]?.ago_ms ?? Number.POSITIVE_INFINITY) >= ms(min_interval)));
  if (windows) asked.push(() => holds(facts.now.clock_trusted && windows.some((w) => open(w, facts))));
  for (const e of evidence ?? []) asked.push(() => holds(attested(e, facts)));
  for (const i of interlocks ?? []) {
    asked.push(() => {
      const point = lookup(i.point, facts);
      return holds(usable(point, ms(i.max_age), false, facts) && point?.value === i.must_be);
    });
  }
  asked.push(...motions(c, facts), ...people(c, facts));
  return asked;
}

type Quantity = NonNullable<OracleConstraints['quantity']>;

function withinCaps({ max_per_run, per_window, max_changes_per_day }: Quantity, facts: Facts): boolean {
  if (max_per_run !== undefined && facts.admitted_in_run >= cap(max_per_run, facts)) return false;
  if (per_window && facts.sent_within(ms(per_window.window)) >= cap(per_window.count, facts)) return false;
  if (max_changes_per_day === undefined) return true;
  const today = facts.changes.filter((change) => change.by === 'us' && change.ago_ms < ms('24h'));
  return today.length < cap(max_changes_per_day, facts);
}

function value(rule: OracleRule, { action }: Facts): Said {
  if (rule.maxValue === undefined && rule.minValue === undefined) return 'holds';
  if (action.value === null || !Number.isFinite(action.value)) return 'fails';
  return holds(action.value <= (rule.maxValue ?? Infinity) && action.value >= (rule.minValue ?? -Infinity));
}

function cap(max: number, facts: Facts): number {
  return facts.mode === 'live_limited' ? (max === 0 ? 0 : Math.floor(max / 4) || 1) : max;
}

function inRange(range: OracleRange, { action, writes, current }: Facts): Said {
  const target = writes[0]?.value;
  const given = action.args[range.arg];
  if (typeof given !== 'number' || !Number.isFinite(given)) return 'fails';
  if (target === given && current !== null && current.unit !== null && current.unit !== range.unit) return 'fails';
  return holds(given >= (range.min ?? -Infinity) && given <= (range.max ?? Infinity));
}

function resolves(singleFlight: string, { action }: Facts): boolean {
  const named = singleFlight.replace('by_', '');
  const given = action.args[named];
  if (typeof given === 'number' || (typeof given === 'string' && given.length > 0)) return true;
  return action.entity_key.split(':')[0] === (named.endsWith('_id') ? named.slice(0, -3) : named);
}

/** Every minute of the week that the window is open, counted out. */
function open({ days = 'mon-sun', from, to }: { days?: string; from: string; to: string }, { now }: Facts): boolean {
  const week = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
  const [first = '', last = first] = days.split('-');
  const begin = minute(from);
  const length = (minute(to) - begin + 1_440) % 1_440 || 1_440;
  for (let day = week.indexOf(first); ; day = (day + 1) % 7) {
    const since = ((now.weekday - 1 - day) * 1_440 + now.minute_of_day - begin + 10_080) % 10_080;
    if (since < length) return true;
    if (week[day] === last) return false;
  }
}

function minute(text: string): number {
  const [hours = '0', minutes = '0'] = text.split(':');
  return Number(hours) * 60 + Number(minutes);
}

function attested(e: NonNullable<OracleConstraints['evidence']>[number], facts: Facts): boolean {
  const point = lookup(e.point, facts);
  const fit = (one: PointFact | null): boolean => usable(one, ms(e.max_age), e.allow_uncertain ?? false, facts);
  if (!e.agree) return fit(point);
  const other = lookup(e.agree.with, facts);
  if (!fit(point) || !fit(other)) return false;
  if (typeof point?.value !== typeof other?.value) throw new Error('not to be compared');
  if (typeof point?.value !== 'number') return point?.value === other?.value;
  return Math.round(Math.abs(point.value - Number(other?.value)) * 1e9) / 1e9 <= e.agree.within;
}
