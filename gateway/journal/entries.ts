/** The rows of the journal: one per durable transition. What is not in here did not happen. */
import type {
  ClockStamp,
  ClockState,
  EffectClass,
  Envelope,
  Evidence,
  LeaseFallback,
  Mode,
  PointState,
  PointValue,
  ProposedBy,
  Receipt,
  RuleVerdict,
} from '@fibric/sdk';

import type { BreakerClosedEntry, BreakerOpenEntry } from './breakers.ts';
import type { CorrectionEntry } from './corrections.ts';
import type { ApprovalEntry, Waiting } from './approvals.ts';
import type { AlertEntry, DeliveredEntry, PageEntry } from './alerts.ts';
import type { InheritedDoubtEntry, InheritedEntry, InheritedLeaseEntry, InheritedSettledEntry } from './inherited.ts';

/** Why and by whom: shared by all that a run produces. */
export interface Origin {
  readonly operator: string;
  readonly operator_uid: string;
  readonly version: string;
  readonly run_id: string;
  readonly event_id: string;
  readonly correlation_id: string;
  readonly proposed_by: ProposedBy;
  readonly mode: Mode;
}

/** The canonical action: normalised, keyed, resolved to a device (contract §2; execution §2.1). */
export interface Action {
  readonly action_id: string;
  readonly plan_id: string;
  readonly ordinal: number;
  readonly capability: string;
  readonly connector: string;
  readonly tool: string;
  readonly device: string;
  readonly effect_class: EffectClass;
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
  readonly entity_key: string;
  readonly intent_key: string;
  readonly occurrence: string;
  readonly revision: number;
  readonly idempotency_key: string;
  readonly fingerprint: string;
  readonly after: readonly number[];
  /** What is to be written, in order, in engineering units. */
  readonly target: readonly { readonly point: string; readonly value: Exclude<PointValue, null> }[];
  /** Site wall time after which it must not start any more. */
  readonly deadline_ms: number;
  /** A release: the lease that it ends. */
  readonly releases?: string;
}

/** An action that never became one: what was asked, as far as it could be read. */
export interface RefusedAction {
  readonly action_id: string;
  readonly plan_id: string;
  readonly ordinal: number;
  readonly capability: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
  readonly entity_key: string | null;
}

export interface BootEntry {
  readonly type: 'boot/1';
  readonly epoch: number;
  readonly boot_id: string;
  readonly gateway_uid: string;
  readonly software: string;
  readonly site: string;
}

/** A policy begins to decide on what an operator proposes. Every verdict after it names its hash (G-PS-6). */
export interface PolicyEntry {
  readonly type: 'policy/1';
  readonly operator: string;
  readonly operator_uid: string;
  /** Null: the site names no policy any more, and everything is blocked. */
  readonly hash: string | null;
  /** Its rules in canonical form, a line each: what the hash is of, and all that is needed to decide by it again. */
  readonly text: string | null;
  /** The capabilities that its globs stand for. */
  readonly names: readonly string[];
  readonly sources: readonly PolicySourceFile[];
  /** A named person, or how else it came to this. */
  readonly who: string;
}

/** A file that a policy was read from, as the site file names it. */
export interface PolicySourceFile {
  readonly file: string;
  /** Of its bytes. */
  readonly sha256: string;
  /** The id of the key that signed it, and as which version; null where the site asks for no signatures. */
  readonly key: string | null;
  readonly counter: number | null;
}

/** A plan's action as it was admitted; receipts of refused ones follow. */
export type PlannedEntry =
  | { readonly status: 'queued'; readonly action: Action }
  | { readonly status: 'awaiting'; readonly action: Action; readonly waiting: Waiting }
  | { readonly status: 'refused'; readonly action: RefusedAction };

export interface PlanEntry {
  readonly type: 'plan/1';
  readonly plan_id: string;
  readonly plan_hash: string;
  readonly origin: Origin;
  readonly reasoner: { readonly alias: string; readonly provider: string; readonly model: string | null } | null;
  readonly trigger: Envelope;
  readonly reasoning: string | null;
  readonly actions: readonly PlannedEntry[];
  readonly state: Readonly<Record<string, unknown>> | null;
}

