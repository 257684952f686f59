/** One action on its way, and the ways it can end. */
import type {
  BasisChange,
  DeviceResponse,
  Outcome,
  PointState,
  PolicyWord,
  Provenance,
  Readback,
  Receipt,
  ReceiptApproval,
  ReceiptLease,
  Timeline,
} from '@fibric/sdk';
import type { ExecutionTerms, Policy, Verdict } from '@fibric/policy';
import type { Resolution } from '../bindings.ts';
import type { Action, Origin, ReceiptEntry, RefusedAction } from '../journal/entries.ts';
import type { Waiting } from '../journal/approvals.ts';
import type { Identity } from '@fibric/sdk';
import type { Proposal } from '../kernel.ts';

export interface Job {
  readonly origin: Origin;
  readonly reasoning: string | null;
  readonly action: Action;
  readonly resolution: Extract<Resolution, { kind: 'tool' }>;
  readonly policy: Policy | null;
  /** What the matching rules ask of the executor beside their verdict. */
  readonly terms: ExecutionTerms;
  /** What it waits for, or waited for: persons. Null: nobody has to be asked. */
  readonly waiting: Waiting | null;
  /** Admitted actions of the same capability before this one in its run. */
  readonly admittedBefore: number;
}

/** Why and by whom, from what was proposed. */
export function originOf({ operator, run_id, event, proposed_by, mode }: Proposal): Origin {
  const { event_id, correlation_id } = event;
  const { name, uid: operator_uid, version } = operator;
  return { operator: name, operator_uid, version, run_id, event_id, correlation_id, proposed_by, mode };
}

/** How an action ended: what the receipt says beyond the action itself. */
export interface Ending {
  readonly outcome: Outcome;
  readonly stage: string | null;
  readonly reason_code: string;
  readonly reason: string;
  readonly attempt?: number;
  readonly verdict?: Pick<
    Verdict,
    'decision' | 'rule' | 'policy_hash' | 'rules' | 'evidence' | 'effective' | 'inputs'
  > | null;
  readonly baseline?: readonly PointState[];
  readonly effective?: readonly PointState[];
  readonly readback?: readonly Readback[];
  readonly response?: DeviceResponse | null;
  readonly timeline?: Timeline;
  readonly refers_to?: readonly string[];
  readonly lease?: ReceiptLease | null;
  /** What of its basis was no longer so. */
  readonly changes?: readonly BasisChange[];
  /** What persons had said to it. */
  readonly approval?: ReceiptApproval | null;
}

export interface SiteFacts {
  readonly identity: Identity;
  readonly real: Provenance;
  readonly epoch: number;
}

const POLICY_WORD: Readonly<Record<Receipt['verdict']['decision'], PolicyWord>> = {
  ALLOW: 'allow',
  ALERT: 'alert',
  BLOCK: 'block',
  DEDUP: 'dedup',
};

function decisionOf(ending: Ending): Receipt['verdict']['decision'] {
  if (ending.outcome === 'deduped') return 'DEDUP';
  return ending.verdict?.decision ?? 'BLOCK';
}

/** Nothing was intended, so nothing was sent. */
const NOTHING_SENT: Timeline = { intent_at: null, sent_at: null, answered_at: null };

const refusedFields = {
  connector: null,
  tool: null,
  effect_class: null,
  device: null,
  idempotency_key: null,
  fingerprint: null,
} as const;

function actionFields(
  action: Action | RefusedAction,
  { verdict }: Ending,
): Pick<ReceiptEntry, 'connector' | 'tool' | 'effect_class' | 'device' | 'idempotency_key' | 'fingerprint'> & {
  readonly target: readonly PointState[];
} {
  if (!('device' in action)) return { ...refusedFields, target: [] };
  const { connector, tool, effect_class, device, idempotency_key, fingerprint } = action;
  const target = targetAs(action, verdict?.effective?.writes);
  return { connector, tool, effect_class, device, idempotency_key, fingerprint, target };
}

/** The job with what is to be written instead of what was proposed; as it is where there is nothing else. */
export function aimedAt(job: Job, writes: readonly PointState[] | undefined): Job {
  return writes === undefined ? job : { ...job, action: { ...job.action, target: targetAs(job.action, writes) } };
}

/** What an action writes, in its order, with these values. */
function targetAs({ target }: Action, writes: readonly PointState[] = []): Action['target'] {
  return target.map(({ point, value }) => ({
    point,
    value: writes.find((write) => write.point === point)?.value ?? value,
  }));
}

/** What the device holds now, as far as it is known: read back, else what was sent and acknowledged. */
export function effectiveOf(action: Action, readback: readonly Readback[], sent: boolean): readonly PointState[] {
  if (readback.length > 0) return readback.map(({ point, value }) => ({ point, value }));
  return sent ? action.target : [];
}

/** The receipt that ends `action`, complete: nothing missing, null where there is nothing to say. */
export function receiptEntry(
  site: SiteFacts,
  origin: Origin,
  reasoning: string | null,
  action: Action | RefusedAction,
  ending: Ending,
): ReceiptEntry {
  const decision = decisionOf(ending);
  const rule = ending.verdict?.rule ?? null;
  return {
    type: 'receipt/1',
    object: 'receipt',
    ...site.identity,
    operator: origin.operator,
    version: origin.version,
    run_id: origin.run_id,
    plan_id: action.plan_id,
    action_id: action.action_id,
    event_id: origin.event_id,
    correlation_id: origin.correlation_id,
    proposed_by: origin.proposed_by,
    capability: action.capability,
    ...actionFields(action, ending),
    args: action.args,
    value: action.value,
    entity_key: action.entity_key,
    attempt: ending.attempt ?? 0,
    epoch: site.epoch,
    mode: origin.mode,
    provenance: site.real,
    policy: { decision: POLICY_WORD[decision], rule, hash: ending.verdict?.policy_hash ?? null },
    verdict: { decision, rule, stage: ending.stage, rules: ending.verdict?.rules ?? [] },
    evidence: ending.verdict?.evidence ?? [],
    inputs: ending.verdict?.inputs ? { ...ending.verdict.inputs } : null,
    baseline: ending.baseline ?? [],
    effective: ending.effective ?? [],
    readback: ending.readback ?? [],
    device_response: ending.response ?? null,
    timeline: ending.timeline ?? NOTHING_SENT,
    outcome: ending.outcome,
    reason_code: ending.reason_code,
    reason: ending.reason,
    reasoning,
    approver: ending.approval?.approvers.join(', ') ?? null,
    approval: ending.approval ?? null,
    lease: ending.lease ?? null,
    refers_to: ending.refers_to ?? [],
  };
}
