/**
 * Cases for a policy: what is wished for, what is known at that moment, and what is to come of it (G-PS-6). What a case does not say is
 * as a healthy site has it: live, the clock trusted, nobody's hand on anything, nothing done before. What it does not name is not known.
 */
import { CAPABILITIES, duration, MODES, type PointValue, PROVENANCES, valueIn } from '@fibric/sdk';
import { z } from 'zod';
import { decide } from './decide.ts';
import { explain } from './explain.ts';
import { pointRef } from './kinds/gate.ts';
import type { Policy } from './rules.ts';
import type { Facts, PointFact, Verdict } from './types.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
/** 2026-01-05, a Monday, at midnight: cases know days of the week and times of the day. */
const MONDAY_MS = Date.UTC(2026, 0, 5);
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const scalar = z.union([z.number(), z.boolean(), z.string()]);
const known = z.union([
  scalar,
  z.strictObject({
    value: scalar,
    unit: z.string().optional(),
    age: duration.optional(),
    unchanged: duration.optional(),
    quality: z.enum(['good', 'uncertain', 'bad']).default('good'),
    provenance: z.enum(PROVENANCES).default('live'),
  }),
]);

const fields = z.strictObject({
  name: z.string().min(1),
  operator: z.string().min(1),
  capability: z.string().min(1),
  entity: z.string().regex(/^[a-z][a-z0-9_-]*:.+$/, 'expected kind:id, such as zone:412'),
  args: z.record(z.string(), z.unknown()).default({}),
  /** The quantity that a ceiling applies to; left out: what the capability says of its arguments. */
  value: z.number().optional(),
  /** Which point gets which argument; left out: each number and switch among the arguments goes to a point of its name. */
  writes: z.record(z.string(), z.string()).optional(),
  mode: z.enum(MODES).default('live'),
  at: z
    .string()
    .regex(/^(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):[0-5]\d$/, 'expected a day and a time, such as wed 08:30')
    .default('mon 12:00'),
  clock: z.enum(['trusted', 'untrusted']).default('trusted'),
  /** What is read from the device before the write. */
  current: known.optional(),
  points: z.record(pointRef, known).default({}),
  changes: z
    .array(
      z.strictObject({
        ago: duration,
        delta: z.number().nullable().default(null),
        by: z.enum(['us', 'others']).default('us'),
      }),
    )
    .default([]),
  /** Earlier actions of the operator by this capability. */
  sent: z.array(duration).default([]),
  admitted_in_run: z.int().min(0).default(0),
  /** When a person's hand was last seen on the device. */
  hand: z.union([z.literal('now'), duration]).optional(),
  held_by: z.array(z.strictObject({ operator: z.string(), for: duration })).default([]),
  approved_by: z.array(z.string()).default([]),
  expect: z.strictObject({
    decision: z.enum(['ALLOW', 'ALERT', 'BLOCK']),
    reason_code: z.string().optional(),
    rule: z.string().optional(),
    /** The arguments that would be sent, where a rule clamps them. */
    args: z.record(z.string(), scalar).optional(),
  }),
});

const one = fields.superRefine(({ args, writes }, context) => {
  for (const [point, arg] of Object.entries(writes ?? {}))
    if (!scalar.safeParse(args[arg]).success)
      context.addIssue({
        code: 'custom',
        path: ['writes', point],
        message: `there is no argument '${arg}' to be written`,
      });
});

/** A file of cases: the policy files that they are about, beside it, and the cases. */
export const casesSchema = z.strictObject({
  policy: z.array(z.string().min(1)).min(1),
  cases: z.array(one).min(1),
});

export type Case = z.output<typeof one>;

export interface CaseResult {
  readonly name: string;
  readonly holds: boolean;
  /** What was expected and did not come, in words. */
  readonly differs: readonly string[];
  readonly verdict: Pick<Verdict, 'decision' | 'rule' | 'stage' | 'reason_code' | 'reason' | 'effective'>;
  readonly explanation: string;
}

