/** The joints of the kernel: what its stages hand to each other. Each stage takes one thing and returns one thing. */
import type { Envelope, Mode, PointValue, ProposedBy, Provenance, Quality, QualityReason, Receipt } from '@fibric/sdk';
import type { PointFact } from '@fibric/policy';
import type { Waiting } from './journal/approvals.ts';

/** The present state of one point: the last reading with everything observe knows about it. */
export interface PointStatus {
  readonly device: string;
  readonly point: string;
  readonly entity_key: string;
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly quality_reason: QualityReason | null;
  readonly provenance: Provenance;
  readonly observed_at: string | null;
  readonly received_at: string;
  /** Site time, monotonic: when it arrived, and since when the value is what it is. */
  readonly received_mono_ms: number;
  readonly changed_mono_ms: number;
  /** It was seen to change; false: `changed_mono_ms` is when it was first read. */
  readonly change_seen: boolean;
}

/** Reading the present: implemented by observe. */
export interface Points {
  all(): readonly PointStatus[];
  get(device: string, point: string): PointStatus | null;
  /** A point by entity, as policy names it: `zone:412` and `temperature`. The freshest when several devices carry it. */
  fact(entityKey: string, point: string): PointFact | null;
}

/** One run of an operator that ended in something to dispose of. */
export interface Proposal {
  readonly run_id: string;
  readonly operator: { readonly name: string; readonly uid: string; readonly version: string };
  readonly requires: readonly string[];
  readonly mode: Mode;
  /** What woke the run. */
  readonly event: Envelope;
  readonly proposed_by: ProposedBy;
  /** Alias, provider and model that reasoned; null when the run did not reason. */
  readonly reasoner: { readonly alias: string; readonly provider: string; readonly model: string | null } | null;
  /** What the run returned: hostile until admitted. */
  readonly plan: unknown;
  /** Site wall time after which nothing of it may start any more; left out: as long as what was sensed is worth something. */
  readonly deadline_ms?: number;
  /** A person is to say yes on what they saw: it waits on that, and no longer than so. Left out: on what is so at the moment. */
  readonly seen?: Pick<Waiting, 'basis' | 'breakers' | 'expires_ms'>;
  /** The operator's state to be committed with the plan; null leaves it as it was. */
  readonly state: Readonly<Record<string, unknown>> | null;
}

/** What became of a proposal. */
export interface Disposition {
  readonly plan_id: string | null;
  readonly rejected: { readonly reason_code: string; readonly reason: string } | null;
  readonly receipts: readonly Receipt[];
  /** Action ids that wait for a person. */
  readonly awaiting: readonly string[];
}

/** A run that did not end in a plan. */
export interface FailedRun {
  readonly run_id: string;
  readonly operator: string;
  readonly event: Envelope;
  readonly reason_code: string;
  readonly reason: string;
}

/** The executor, as the runner and the API see it. */
export interface Executor {
  /** Never throws for what a plan holds; throws only when the journal cannot be written. */
  /** `wait: false`: answers when the plan is durable, and tells no receipts. */
  submit(proposal: Proposal, wait?: boolean): Promise<Disposition>;
  runFailed(run: FailedRun): Promise<void>;
}
