/**
 * What the local API asks of the gateway. `main.ts` implements it; the routes know nothing else.
 *
 * A1 Nothing here reaches a device's outputs: a run and a release end in proposals, a yes lets one go on, and all go through the executor.
 */
import type {
  ConnectionStatus,
  EffectClass,
  Identity,
  Mode,
  Outcome,
  PointRef,
  PointValue,
  Probe,
  Provenance,
  Quality,
  QualityReason,
  Receipt,
  Trigger,
} from '@fibric/sdk';
import type { OutboxStatus } from '../alerts/outbox.ts';
import type { BreakerView } from '../executor/breaker.ts';
import type { Correction } from '../executor/correct.ts';
import type { Ask, Asked } from '../persons.ts';
import type { Said, Say } from '../executor/approvals.ts';
import type { ReleaseReport, StopOrder } from '../executor/control.ts';
import type { Evaluation, Wish } from '../executor/evaluate.ts';
import type { LeaseView } from '../executor/lease-view.ts';
import type { Stop } from '../journal/projection.ts';
import type { LogState } from '../journal/receipt-log.ts';
import type { ClockTrust } from '../clock-trust.ts';
import type { Hold, RedactionEntry, Row } from '../journal/entries.ts';
import type { CorrectionEntry } from '../journal/corrections.ts';
import type { Story } from '../journal/story.ts';
import type { EventReader, JournalReader } from '../journal/types.ts';
import type { ModeOrder } from '../modes.ts';
import type { PolicyView } from '../policies/view.ts';
import type { Delivery } from '../sync/store.ts';
import type { SyncStatus } from '../sync/sync.ts';

export interface StatusView {
  readonly object: 'status';
  readonly version: string;
  readonly site: string;
  readonly identity: Identity;
  readonly timezone: string;
  /** The site's own time, RFC 3339 UTC; in an accelerated world it runs ahead of the clock on the wall. */
  readonly site_time: string;
  readonly simulation: { readonly world: string; readonly speed: number } | null;
  readonly site_file: string;
  readonly site_hash: string;
  readonly data: string;
  readonly pid: number;
  readonly started_at: string;
  readonly uptime_ms: number;
  /** How far the wall clock may be believed. */
  readonly clock: ClockTrust;
  /** Highest `seq` of the journal, highest cursor of the event log. */
  readonly journal_head: number;
  /** When all of the journal was looked through last, site time; null: not yet. */
  readonly journal_looked_through: string | null;
  readonly events_head: number;
  readonly ready: boolean;
  readonly not_ready: readonly string[];
  /** Actions that are waiting or under way. */
  readonly open_actions: number;
  /** Writes that will be taken back. */
  readonly leases: number;
  /** Breakers that are open. */
  readonly breakers: number;
  /** What people have not been told yet, and the ways to tell them. */
  readonly alerts: OutboxStatus;
  /** While everything is stopped: by whom, since when, why, and whether leases are taken back meanwhile. */
  readonly stop: Stop | null;
}

/** The present of one point. Times are null and quality is `bad` until something arrived. */
export interface PointView {
  readonly object: 'point';
  readonly device: string;
  readonly point: string;
  readonly entity_key: string;
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly quality_reason: QualityReason | null;
  readonly provenance: Provenance;
  readonly observed_at: string | null;
  readonly received_at: string | null;
  readonly age_ms: number | null;
}

export interface DeviceView {
  readonly object: 'device';
  readonly id: string;
  readonly connection: string;
  readonly profile: string;
  readonly entity_key: string;
  /** Capabilities it offers, reads and writes. */
  readonly capabilities: readonly string[];
  readonly points: number;
  /** Points that are not `good` now. */
  readonly points_not_good: number;
}

export interface ConnectorView {
  readonly object: 'connector';
  readonly id: string;
  readonly protocol: string;
  /** `host:port`, without credentials. */
  readonly endpoint: string;
  readonly status: ConnectionStatus;
  readonly detail: string;
  readonly devices: number;
}

export interface CapabilityView {
  readonly object: 'capability';
  readonly capability: string;
  readonly status: 'ready' | 'unbound';
  readonly side_effecting: boolean;
  readonly effect_class: EffectClass | null;
  readonly connections: readonly string[];
  readonly devices: readonly string[];
  readonly entities: readonly string[];
  /** Operators that require it. */
  readonly operators: readonly string[];
}

export interface OperatorView {
  readonly object: 'operator';
  readonly name: string;
  readonly uid: string;
  readonly goal: string;
  readonly mode: Mode;
  readonly requires: readonly string[];
  readonly triggers: readonly Trigger[];
  /** Hash of the policy that decides what it proposes; null: everything it proposes is blocked. */
  readonly policy_hash: string | null;
  /** Why it cannot run; null when it can. */
  readonly problem: string | null;
  /** Since the gateway started: runs, and those of them that did not end in a plan. */
  readonly runs: number;
  readonly failed: number;
  readonly last_run: {
    readonly run_id: string;
    readonly at: string;
    /** Entities read, all capabilities together. */
    readonly sensed: number;
    readonly proposed: number;
    readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  } | null;
  /** Envelopes that wait for it, and how many were dropped because too many did. */
  readonly queued: number;
  readonly dropped: number;
}