/** Decides as the executor does: at admission first, and what gets through once more at the head of the lane. */
export function tryCase(policy: Policy, asked: Case): CaseResult {
  const facts = factsOf(asked);
  const early = decide(policy, { ...facts, current: null }, 'admission');
  const verdict = early.decision === 'BLOCK' ? early : decide(policy, facts, 'head');
  const { decision, rule, stage, reason_code, reason, effective } = verdict;
  const sent = effective?.args ?? asked.args;
  const compared = [
    ['decision', asked.expect.decision, decision],
    ['reason_code', asked.expect.reason_code, reason_code],
    ['rule', asked.expect.rule, rule],
    ...Object.entries(asked.expect.args ?? {}).map(([name, wanted]) => [name, wanted, sent[name]] as const),
  ] as const;
  const differs = compared.flatMap(([what, wanted, got]) =>
    wanted === undefined || wanted === got
      ? []
      : [`${what} is ${JSON.stringify(got ?? null)}, expected ${JSON.stringify(wanted)}`],
  );
  return {
    name: asked.name,
    holds: differs.length === 0,
    differs,
    verdict: { decision, rule, stage, reason_code, reason, effective },
    explanation: explain(verdict, facts),
  };
}

function factsOf(asked: Case): Facts {
  const { operator, capability, entity, args, mode, admitted_in_run, held_by, approved_by, sent } = asked;
  const known = CAPABILITIES.get(capability);
  const value = asked.value ?? (known ? valueIn(known, args) : null);
  const points = new Map(Object.entries(asked.points).map(([ref, fact]) => [ref, pointOf(fact)]));
  return {
    action: {
      ...{ operator, capability, connector: 'case', tool: capability, effect_class: 'absolute_set' },
      ...{ entity_key: entity, args, value },
    },
    mode,
    real: 'live',
    admitted_in_run,
    now: nowOf(asked),
    current: asked.current === undefined ? null : pointOf(asked.current),
    writes: writesOf(asked),
    changes: asked.changes.map(({ ago, delta, by }) => ({ ago_ms: ago, delta, by })),
    changes_reach_ms: null,
    sent_within: (windowMs) => sent.filter((ago) => ago <= windowMs).length,
    override: handOf(asked.hand),
    holders: held_by.map((holder) => ({ operator: holder.operator, class: 'control', held_ms: holder.for })),
    lease: { deadman: 'gateway', fallbacks: ['relinquish', 'baseline', 'value'], held_ms: null },
    approval: approved_by.length === 0 ? null : { approvers: approved_by, age_ms: 0, basis_changed: false },
    alerts: { accepted: true, unreachable_ms: 0 },
    point: (ref) => points.get(ref) ?? null,
  };
}

function writesOf({ args, writes }: Case): Facts['writes'] {
  const moved = Object.keys(args).filter((arg) => typeof args[arg] === 'number' || typeof args[arg] === 'boolean');
  const named = writes ?? Object.fromEntries(moved.map((arg) => [arg, arg]));
  return Object.entries(named).map(([point, arg]) => ({ point, arg, value: args[arg] as z.output<typeof scalar> }));
}

function pointOf(fact: z.output<typeof known>): PointFact {
  const given: Partial<Exclude<typeof fact, PointValue>> & { value: PointValue } =
    typeof fact === 'object' ? fact : { value: fact };
  const { value, unit = null, age = 0, unchanged = 0, quality = 'good', provenance = 'live' } = given;
  return { value, unit, quality, provenance, source_ts: null, age_ms: age, unchanged_ms: unchanged };
}

function nowOf({ at, clock }: Case): Facts['now'] {
  const [day = '', time = ''] = at.split(' ');
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  const weekday = DAYS.indexOf(day);
  const minute_of_day = hours * 60 + minutes;
  const wall_ms = MONDAY_MS + weekday * DAY_MS + minute_of_day * MINUTE_MS;
  return { wall_ms, minute_of_day, weekday: weekday + 1, clock_trusted: clock === 'trusted' };
}

function handOf(hand: Case['hand']): Facts['override'] {
  if (hand === undefined) return { kind: 'none' };
  const what = 'as the case says';
  return hand === 'now' ? { kind: 'in_force', what } : { kind: 'past', what, ago_ms: hand, released: false };
}