/** A run that did not end in a plan. */
export interface RunEntry {
  readonly type: 'run/1';
  readonly outcome: 'failed' | 'rejected';
  readonly operator: string;
  readonly run_id: string;
  readonly event_id: string;
  readonly correlation_id: string;
  readonly reason_code: string;
  readonly reason: string;
}

/** T3: durable before the first byte leaves. */
export interface IntentEntry {
  readonly type: 'intent/1';
  readonly action_id: string;
  readonly idempotency_key: string;
  readonly fingerprint: string;
  readonly attempt: number;
  readonly epoch: number;
  readonly device: string;
  /** Read from the device immediately before; the proof counter of a pulse among them. */
  readonly baseline: readonly PointState[];
  readonly target: readonly PointState[];
  readonly decision: 'ALLOW' | 'ALERT';
  readonly rule: string | null;
  readonly policy: string | null;
  readonly rules: readonly RuleVerdict[];
  readonly evidence: readonly Evidence[];
  /** An ALERT is told to a person; the row makes it survive a crash (G-AL-1). */
  readonly alert: string | null;
  /** What the device goes back to, and when: known before the first byte leaves, so that no crash loses the way back. */
  readonly lease: LeaseGrant | null;
}

/** How a value that a person set is left alone. */
export interface HoldTerms {
  /** Of the site's time; null: until a person gives the device back. */
  readonly hold_ms: number | null;
  /** A person may end it early. */
  readonly by_person: boolean;
}

/** What a lease is granted on. */
export interface LeaseGrant {
  readonly lease_id: string;
  /** Null: it does not end by itself; kept to know a value of ours from one set by hand. */
  readonly ttl_ms: number | null;
  readonly max_hold_ms: number | null;
  readonly fallback: LeaseFallback;
  /** The point that a value to go back to is for. */
  readonly leading: string;
  /** How a value set by hand is left alone; null: it is not looked out for. */
  readonly hold: HoldTerms | null;
  /** The written points before the first write of the excursion; not learnt again while it lasts. */
  readonly baseline: readonly PointState[];
  /** Where to see whether the device is still at what was written. */
  readonly watch: readonly { readonly point: string; readonly written: string }[];
  readonly physical_points: readonly string[];
}

export interface ModeEntry {
  readonly type: 'mode/1';
  readonly operator: string;
  readonly operator_uid: string;
  readonly from: Mode;
  readonly to: Mode;
  /** What the site file says: a later change there is a new decision, an old one does not undo this. */
  readonly site_mode: Mode;
  /** A person, `site file`, or `gateway` where it lowered a mode by itself. */
  readonly who: string;
  readonly reason: string | null;
}

/** The software stop: while it is on, nothing is sent but, if it says so, releases. Outlives the process. */
export interface StopEntry {
  readonly type: 'stop/1';
  readonly state: 'on' | 'off';
  /** A named person. */
  readonly who: string;
  readonly reason: string | null;
  readonly release: boolean;
}

/** A value set by hand was seen, and is left alone; `off`: a person ended that early. */
export interface OverrideEntry {
  readonly type: 'override/1';
  readonly state: 'on' | 'off';
  readonly device: string;
  readonly entity_key: string;
  /** What was read, and what we had left there; null when it was not ours. */
  readonly points: readonly { readonly point: string; readonly value: PointValue; readonly ours: PointValue }[];
  /** The lease that yields. */
  readonly lease_id: string | null;
  /** Null: the lease yields, and nothing is left alone after that, because no rule asks for it. */
  readonly hold: HoldTerms | null;
  readonly seen: 'readings' | 'release' | 'local_override' | 'person';
  readonly who: string | null;
  readonly refers_to: readonly string[];
}

/** Why nothing is done by itself until a person has acknowledged it: what is proposed waits (G-IO-2, G-IO-3). */
export const HOLDS = [
  'journal_failing',
  'journal_replaced',
  'journal_unsound',
  'obligations_differ',
  'forked',
] as const;
export type Hold = (typeof HOLDS)[number];

export interface HoldEntry {
  readonly type: 'hold/1';
  readonly hold: Hold;
  /** One sentence: what happened, and where what was kept is. */
  readonly reason: string;
}

