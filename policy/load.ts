/**
 * From files to the one form: both spellings compile to it (G-PS-1), and a policy with a single finding is not used at all (G-PS-3).
 */
import { type Checked, checkYaml, type Finding, finding, inOrder } from './findings.ts';
import { type Constraint, constraintsOf } from './kinds/table.ts';
import { didYouMean } from './nearest.ts';
import { capabilitiesOf, compilePolicy, type Match, type Policy, type PolicyRule } from './rules.ts';
import {
  boundsOf,
  type Known,
  policyFileSchema,
  type WrittenLimit,
  type WrittenPolicy,
  type WrittenRule,
  type WrittenTrustPolicy,
} from './schema.ts';
import type { Path, Place } from './yaml.ts';

/** One file of a policy. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

/** Either a policy, with what a careful person looks at twice, or everything that is wrong with it. */
export type LoadedPolicy =
  | { readonly policy: Policy; readonly warnings: readonly Finding[] }
  | { readonly findings: readonly Finding[] };

/** A rule, and where it was written. */
interface Draft {
  readonly rule: PolicyRule;
  readonly file: string;
  readonly path: Path;
  readonly place: Place;
  /** Its author gave it the id, which must then be the only one. */
  readonly named: boolean;
}

/** Compiles the files of one policy, evaluated as one set. Narrow with `'findings' in result`. */
export function loadPolicy(sources: readonly PolicySource[], known: Known): LoadedPolicy {
  const schema = policyFileSchema(known);
  const files = sources.map(({ file, text }) => ({ file, checked: checkYaml(text, file, schema) }));
  const findings = files.flatMap(({ checked }) => ('findings' in checked ? checked.findings : []));
  const drafts = withIds(
    files.flatMap(({ file, checked }) => ('findings' in checked ? [] : draftsOf(file, checked, known))),
  );
  findings.push(...duplicateIds(drafts));
  // The grant may stand in a file that cannot be read: what is dead is known only when everything else is well.
  if (findings.length === 0) findings.push(...deadLimits(drafts, known));
  if (findings.length > 0) return { findings: inOrder(findings) };
  const policy = compilePolicy(
    drafts.map(({ rule }) => rule),
    known.capabilities,
  );
  return {
    policy,
    warnings: inOrder(
      drafts.flatMap((draft) => [...wideGrant(draft), ...unaskedConstraints(draft), ...unactedTerms(draft)]),
    ),
  };
}

function draftsOf(file: string, checked: Checked<WrittenPolicy>, known: Known): readonly Draft[] {
  const { value, locate, locateKey } = checked;
  const draft = (rule: PolicyRule, path: Path): Draft => ({ rule, file, path, place: locate(path), named: false });
  if (Array.isArray(value)) return value.map((written, i) => draft(fromTrustPolicy(written, known), [i]));
  return [
    ...value.allow.map((capability, i) => draft(fromAllow(capability), ['allow', i])),
    ...Object.entries(value.limits).map(([capability, written]) => {
      const path = ['limits', capability];
      return { ...draft(fromLimit(capability, written), path), place: locateKey(path) };
    }),
    ...value.rules.map((written, i) => ({ ...draft(fromRule(written, known), ['rules', i]), named: true })),
  ];
}

const ANY: Match = { capability: null, tool: null, connector: null, operator: null, entity: null };

function fromAllow(capability: string): PolicyRule {
  return { id: capability, match: { ...ANY, capability }, decision: 'ALLOW', constraints: [] };
}

function fromLimit(capability: string, { max_per_run, single_flight }: WrittenLimit): PolicyRule {
  const quantity = max_per_run === undefined ? undefined : { max_per_run, on_overrun: 'truncate' as const };
  const constraints = constraintsOf({ single_flight, quantity });
  return { id: `limits.${capability}`, match: { ...ANY, capability }, decision: 'LIMIT', constraints };
}

function fromTrustPolicy(written: WrittenTrustPolicy, known: Known): PolicyRule {
  const match = matchOf(written, known);
  const id = match.tool ?? match.capability ?? '';
  return { id, match, decision: written.decision, constraints: besideOf(written) };
}

