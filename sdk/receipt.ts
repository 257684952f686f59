/**
 * The receipt: the journal row that ends an action. Exactly one per action, whatever happened.
 * Every field is always present, null or empty when there is nothing to say; names are those of the wire.
 */
import type { ClockState } from './clock.ts';
import type { DeviceResponse } from './driver.ts';
import type { EffectClass } from './capabilities.ts';
import type { Mode, ProposedBy } from './plan.ts';
import type { PointValue, Provenance, Quality } from './reading.ts';

/** How an action can end: the closed list of execution semantics §2.3. */
export const OUTCOMES = [
  'applied',
  'applied_unverified',
  'noop',
  'renewed',
  'deduped',
  'blocked',
  'truncated',
  'rejected',
  'refused_busy',
  'expired',
  'superseded',
  'superseded_externally',
  'basis_changed',
  'vetoed',
  'skipped',
  'failed',
  'unknown',
  'shadow',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The four words the upstream wire knows. */
export type UpstreamOutcome = 'applied' | 'refused' | 'deduplicated' | 'failed';

const UPSTREAM: Readonly<Record<Outcome, UpstreamOutcome>> = {
  applied: 'applied',
  applied_unverified: 'applied',
  noop: 'deduplicated',
  renewed: 'deduplicated',
  deduped: 'deduplicated',
  blocked: 'refused',
  truncated: 'refused',
  rejected: 'refused',
  refused_busy: 'refused',
  expired: 'refused',
  superseded: 'refused',
  superseded_externally: 'failed',
  basis_changed: 'refused',
  vetoed: 'refused',
  skipped: 'refused',
  failed: 'failed',
  unknown: 'failed',
  shadow: 'refused',
};

export function upstreamOutcome(outcome: Outcome): UpstreamOutcome {
  return UPSTREAM[outcome];
}

export type PolicyWord = 'allow' | 'alert' | 'block' | 'dedup';

/** One value a gate looked at. Times in milliseconds of the site's time. */
export interface Evidence {
  readonly point: string;
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly provenance: Provenance;
  readonly source_ts: string | null;
  readonly age_ms: number;
  /** How long it was known to have been so. */
  readonly unchanged_ms: number;
}

export interface Readback {
  readonly point: string;
  readonly value: PointValue;
  readonly quality: Quality;
  readonly at: string;
}

/** One point's value before, asked for, and sent. */
export interface PointState {
  readonly point: string;
  readonly value: PointValue;
}

/** The clocks when a row was written; `uncertainty_ms` is by how much the wall clock may be off, null when nobody knows. */
export interface ClockStamp {
  readonly wall: string;
  readonly mono_ms: number;
  readonly boot_id: string;
  readonly state: ClockState;
  readonly uncertainty_ms: number | null;
}

/** When the steps of the last attempt happened, on the site's clock; null: it did not come to that. Read-backs carry their own time. */
export interface Timeline {
  /** The intent was durable. */
  readonly intent_at: string | null;
  /** Immediately before the first byte left. */
  readonly sent_at: string | null;
  /** The driver knew what there was to know: an answer, a refusal, or that none came in time. */
  readonly answered_at: string | null;
}

export interface RuleVerdict {
  readonly rule: string;
  readonly decision: 'allow' | 'alert' | 'block';
  readonly stage: string;
  readonly reason: string;
}

/** What a device goes back to when a lease ends: its own default where it has one, what was there before, or a value. */
export type LeaseFallback = 'relinquish' | 'baseline' | { readonly value: number | string | boolean };

/** `active` after a write; the others say how a lease ended, or that its end has not been possible yet. */
export type LeaseState = 'active' | 'released' | 'yielded' | 'release_failed';

/** The lease that an action opened, renewed or ended. */
export interface ReceiptLease {
  readonly id: string;
  /** Null: it does not end by itself. */
  readonly ttl_s: number | null;
  readonly fallback: LeaseFallback;
  readonly state: LeaseState;
}

/** Something that an action was approved on, and that was otherwise when its turn came. Null quality: it is not a point. */
export interface BasisChange {
  /** `zone:412/motion`, or what else an approval rests on: `fcu-412 local control`, `fcu-412 hvac.setpoint`. */
  readonly of: string;
  readonly was: { readonly value: PointValue; readonly quality: Quality | null };
  readonly is: { readonly value: PointValue; readonly quality: Quality | null };
}

/** What persons said to an action before it was done. */
export interface ReceiptApproval {
  /** Of the last of them. */
  readonly id: string;
  readonly approvers: readonly string[];
  readonly basis_hash: string;
  /** What they said it on and was no longer so; empty while nothing had changed. */
  readonly basis_changes: readonly BasisChange[];
  /** Its row in the journal. */
  readonly at_seq: number;
}

export interface Receipt {
  readonly object: 'receipt';
  readonly receipt_id: string;
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
  readonly reseller_id: string | null;
  readonly tenant_id: string;
  readonly workspace_id: string | null;
  readonly operator: string;
  readonly version: string;
  readonly run_id: string;
  readonly plan_id: string;
  readonly action_id: string;
  readonly event_id: string | null;
  readonly correlation_id: string;
  readonly proposed_by: ProposedBy;
  readonly capability: string;
  readonly connector: string | null;
  readonly tool: string | null;
  readonly effect_class: EffectClass | null;
  readonly device: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
  readonly entity_key: string | null;
  readonly idempotency_key: string | null;
  readonly fingerprint: string | null;
  readonly attempt: number;
  readonly epoch: number;
  readonly mode: Mode;
  readonly provenance: Provenance;
  readonly policy: { readonly decision: PolicyWord; readonly rule: string | null; readonly hash: string | null };
  readonly verdict: {
    readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK' | 'DEDUP';
    readonly rule: string | null;
    readonly stage: string | null;
    readonly rules: readonly RuleVerdict[];
  };
  readonly evidence: readonly Evidence[];
  /** What else was decided on, in the form of the policy's `DecisionInputs`; null when no policy was asked. */
  readonly inputs: Readonly<Record<string, unknown>> | null;
  readonly baseline: readonly PointState[];
  /** What was to be written. Other than `args` say where a rule clamped them. */
  readonly target: readonly PointState[];
  readonly effective: readonly PointState[];
  readonly readback: readonly Readback[];
  readonly device_response: DeviceResponse | null;
  readonly timeline: Timeline;
  readonly outcome: Outcome;
  readonly reason_code: string | null;
  readonly reason: string | null;
  /** The plan's own words: why the operator wanted it. */
  readonly reasoning: string | null;
  /** Who said yes to it, as one text; null when nobody was asked. */
  readonly approver: string | null;
  readonly approval: ReceiptApproval | null;
  /** Null: what was written stays. */
  readonly lease: ReceiptLease | null;
  /** Receipts this one refers to: the first receipt of a deduplicated key. */
  readonly refers_to: readonly string[];
  readonly at: string;
  readonly clock: ClockStamp;
}
