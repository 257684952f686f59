/**
 * What an approval rests on: every point that a gate looks at or the operator names, whether the device is in somebody's hand, and
 * what the tool does. Taken down when the action is proposed, looked at again when its turn comes (G-AP-3).
 *
 * U3 What is no longer as it was when it was proposed is not done, whoever approved it: `basis_changed`, with old and new.
 */
import { basisTerms, decide, type PointFact } from '@fibric/policy';
import { type BasisChange, LIMITS } from '@fibric/sdk';
import type { Bindings } from '../bindings.ts';
import { digest } from '../journal/canonical.ts';
import type { BasisItem, Waiting } from '../journal/approvals.ts';
import { basisHash } from '../journal/fallen.ts';
import type { Proposal } from '../kernel.ts';
import { mayApprove, standingYeses } from './approval.ts';
import { breakersOn } from './breaker.ts';
import { actionFacts, type FactSources, gatherFacts } from './facts.ts';
import type { Ending, Job } from './job.ts';
import { equals } from './verify.ts';

/** Of its range, where no rule says how far a number may move. */
const SPAN_SHARE = 0.01;

type Unasked = Omit<Job, 'waiting'>;

const inHand = (sources: FactSources, { action }: Pick<Job, 'action'>): boolean =>
  action.target.some(({ point }) => sources.points.get(action.device, point)?.quality_reason === 'local_override');

/** The tool as data: another address, map or verification is another deed under the same name. */
function toolHash({ resolution }: Pick<Job, 'resolution'>): string {
  const { name, effect, writes, verify, proof, physical_points } = resolution.tool;
  return digest('tool/1\n', { name, effect, writes, verify, proof, physical_points });
}

function toleranceOf(bindings: Bindings, ref: string, said: number | null): number {
  if (said !== null) return said;
  const slash = ref.lastIndexOf('/');
  const point = bindings.point(ref.slice(0, slash), ref.slice(slash + 1));
  const { min, max } = point?.plausibility.range ?? { min: 0, max: 0 };
  return Math.max(point?.deadband ?? 0, (max - min) * SPAN_SHARE);
}

const pointItem = (of: string, fact: PointFact | null, tolerance: number): BasisItem => ({
  ...{ of, value: fact?.value ?? null, quality: fact?.quality ?? 'bad', tolerance },
});

const others = (sources: FactSources, job: Unasked): readonly BasisItem[] => [
  { of: `${job.action.device} local control`, value: inHand(sources, job), quality: null, tolerance: 0 },
  { of: `${job.action.device} ${job.action.tool}`, value: toolHash(job), quality: null, tolerance: 0 },
];

/** What an operator or a person asks for. */
export interface Request {
  /** As they answered it. */
  readonly rules: Waiting['rules'];
  readonly deadlineMs: number | null;
  /** Points that it rests on by its own account. */
  readonly dependsOn: readonly string[];
  /** Its key is spent: a breaker has no say. */
  readonly done: boolean;
  /** What a person saw, and is to say yes on; null: nobody has seen anything. */
  readonly seen: Proposal['seen'] | null;
}

/** What the action has to wait for, on the basis of this moment; null when nobody has to be asked. */
export function waitingOf(
  sources: FactSources & { readonly bindings: Bindings },
  job: Unasked,
  { rules, deadlineMs, dependsOn, done, seen }: Request,
): Waiting | null {
  const { origin, policy, terms, action } = job;
  const breakers = done ? [] : breakersOn(sources.projection, action).map(({ breaker_id }) => breaker_id);
  const held = terms.approval !== null || breakers.length > 0;
  if (!seen && origin.mode !== 'propose_only' && (!held || origin.mode === 'shadow')) return null;
  const facts = gatherFacts(sources, job, null);
  const { evidence, inputs } = decide(policy, facts, 'head');
  const { max_age_ms, tolerance } = basisTerms(policy, actionFacts(origin.operator, action));
  const asked = [...evidence.map(({ point }) => point), ...(inputs?.missing ?? [])];
  const refs = [...new Set([...asked, ...dependsOn])].toSorted();
  const points = refs.map((ref) =>
    pointItem(ref, facts.point(ref), toleranceOf(sources.bindings, ref, tolerance(ref))),
  );
  const basis = seen?.basis ?? [...points, ...others(sources, job)];
  const never = Number.POSITIVE_INFINITY;
  const worthMs = max_age_ms === null ? never : max_age_ms * LIMITS.basisAges;
  const withinMs = Math.min(LIMITS.approvalMs, terms.approval?.within ?? LIMITS.approvalMs, worthMs);
  return {
    approvers: terms.approval?.approvers ?? 1,
    expires_ms: Math.min(sources.clock.wallMs() + withinMs, deadlineMs ?? never, seen?.expires_ms ?? never),
    breakers: seen?.breakers ?? breakers,
    policy_hash: policy?.hash ?? null,
    rules,
    basis,
    basis_hash: basisHash(basis),
  };
}

const said = ({ value, quality }: BasisChange['is']): string =>
  `${String(value)}${quality === null || quality === 'good' ? '' : ` (${quality})`}`;

/** What of the basis is no longer so. */
function basisChanges(sources: FactSources, job: Job): readonly BasisChange[] {
  const { point } = gatherFacts(sources, job, null);
  const now = new Map(others(sources, job).map((item) => [item.of, item]));
  return (job.waiting?.basis ?? []).flatMap((was) => {
    const is = now.get(was.of) ?? pointItem(was.of, point(was.of), was.tolerance);
    const good = is.quality === null || is.quality === 'good';
    if (good && equals(is.value, was.value, was.tolerance)) return [];
    const state = ({ value, quality }: BasisItem): BasisChange['is'] => ({ value, quality });
    return [{ of: was.of, was: state(was), is: state(is) }];
  });
}

/** Why an action that waited for persons is not done although its turn has come; null when it may be. */
export function approvalEnding(sources: FactSources, job: Job): Ending | null {
  if (job.waiting === null) return null;
  const { approvers } = job.waiting;
  const { action_id } = job.action;
  const stage = 'approval';
  if (standingYeses(sources, action_id).length < approvers) {
    const given = sources.projection.approvals.rows.get(action_id) ?? [];
    const lost = given.flatMap(({ who }) => (mayApprove(sources.people, who) ? [] : [who]));
    const reason = `its approval is void: ${lost.join(' and ')} may no longer approve`;
    return { outcome: 'blocked', stage, reason_code: 'approval_void', reason };
  }
  const changes = basisChanges(sources, job);
  if (changes.length === 0) return null;
  const words = changes.map(({ of, was, is }) => `${of} was ${said(was)}, is ${said(is)}`);
  const reason = `it was approved on what is no longer so: ${words.join('; ')}`;
  return { outcome: 'basis_changed', stage, reason_code: 'basis_changed', reason, changes };
}
