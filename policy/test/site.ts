/** A small site for the tests: what it knows, and facts about one action in it. */
import { formatFinding } from '../findings.ts';
import { loadPolicy } from '../load.ts';
import type { Policy } from '../rules.ts';
import type { Known } from '../schema.ts';
import type { ActionFacts, Facts, PastChange, PointFact, WriteFact } from '../types.ts';

export const KNOWN: Known = {
  capabilities: new Set([
    'hvac.setpoint',
    'hvac.mode',
    'lighting.scene',
    'lighting.level',
    'orders.hold',
    'notify.send',
    'conversations.assign',
    'conversations.note',
  ]),
  tools: new Set(['set_setpoint', 'set_mode', 'order.refund']),
};

/** Noon of a Wednesday. */
export const WALL_MS = Date.UTC(2026, 6, 1, 12);

export function action(part: Partial<ActionFacts> = {}): ActionFacts {
  return {
    operator: 'comfort',
    capability: 'hvac.setpoint',
    connector: 'fcu',
    tool: 'set_setpoint',
    effect_class: 'absolute_set',
    entity_key: 'zone:412',
    args: { zone: '412', celsius: 21.5 },
    value: 21.5,
    ...part,
  };
}

export function fact(part: Partial<PointFact> = {}): PointFact {
  return {
    value: 20,
    unit: 'degC',
    quality: 'good',
    provenance: 'live',
    source_ts: null,
    age_ms: 1_000,
    unchanged_ms: 60_000,
    ...part,
  };
}

interface FactsPart extends Partial<Omit<Facts, 'action' | 'point' | 'changes'>> {
  readonly action?: Partial<ActionFacts>;
  /** What is written to the only point; it comes from `celsius`. */
  readonly target?: WriteFact['value'] | null;
  /** Ours, unless they say otherwise. */
  readonly changes?: readonly (Omit<PastChange, 'by'> & Partial<PastChange>)[];
  readonly points?: Readonly<Record<string, PointFact>>;
}

/** Comfort setting zone 412 from 20 to 21.5 °C, in a site where all is well. */
export function facts(given: FactsPart = {}): Facts {
  const { action: acted, points = {}, target = 21.5, changes = [], ...part } = given;
  return {
    mode: 'live',
    real: 'live',
    admitted_in_run: 0,
    now: { wall_ms: WALL_MS, minute_of_day: 720, weekday: 3, clock_trusted: true },
    current: fact(),
    writes: target === null ? [] : [{ point: 'setpoint', value: target, arg: 'celsius' }],
    changes_reach_ms: null,
    sent_within: () => 0,
    override: { kind: 'none' },
    holders: [],
    lease: { deadman: 'gateway', fallbacks: ['baseline'], held_ms: null },
    approval: null,
    alerts: { accepted: false, unreachable_ms: 0 },
    ...part,
    changes: changes.map((change) => ({ by: 'us', ...change })),
    action: action(acted),
    point: (ref) => points[ref] ?? null,
  };
}

/** The policy in `text`; throws with its findings when it has any. */
export function policyOf(text: string): Policy {
  const loaded = loadPolicy([{ file: 'policy.yaml', text }], KNOWN);
  if ('findings' in loaded) throw new Error(loaded.findings.map(formatFinding).join('\n'));
  return loaded.policy;
}

/** The findings in `text`, as lines. */
export function findingsOf(text: string): readonly string[] {
  const loaded = loadPolicy([{ file: 'policy.yaml', text }], KNOWN);
  return 'findings' in loaded ? loaded.findings.map(formatFinding) : [];
}

/** A policy of one rule about setpoints with these constraints, as YAML lines. */
export function constrained(...constraints: readonly string[]): Policy {
  const head = ['version: 1', 'rules:', '  - id: comfort-setpoint', '    match: { capability: hvac.setpoint }'];
  return policyOf(
    [...head, '    decision: ALLOW', '    constraints:', ...constraints.map((c) => `      ${c}`)].join('\n'),
  );
}
