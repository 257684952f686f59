import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { ledger } from './ledger.ts';
import { canonicalPolicy, type Policy, restorePolicy } from './rules.ts';
import { allFacts, constraints as arbitraryConstraints, policies } from './test/arbitrary.ts';
import { oracle, type OracleVerdict } from './test/oracle.ts';
import type { OraclePolicy, OracleRule } from './test/oracle-types.ts';
import { KNOWN, policyOf } from './test/site.ts';
import type { Facts, Moment } from './types.ts';

const moments = fc.constantFrom<Moment>('admission', 'head', 'head');
/** Each of these policies meets each of these facts: 2,000 cases a run. */
const manyPolicies = fc.array(policies, { minLength: 20, maxLength: 20, size: 'max' });
const manyFacts = fc.array(allFacts, { minLength: 100, maxLength: 100, size: 'max' });
/** Nobody but the test reads it: JSON is YAML. */
const compiled = (policy: OraclePolicy): Policy => policyOf(JSON.stringify(policy));

function same(a: OracleVerdict, b: OracleVerdict): boolean {
  return a.decision === b.decision && a.noop === b.noop && a.silent === b.silent && a.error === b.error;
}

/** Every code with which a constraint blocks, or is satisfied by writing nothing or something else. */
const REASONS =
  `ALLOW ALERT BLOCK noop rule_error default_closed blocked_by_rule clamped deadband when_false entity_unresolved value_missing value_above_max value_below_min out_of_range unit_mismatch max_per_run
  rate_limited max_changes_per_day evidence_missing not_live stale_or_bad clock_skew evidence_disagrees override_unknown
  manual_override override_hold authority_unknown held_by_other interlock_tripped clock_untrusted outside_window min_interval min_on
  min_off settling pair_crossed pair_unknown target_unknown current_unknown step_exceeded ramp_exceeded ramp_unknown discomfort
  comfort_unknown approval_missing approval_expired basis_changed alert_undelivered alert_undeliverable lease_unknown
  deadman_missing fallback_missing max_hold`.split(/\s+/);

