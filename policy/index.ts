/** May this happen? A pure, fail-closed decision over an action, rules and facts. */
export { type BasisTerms, basisTerms } from './basis.ts';
export { type Case, type CaseResult, casesSchema, tryCase } from './cases.ts';
export { decide } from './decide.ts';
export { type Decided, type Difference, difference, type Said } from './diff.ts';
export { explain, explainRules } from './explain.ts';
export type { Idempotency } from './kinds/idempotency.ts';
export { type Checked, checkYaml, type Finding, finding, formatFinding, formatPath, inOrder } from './findings.ts';
export { type InterlockWatch, minOnOff, watchInterlocks } from './standing.ts';
export { type ConstraintAccount, ledger, type RuleAccount } from './ledger.ts';
export { type LoadedPolicy, loadPolicy, type PolicySource } from './load.ts';
export { didYouMean, nearest } from './nearest.ts';
export { type DecisionInputs, type Recorded, type Replay, replay } from './replay.ts';
export { canonicalPolicy, type Match, type Policy, type PolicyRule, restorePolicy } from './rules.ts';
export type { Known } from './schema.ts';
export { type ExecutionTerms, executionTerms, rationsRates, windowsOpenForMs } from './terms.ts';
export type {
  ActionFacts,
  AlertsFact,
  ApprovalFact,
  Decide,
  Effective,
  Facts,
  HolderFact,
  LeaseFact,
  Moment,
  OverrideFact,
  PastChange,
  PointFact,
  Verdict,
  WriteFact,
} from './types.ts';
export type { Path, Place } from './yaml.ts';