/** Something happened to the clock, or to the trust in it (G-CL-3). `by_ms`: how far it jumped, how long the machine slept. */
export interface ClockEntry {
  readonly type: 'clock/1';
  readonly event: 'jump' | 'suspend' | 'state';
  readonly by_ms: number;
  readonly state: ClockState;
  readonly uncertainty_ms: number | null;
}

/** The whole journal was looked through (G-IO-6). */
export interface ScrubEntry {
  readonly type: 'scrub/1';
  readonly rows: number;
  /** What does not hold; empty when all of it does. */
  readonly findings: readonly { readonly check: string; readonly detail: string }[];
}

export interface AcknowledgeEntry {
  readonly type: 'acknowledge/1';
  readonly holds: readonly Hold[];
  readonly who: string;
}

/** A key begins to sign the tree: the log has this name from here on (docs/RECEIPTS.md). */
export interface IncarnationEntry {
  readonly type: 'incarnation/1';
  /** `<gateway_uid>/receipts/<incarnation>`; the incarnation is named by its key. */
  readonly origin: string;
  /** `<origin>+<id>+<base64>` (C2SP signed-note). */
  readonly key: string;
  readonly cause: 'begun' | 'key_lost' | 'forked';
  /** The last checkpoint of the incarnation before that a witness has cosigned, as a note; null when there is none. */
  readonly cosigned: string | null;
}

/** The signed tree hash over all rows before this one: so no size has two (G-R-6). */
export interface CheckpointEntry {
  readonly type: 'checkpoint/1';
  /** A signed note (C2SP tlog-checkpoint). */
  readonly note: string;
}

/** A witness has seen an earlier checkpoint, and that it continues all it had seen before (G-R-5). */
export interface CosignatureEntry {
  readonly type: 'cosignature/1';
  /** That checkpoint, with the cosignatures. */
  readonly note: string;
}

/** Texts were erased: their commitments stay in the rows, what opens them is gone (G-R-8). */
export interface RedactionEntry {
  readonly type: 'redaction/1';
  readonly who: string;
  readonly reason: string;
  readonly erased: readonly { readonly seq: number; readonly field: string }[];
}

export type ReceiptEntry = { readonly type: 'receipt/1' } & Omit<
  Receipt,
  'seq' | 'prev' | 'hash' | 'at' | 'clock' | 'receipt_id'
>;

export type Entry =
  | BootEntry
  | PolicyEntry
  | PlanEntry
  | RunEntry
  | IntentEntry
  | ModeEntry
  | ApprovalEntry
  | StopEntry
  | OverrideEntry
  | ClockEntry
  | HoldEntry
  | InheritedEntry
  | InheritedDoubtEntry
  | InheritedLeaseEntry
  | InheritedSettledEntry
  | AcknowledgeEntry
  | ScrubEntry
  | AlertEntry
  | PageEntry
  | DeliveredEntry
  | IncarnationEntry
  | CheckpointEntry
  | CosignatureEntry
  | RedactionEntry
  | BreakerOpenEntry
  | BreakerClosedEntry
  | CorrectionEntry
  | ReceiptEntry;

/** What the journal adds to every row. */
export interface Stamp {
  readonly seq: number;
  /** Hash of the row before, 64 zeros for the first. */
  readonly prev: string;
  readonly at: string;
  readonly clock: ClockStamp;
}

export type Row<E extends Entry = Entry> = E & Stamp;

export const GENESIS = '0'.repeat(64);

/** Ids that hold the row's place: opaque to users, found again without an index. */
export const idAt = (prefix: 'pl' | 'rc' | 'ls' | 'al' | 'ap' | 'br', seq: number): string =>
  `${prefix}_${seq.toString(36).padStart(8, '0')}`;

/** The `seq` inside an id of `idAt`, or null. */
export function seqOf(prefix: 'pl' | 'rc', id: string): number | null {
  const match = /^(pl|rc)_([0-9a-z]{8})$/.exec(id);
  return match && match[1] === prefix ? Number.parseInt(match[2] as string, 36) : null;
}

export const actionId = (planId: string, ordinal: number): string => `act_${planId.slice(3)}_${ordinal}`;

/** A receipt as it is shown: the row, its id and its hash. */
export function receiptOf(row: Row<ReceiptEntry>, hash: string): Receipt {
  const { type: _, ...receipt } = row;
  return { ...receipt, receipt_id: idAt('rc', row.seq), hash };
}
