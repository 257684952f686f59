/** Operators of different habits. They run inside the process, remember what the journal remembers for them, and mean no good or no harm. */
import type { RulesNow } from '@fibric/gateway/executor/rules-now';
import type { Mode } from '@fibric/sdk';
import { loadPolicy, type Policy } from '@fibric/policy';
import type { Dice } from './dice.ts';
import { REQUIRES } from './site.ts';

/** What a run returns: a plan, perhaps nonsense, or several one after another. */
export type Plans = readonly unknown[];

export interface Habit {
  readonly name: string;
  readonly mode: Mode;
  readonly policy: string | null;
  /** Mean time between runs; or the event that wakes it. */
  readonly everyMs: number;
  readonly on?: string;
  readonly run: (dice: Dice, n: number) => Plans;
  /** Submits the same run again, as after a lost answer. */
  readonly repeats?: boolean;
}

const OPEN = `version: 1\nallow: [${REQUIRES.join(', ')}]\n`;
const CAREFUL = `version: 1
rules:
  - id: careful
    match: { capability: hvac.setpoint, entity: "zone:*" }
    decision: ALERT
    constraints:
      quantity: { max_per_run: 2 }
      range: { arg: celsius, min: 18, max: 25, unit: degC, on_exceed: block }
      step: { max: 3.0, against: effective }
      deadband: { abs: 0.4 }
      min_interval: 2m
      on_failure: continue
`;

/** Of wishes that wait, only the last is wanted. */
const LAST_COUNTS = `version: 1
rules: [{ id: last, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { on_conflict: coalesce } }]
`;

/** Asks before it acts: one person, and two for the gate. */
const ASKS = `version: 1
rules:
  - { id: asks, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { approval: { within: 12m }, on_failure: continue } }
  - { id: asks-two, match: { capability: gate.pulse }, decision: ALLOW, constraints: { approval: { within: 12m, approvers: 2 } } }
`;

/** Keeps one zone a degree below another. */
const APART = `version: 1
rules:
  - id: apart
    match: { capability: hvac.setpoint }
    decision: ALLOW
    constraints: { pair: { heat: "zone:421/setpoint", cool: "zone:422/setpoint", min_gap: 1, max_age: 10m } }
`;

/** Lends for minutes what it sets, and leaves alone what a person set. */
const lending = (fallback: string, renew: boolean) => `version: 1
rules:
  - id: lent-setpoint
    match: { capability: hvac.setpoint }
    decision: ALLOW
    constraints:
      lease: { ttl: 6m, renew: ${String(renew)}, max_hold: 20m, deadman: none, fallback: ${fallback} }
      override: { hold: 15m }
  - id: lent-air
    match: { capability: air.set }
    decision: ALLOW
    constraints:
      lease: { ttl: 6m, renew: ${String(renew)}, max_hold: 20m, deadman: none, fallback: ${fallback} }
      override: { hold: 15m }
`;
/** Takes over a part of what others have lent, for less time than they have. */
const BOOSTS = `version: 1
rules:
  - id: boosts
    match: { capability: air.boost }
    decision: ALLOW
    constraints:
      lease: { ttl: 3m, renew: false, max_hold: 10m, deadman: none, fallback: baseline }
      authority: { preempt: [lending, borrowing] }
`;
const LENT_BACK = lending('baseline', true);
const LENT_TO = lending('{ value: 18 }', false);

const setpoint = (zone: string, celsius: number, over: object = {}) => ({
  capability: 'hvac.setpoint',
  args: { zone, celsius },
  ...over,
});
const air = (celsius: number, over: object = {}) => ({
  capability: 'air.set',
  args: { zone: '416', celsius },
  ...over,
});
const pulse = (gate: string, over: object = {}) => ({ capability: 'gate.pulse', args: { gate }, ...over });
const plan = (...actions: readonly object[]) => ({ reasoning: 'a habit', actions });

const ZONES = ['412', '413', '414', '415', '415-panel'] as const;
const WARM = [19, 20.5, 21.3, 23, 27] as const;