function fromRule(written: WrittenRule, known: Known): PolicyRule {
  const constraints = [...besideOf(written), ...constraintsOf(written.constraints ?? {})];
  return { id: written.id, match: matchOf(written.match, known), decision: written.decision, constraints };
}

type WrittenMatch = { readonly [K in keyof Match]?: string | undefined };

function matchOf({ capability, tool, connector, operator, entity }: WrittenMatch, known: Known): Match {
  const isTool = tool !== undefined && known.tools.has(tool);
  return {
    capability: capability ?? (isTool ? null : (tool ?? null)),
    tool: isTool ? tool : null,
    connector: connector ?? null,
    operator: operator ?? null,
    entity: entity ?? null,
  };
}

/** The constraints that are written beside a rule's decision. */
function besideOf(written: WrittenTrustPolicy | WrittenRule): readonly Constraint[] {
  const { max, min } = boundsOf(written);
  return [
    ...(written.when === undefined ? [] : [{ kind: 'when', terms: written.when } as const]),
    ...(max === null && min === null ? [] : [{ kind: 'value', terms: { max, min } } as const]),
  ];
}

/** Rules that their author did not name are told apart by number: `order.hold`, `order.hold#2`. */
function withIds(drafts: readonly Draft[]): readonly Draft[] {
  const count = new Map<string, number>();
  return drafts.map((draft) => {
    if (draft.named) return draft;
    const n = (count.get(draft.rule.id) ?? 0) + 1;
    count.set(draft.rule.id, n);
    return n === 1 ? draft : { ...draft, rule: { ...draft.rule, id: `${draft.rule.id}#${n}` } };
  });
}

function at(draft: Draft, message: string): Finding {
  return finding(draft.file, draft.place, draft.path, message);
}

function duplicateIds(drafts: readonly Draft[]): readonly Finding[] {
  const sharing = Map.groupBy(drafts, ({ rule }) => rule.id);
  return drafts
    .filter(({ named, rule }) => named && (sharing.get(rule.id)?.length ?? 0) > 1)
    .map((draft) => at(draft, `the id '${draft.rule.id}' is used more than once`));
}

/** `limits` of something that nothing grants limits nothing: a slip of the pen (G-PS-1). */
function deadLimits(drafts: readonly Draft[], known: Known): readonly Finding[] {
  const granted = new Set(
    drafts
      .filter(({ rule }) => rule.decision === 'ALLOW' || rule.decision === 'ALERT')
      .flatMap(({ rule }) => capabilitiesOf(rule.match, known.capabilities)),
  );
  return drafts.flatMap((draft) => {
    const { decision, match } = draft.rule;
    const limited = match.capability ?? '';
    if (decision !== 'LIMIT' || capabilitiesOf(match, known.capabilities).some((name) => granted.has(name))) return [];
    const hint = didYouMean(limited, granted) || ': add it to allow, or take the limit away';
    return [at(draft, `limits '${limited}', which nothing here grants${hint}`)];
  });
}

/** G-PS-5: a glob that grants also grants what the site learns later. */
function wideGrant(draft: Draft): readonly Finding[] {
  const { decision, match } = draft.rule;
  if (decision === 'BLOCK' || decision === 'LIMIT' || match.capability?.includes('*') !== true) return [];
  return [at(draft, `'${match.capability}' also permits what is added later: name each capability`)];
}

/** A rule that forbids asks nothing but its `when`. */
function unaskedConstraints(draft: Draft): readonly Finding[] {
  const { decision, constraints } = draft.rule;
  if (decision !== 'BLOCK' || constraints.every(({ kind }) => kind === 'when')) return [];
  return [at(draft, 'forbids whatever its constraints and bounds say: write when it forbids as `when`')];
}

/** What can be written and is not acted on by this release: said, rather than passed over (G-PS-3). */
function unactedTerms(draft: Draft): readonly Finding[] {
  const bySlot = draft.rule.constraints.some(
    (one) => one.kind === 'authority' && one.terms.bacnet_priority !== undefined,
  );
  const why = 'authority.bacnet_priority is not acted on: no driver here writes into a priority array';
  return bySlot ? [at(draft, why)] : [];
}