describe('decide against a second evaluator, written apart (execution semantics §4: 100,000 cases)', () => {
  it('agrees on decision, noop, silence and error', () => {
    fc.assert(
      fc.property(manyPolicies, manyFacts, moments, (written, cases, moment) => {
        for (const [given, expected] of verdicts(written, cases, moment)) {
          // Comparing is dear: asked of the matcher only to show a difference.
          if (!same(given, expected)) expect(given).toMatchObject(expected);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is asked what meets every answer and every reason: the generators are worth something', () => {
    const met = new Set<string>();
    fc.assert(
      fc.property(manyPolicies, manyFacts, moments, (written, cases, moment) => {
        for (const [{ decision, reason_code, noop }] of verdicts(written, cases, moment)) {
          for (const word of [decision, reason_code, noop ? 'noop' : '']) met.add(word);
        }
      }),
      { numRuns: 25, seed: 7730 },
    );
    expect(REASONS.filter((reason) => !met.has(reason))).toEqual([]);
  });
});

interface Said extends OracleVerdict {
  readonly reason_code: string;
}

/** What both say of every policy and every fact. */
function* verdicts(
  written: readonly OraclePolicy[],
  cases: readonly Facts[],
  moment: Moment,
): Generator<readonly [Said, OracleVerdict]> {
  for (const one of written) {
    const policy = compiled(one);
    for (const facts of cases) {
      const { decision, noop, reason_code } = decide(policy, facts, moment);
      const [silent, error] = [reason_code === 'default_closed', reason_code === 'rule_error'];
      yield [{ decision, noop, silent, error, reason_code }, oracle(one, facts, moment)];
    }
  }
}

describe('a policy', () => {
  const cases = fc.array(allFacts, { minLength: 20, maxLength: 20, size: 'max' });

  it('is the same policy again when it is restored from its canonical text (P1)', () => {
    fc.assert(
      fc.property(policies, cases, moments, (written, given, moment) => {
        const policy = compiled(written);
        const restored = restorePolicy(canonicalPolicy(policy), KNOWN.capabilities);
        expect(restored.hash).toBe(policy.hash);
        for (const facts of given) expect(decide(restored, facts, moment)).toEqual(decide(policy, facts, moment));
      }),
    );
  });

  it('is explained rule by rule, and what they say adds up to the decision', () => {
    fc.assert(
      fc.property(policies, cases, moments, (written, given, moment) => {
        const policy = compiled(written);
        for (const facts of given) {
          const said = ledger(policy, facts, moment).map(({ verdict }) => verdict);
          const permitted = said.includes('permits') && !said.includes('blocks') && !said.includes('forbids');
          expect(decide(policy, facts, moment).decision !== 'BLOCK').toBe(permitted);
        }
      }),
    );
  });
});

/** A rule about every capability that the site knows. */
function everything(decision: OracleRule['decision'], more: OracleRule['constraints'] = {}): OracleRule {
  return { id: 'everything', match: { capability: '*.*' }, decision, constraints: more };
}

describe('decide: the combination theorems (§2.10)', () => {
  const cases = fc.array(allFacts, { minLength: 1, maxLength: 40, size: 'max' });
  const known = cases.map((given) => given.filter(({ action }) => KNOWN.capabilities.has(action.capability)));

  it('explicit grant (P3): without a rule that grants, nothing is permitted', () => {
    fc.assert(
      fc.property(policies, cases, moments, (written, given, moment) => {
        const rules = written.rules.filter(({ decision }) => decision === 'BLOCK');
        const policy = compiled({ ...written, allow: [], limits: {}, rules });
        for (const facts of given) expect(decide(policy, facts, moment).decision).toBe('BLOCK');
      }),
    );
  });

  it('block wins (P5): a BLOCK that matches blocks, whatever else permits', () => {
    fc.assert(
      fc.property(policies, known, moments, (written, given, moment) => {
        const policy = compiled({ ...written, rules: [...written.rules, everything('BLOCK')] });
        for (const facts of given) {
          const { decision, reason_code } = decide(policy, facts, moment);
          expect(decision).toBe('BLOCK');
          expect(['blocked_by_rule', 'rule_error']).toContain(reason_code);
        }
      }),
    );
  });

  it('error blocks (P4): a rule that cannot be evaluated blocks, whatever else permits', () => {
    const gate = { evidence: [{ point: 'site/fire_alarm', max_age: '1m' }] };
    fc.assert(
      fc.property(policies, known, (written, given) => {
        const policy = compiled({ ...written, rules: [...written.rules, everything('ALLOW', gate)] });
        const point = (): never => {
          throw new Error('torn');
        };
        for (const facts of given) {
          expect(decide(policy, { ...facts, point }, 'head')).toMatchObject({
            decision: 'BLOCK',
            reason_code: 'rule_error',
          });
        }
      }),
    );
  });

  it('order independence (P6): the verdict is the same, to the letter, in whatever order the rules stand', () => {
    fc.assert(
      fc.property(policies, cases, moments, (written, given, moment) => {
        const reversed = { ...written, allow: written.allow.toReversed(), rules: written.rules.toReversed() };
        const [one, other] = [compiled(written), compiled(reversed)];
        expect(other.hash).toBe(one.hash);
        for (const facts of given) expect(decide(other, facts, moment)).toEqual(decide(one, facts, moment));
      }),
    );
  });

  it('duplicate independence (P6): saying a rule twice says no more', () => {
    fc.assert(
      fc.property(policies, cases, moments, (written, given, moment) => {
        const again = written.rules.map((rule) => ({ ...rule, id: `${rule.id}-again` }));
        const twice = { ...written, allow: [...written.allow, ...written.allow], rules: [...written.rules, ...again] };
        const [one, other] = [compiled(written), compiled(twice)];
        for (const facts of given) {
          const { decision, noop, stage, reason_code, reason, evidence } = decide(one, facts, moment);
          expect(decide(other, facts, moment)).toMatchObject({ decision, noop, stage, reason_code, reason, evidence });
        }
      }),
    );
  });

  it('monotone tightening (P6): a BLOCK or a constraint more, or a bare grant less, permits nothing new', () => {
    const constraints = arbitraryConstraints.map(({ range, ...more }) => ({
      ...more,
      ...(range === undefined ? {} : { range: { ...range, on_exceed: 'block' } }),
    }));
    fc.assert(
      fc.property(policies, constraints, cases, moments, fc.nat(), (written, more, given, moment, at) => {
        const before = compiled(written);
        const after = tighter(written, more, at).map(compiled);
        for (const facts of given) {
          if (decide(before, facts, moment).decision !== 'BLOCK') continue;
          for (const policy of after) expect(decide(policy, facts, moment).decision).toBe('BLOCK');
        }
      }),
    );
  });

  it('clamp (P6): permits only what would have been permitted had it been asked, and never in silence', () => {
    let clamped = 0;
    fc.assert(
      fc.property(manyPolicies, known, moments, (written, given, moment) => {
        for (const policy of written.map(compiled)) {
          for (const facts of given) {
            const { decision, effective } = decide(policy, facts, moment);
            if (effective === null) continue;
            clamped += 1;
            expect(decision).toBe('ALERT');
            const asked = {
              ...facts,
              ...{ writes: effective.writes },
              action: { ...facts.action, args: effective.args },
            };
            expect(decide(policy, asked, moment).decision).not.toBe('BLOCK');
          }
        }
      }),
      { numRuns: 40 },
    );
    expect(clamped).toBeGreaterThan(0);
  });
});

/** Every way to tighten a policy a little. */
function tighter(written: OraclePolicy, more: OracleRule['constraints'], at: number): readonly OraclePolicy[] {
  const chosen = written.rules[at % Math.max(1, written.rules.length)];
  const constrained = written.rules.map((rule) =>
    rule === chosen ? { ...rule, constraints: { ...more, ...rule.constraints } } : rule,
  );
  const bare = written.rules.filter((rule) => !isBareGrant(rule));
  return [
    { ...written, rules: [...written.rules, { id: 'forbid', match: { capability: 'hvac.*' }, decision: 'BLOCK' }] },
    { ...written, rules: constrained },
    { ...written, rules: bare },
    { ...written, limits: Object.fromEntries(written.allow.map((name) => [name, { max_per_run: 0 }])) },
    { ...written, allow: [], limits: {}, rules: [...written.rules, ...limitsOf(written)] },
  ];
}

function isBareGrant(rule: OracleRule): boolean {
  const bounded = [rule.maxValue, rule.minValue, rule.when].some((bound) => bound !== undefined);
  return rule.decision !== 'BLOCK' && !bounded && Object.keys(rule.constraints ?? {}).length === 0;
}

/** The limits of a policy, kept when what they limit is no longer granted. */
function limitsOf(written: OraclePolicy): readonly OracleRule[] {
  return Object.keys(written.limits).map((capability) => ({
    id: `no-${capability}`,
    match: { capability },
    decision: 'BLOCK',
  }));
}