/** What no plan may be, and a few things that only look like one. */
const NONSENSE: readonly unknown[] = [
  null,
  'a plan',
  { actions: 'all of them' },
  { actions: [], extra: true },
  { actions: [setpoint('412', Number.NaN)] },
  { actions: [setpoint('412', 2 ** 60)] },
  { actions: [setpoint('\ud800', 20)] },
  { actions: Array.from({ length: 201 }, () => setpoint('412', 20)) },
  { actions: [], tenant_id: 't_other' },
  plan({ capability: 'zone.destroy', args: {} }),
  plan(setpoint('999', 20)),
  plan(setpoint('412', 20, { value: 5 })),
  plan(setpoint('412', 20, { occurrence: 'ep=4' })),
  plan(setpoint('412', 20, { revision: 9 })),
  plan({
    connector: 'x',
    tool: 'hvac.setpoint',
    entity_key: 'zone:412',
    idempotency_key: 'mine',
    args: { zone: '412', celsius: 20 },
  }),
];

export const HABITS: readonly Habit[] = [
  {
    name: 'steady',
    mode: 'live',
    policy: OPEN,
    everyMs: 90_000,
    run: (_, n) => [plan(setpoint('412', n % 40 < 20 ? 21.5 : 18), setpoint('413', n % 40 < 20 ? 21.3 : 18))],
  },
  {
    name: 'flapping',
    mode: 'live',
    policy: OPEN,
    everyMs: 60_000,
    run: (_, n) => [plan(setpoint('412', n % 2 ? 20 : 23))],
  },
  {
    name: 'flooding',
    mode: 'live',
    policy: OPEN,
    everyMs: 600_000,
    run: (dice) => {
      const zone = dice.pick(ZONES);
      return Array.from({ length: dice.int(5, 20) }, (_, i) => plan(setpoint(zone, 19 + (i % 5))));
    },
  },
  {
    name: 'undecided',
    mode: 'live',
    policy: LAST_COUNTS,
    everyMs: 600_000,
    run: (dice) => {
      const zone = dice.pick(ZONES);
      return Array.from({ length: dice.int(2, 12) }, (_, i) => plan(setpoint(zone, 18 + (i % 6))));
    },
  },
  {
    name: 'contradictory',
    mode: 'live',
    policy: OPEN,
    everyMs: 120_000,
    run: (dice) => {
      const over = dice.pick([
        {},
        { occurrence: `ev=BK-${dice.int(1, 9)}` },
        { revision: dice.int(1, 3) },
        { after: [] },
      ]);
      return [plan(setpoint('414', dice.pick(WARM), over), setpoint('414', dice.pick(WARM), over))];
    },
  },
  {
    name: 'wide',
    mode: 'live',
    policy: OPEN,
    everyMs: 150_000,
    run: (dice) => {
      const after = (k: number) =>
        dice.chance(0.5) ? { after: dice.chance(0.5) || k === 0 ? [] : [dice.int(0, k - 1)] } : {};
      const zones = ZONES.filter(() => dice.chance(0.6));
      return [
        plan(
          ...zones.map((zone, k) => setpoint(zone, dice.pick(WARM), after(k))),
          air(dice.pick(WARM), after(zones.length)),
        ),
      ];
    },
  },
  {
    name: 'pulsing',
    mode: 'live',
    policy: OPEN,
    everyMs: 100_000,
    run: (dice, n) => {
      const ticket = { occurrence: `ev=T-${Math.max(1, n - dice.int(0, 3))}` };
      const gate = dice.pick(['A', 'A', 'B']);
      return dice.chance(0.2)
        ? [plan(pulse(gate))]
        : [plan(pulse(gate, ticket)), ...(dice.chance(0.3) ? [plan(pulse(gate, ticket))] : [])];
    },
  },
  {
    name: 'calling',
    mode: 'live',
    policy: OPEN,
    everyMs: 300_000,
    run: (dice, n) => [
      plan({
        capability: 'desk.call',
        args: { desk: '1', text: `call ${n}` },
        occurrence: `ev=C-${n - dice.int(0, 1)}`,
      }),
    ],
  },
  {
    name: 'careful',
    mode: 'live_limited',
    policy: CAREFUL,
    everyMs: 120_000,
    run: (dice) => [
      plan(...ZONES.filter(() => dice.chance(0.7)).map((zone) => setpoint(zone, dice.pick([...WARM, 17])))),
    ],
  },
  {
    name: 'lending',
    mode: 'live',
    policy: LENT_BACK,
    everyMs: 100_000,
    run: (dice, n) => [
      plan(
        setpoint('412', n % 9 < 6 ? 22 : 20),
        setpoint('413', 22.5, { after: [] }),
        ...(dice.chance(0.5) ? [air(21)] : []),
      ),
    ],
  },
  {
    name: 'borrowing',
    mode: 'live',
    policy: LENT_TO,
    everyMs: 400_000,
    run: (dice) => [
      plan(setpoint(dice.pick(['412', '415', '415-panel']), dice.pick(WARM)), air(dice.pick(WARM), { after: [] })),
    ],
  },
  {
    name: 'boosting',
    mode: 'live',
    policy: BOOSTS,
    everyMs: 240_000,
    run: (dice) => [plan({ capability: 'air.boost', args: { zone: '416', on: dice.chance(0.5) } })],
  },
  {
    name: 'buggy',
    mode: 'live',
    policy: OPEN,
    everyMs: 200_000,
    repeats: true,
    run: (dice) => {
      const twice = setpoint(dice.pick(ZONES), 22, { after: [] });
      return [dice.chance(0.7) ? dice.pick(NONSENSE) : plan(twice, twice)];
    },
  },
  {
    name: 'watching',
    mode: 'shadow',
    policy: OPEN,
    everyMs: 180_000,
    run: (dice) => [plan(setpoint(dice.pick(ZONES), dice.pick(WARM)), pulse('A'))],
  },
  {
    name: 'asking',
    mode: 'live',
    policy: ASKS,
    everyMs: 250_000,
    run: (dice) => [plan(setpoint(dice.pick(ZONES), dice.pick(WARM)), pulse('A', { after: [] }))],
  },
  {
    /** Moves both at once, now together and now towards each other. */
    name: 'apart',
    mode: 'live',
    policy: APART,
    everyMs: 90_000,
    run: (dice) => [plan(setpoint('421', dice.pick([17, 18, 21]))), plan(setpoint('422', dice.pick([20, 23, 24])))],
  },
  {
    name: 'lawless',
    mode: 'live',
    policy: null,
    everyMs: 600_000,
    run: (dice) => [plan(setpoint(dice.pick(ZONES), dice.pick(WARM)))],
  },
  {
    /** Puts back whatever it hears has changed: the worst neighbour of a person. */
    name: 'stubborn',
    mode: 'live',
    policy: OPEN,
    everyMs: 0,
    on: 'zone.setpoint',
    run: (dice) => (dice.chance(0.15) ? [plan(setpoint('415', 21))] : []),
  },
];

function policyOf(text: string): Policy {
  const known = { capabilities: new Set(REQUIRES), tools: new Set(REQUIRES) };
  const loaded = loadPolicy([{ file: 'policy.yaml', text }], known);
  if (!('policy' in loaded)) throw new Error(JSON.stringify(loaded));
  return loaded.policy;
}

const POLICIES = new Map(
  [OPEN, CAREFUL, LENT_BACK, LENT_TO, BOOSTS, LAST_COUNTS, ASKS, APART].map((text) => [text, policyOf(text)]),
);

const RULES = new Map(
  HABITS.map(({ name, policy }) => [name, policy === null ? null : (POLICIES.get(policy) ?? null)]),
);

/** The rules of each of them, by name. */
export const RULES_OF: RulesNow = {
  of: (uid) => RULES.get(uid) ?? null,
  all: () => [...RULES.values()].map((policy) => ({ policy })),
};