/** One run asked for by a person, from the first read to the last receipt. */
export interface RunReport {
  readonly object: 'run';
  readonly run_id: string;
  readonly operator: string;
  readonly mode: Mode;
  readonly sensed: readonly { readonly capability: string; readonly entities: number }[];
  readonly plan_id: string | null;
  readonly reasoning: string | null;
  /** Actions of the plan. */
  readonly proposed: number;
  /** Why the run did not end in a plan, or its plan was not taken. */
  readonly failure: { readonly reason_code: string; readonly reason: string } | null;
  readonly receipts: readonly Receipt[];
  /** Action ids that wait for a person. */
  readonly awaiting: readonly string[];
}

/** Something that a person had to acknowledge before anything was done by itself again. */
export interface HeldView {
  readonly hold: Hold;
  readonly reason: string;
}

/** Why a receipt says what it says: from the envelope that woke the run to what the upstream has. */
export type WhyView = Story & { readonly sync: Delivery };

/** An action that is asked about; `operator` may be left out where only one could mean it. */
export interface PolicyQuestion extends Pick<Wish, 'capability' | 'entity' | 'args' | 'value'> {
  readonly operator: string | null;
}

export interface EraseOrder {
  readonly field: string;
  readonly who: string;
  readonly reason: string;
}

/** What was erased: texts of these rows, whose commitments stay. */
export interface Erasure extends Omit<RedactionEntry, 'type'> {
  readonly object: 'redaction';
}

export interface GatewayView {
  status(): StatusView;
  points(): readonly PointView[];
  /** Reads these points of the site from their devices now, in order. */
  readPoints(refs: readonly PointRef[]): Promise<readonly PointView[]>;
  devices(): readonly DeviceView[];
  connectors(): readonly ConnectorView[];
  /** Probes a connection; null when there is none of that id. */
  testConnector(id: string): Promise<Probe | null>;
  capabilities(): readonly CapabilityView[];
  operators(): readonly OperatorView[];
  /** Runs an operator once and waits for its receipts; null when there is none of that name. */
  runOnce(name: string, who: string): Promise<RunReport | null>;
  /** Changes a mode and records who did it and why; null when there is no operator of that name. Up only for a person with a reason. */
  setMode(name: string, mode: Mode, order: ModeOrder): Promise<OperatorView | null>;
  /** A person's own proposal. Throws `invalid_parameter` where it makes no sense. */
  propose(ask: Ask): Promise<Asked>;
  /** Null: there is no such plan or action. Throws `forbidden`, `plan_hash_mismatch`, `approval_expired`, `too_late`, `conflict`. */
  say(say: Say): Promise<Said | null>;
  /** Leases, and values set by hand that are left alone. */
  leases(): readonly LeaseView[];
  /** Null: there is none of that id. Throws `conflict` while a stop forbids it. */
  releaseLease(id: string, who: string): Promise<ReleaseReport | null>;
  /** In force at once. */
  stopAll(order: StopOrder): Promise<Stop>;
  /** Throws `conflict` when there is no stop. */
  clearStop(who: string): Promise<void>;
  breakers(): readonly BreakerView[];
  /** Null: none of that id is open. */
  closeBreaker(id: string, who: string, reason: string | null): Promise<BreakerView | null>;
  /** Null: there is no such receipt. Throws `conflict` for one that nothing is to be said of any more. */
  correct(correction: Correction): Promise<Row<CorrectionEntry> | null>;
  /** Acknowledges everything that holds live operation back, and says what that was. */
  acknowledge(who: string): Promise<readonly HeldView[]>;
  /** What decides on the proposals of each operator. */
  policies(): readonly PolicyView[];
  /** Reads the policy files again; what is without findings decides from now on. */
  reloadPolicies(who: string): Promise<readonly PolicyView[]>;
  /** What would be decided on an action now. Null: no operator of that name. Throws `invalid_parameter` for what makes no sense. */
  evaluatePolicy(question: PolicyQuestion): Promise<Evaluation | null>;
  /** Null when the site has no upstream. */
  sync(): SyncStatus | null;
  /** Null when there is no receipt of that id. */
  why(receiptId: string): WhyView | null;
  /**
   * Erases a text for good, wherever it led to this receipt; null: there is no such receipt. Throws `invalid_parameter` for a field that
   * cannot be erased, `conflict` when nothing of it is left.
   */
  erase(receiptId: string, order: EraseOrder): Promise<Erasure | null>;
  /** Signs the rows so far, and says as which log, and what was signed and cosigned last. */
  checkpoint(): Promise<LogState>;
  readonly journal: JournalReader;
  readonly events: EventReader;
}
