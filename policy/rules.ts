/**
 * The one internal form of a policy, to which every spelling compiles. Frozen, indexed once, and named by the hash of its content.
 *
 * P1 A policy is data: closed, frozen, the same hash whatever the order or the spelling it was written in.
 * P2 Rules are found by capability or tool, so a decision costs what its own rules cost, however many there are besides (G-PS-7 figures).
 */
import { createHash } from 'node:crypto';
import { matchesGlob } from '@fibric/sdk';
import type { Constraint } from './kinds/table.ts';
import type { ActionFacts } from './types.ts';

/** What a rule is about; null means any. Either `capability` (a one-segment glob) or `tool` is given. */
export interface Match {
  readonly capability: string | null;
  readonly tool: string | null;
  readonly connector: string | null;
  readonly operator: string | null;
  /** Glob over `kind:id`: `zone:*`. */
  readonly entity: string | null;
}

/** What a rule says. `LIMIT` grants nothing and only adds its constraints: what stands under `limits` in a policy file. */
export const DECISIONS = ['ALLOW', 'ALERT', 'BLOCK'] as const;
export type RuleDecision = (typeof DECISIONS)[number] | 'LIMIT';

export interface PolicyRule {
  /** Shown on receipts. */
  readonly id: string;
  readonly match: Match;
  readonly decision: RuleDecision;
  readonly constraints: readonly Constraint[];
}

export interface Policy {
  /** SHA-256 of the rules in canonical form, in hex. */
  readonly hash: string;
  readonly rules: readonly PolicyRule[];
  readonly byCapability: ReadonlyMap<string, readonly PolicyRule[]>;
  readonly byTool: ReadonlyMap<string, readonly PolicyRule[]>;
}

/** Freezes and indexes `rules`. A capability glob stands for those of `capabilities` that it matches. */
export function compilePolicy(rules: readonly PolicyRule[], capabilities: ReadonlySet<string>): Policy {
  const frozen = deepFreeze(rules.map((rule) => ({ ...rule })));
  const byCapability = new Map<string, PolicyRule[]>();
  const byTool = new Map<string, PolicyRule[]>();
  for (const rule of frozen) {
    if (rule.match.tool !== null) push(byTool, rule.match.tool, rule);
    else for (const name of capabilitiesOf(rule.match, capabilities)) push(byCapability, name, rule);
  }
  const hash = createHash('sha256')
    .update(`policy/1\n${canonicalPolicy({ rules: frozen })}`)
    .digest('hex');
  return Object.freeze({ hash, rules: frozen, byCapability, byTool });
}

/** The text that a policy's hash is of, behind `policy/1` and a line feed: its rules as canonical JSON, a line each, sorted. */
export function canonicalPolicy({ rules }: Pick<Policy, 'rules'>): string {
  return rules.map(canonicalJson).toSorted().join('\n');
}

/**
 * The policy of a canonical text, with the same hash: what a journal holds of it. `capabilities`: what a glob in it stands for. Throws for
 * a text that is none.
 */
export function restorePolicy(text: string, capabilities: ReadonlySet<string>): Policy {
  const lines = text === '' ? [] : text.split('\n');
  return compilePolicy(
    lines.map((line) => JSON.parse(line) as PolicyRule),
    capabilities,
  );
}

/** Those of `capabilities` that a rule is about. */
export function capabilitiesOf(match: Match, capabilities: ReadonlySet<string>): readonly string[] {
  const wanted = match.capability;
  if (wanted === null) return [];
  if (!wanted.includes('*')) return [wanted];
  return [...capabilities].filter((name) => matchesGlob(wanted, name));
}

/** The rules that speak about `action`, limits included, by id: whatever the order in which they were written (P6). */
export function matchingRules(policy: Policy, action: ActionFacts): readonly PolicyRule[] {
  const about = [...(policy.byCapability.get(action.capability) ?? []), ...(policy.byTool.get(action.tool) ?? [])];
  return about
    .filter(
      ({ match }) =>
        (match.connector === null || match.connector === action.connector) &&
        (match.operator === null || match.operator === action.operator) &&
        (match.entity === null || matchesGlob(match.entity, action.entity_key, ':')),
    )
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function push(index: Map<string, PolicyRule[]>, key: string, rule: PolicyRule): void {
  const rules = index.get(key);
  if (rules === undefined) index.set(key, [rule]);
  else rules.push(rule);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}

/** JSON with its keys in order, so that one meaning has one text (RFC 8785, for the plain data a policy is made of). */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`;
}
