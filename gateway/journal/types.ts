/** What the journal shows to those who only read: the API, the CLI (also offline), sync. */
import type { BasisChange, Envelope, Mode, Outcome, ProposedBy, Receipt } from '@fibric/sdk';
import type { RedactionEntry } from './entries.ts';
import type { ActivePolicy } from './policies.ts';
import type { AlertReader } from './alert-reader.ts';
import type { Waiting } from './approvals.ts';
import type { Story } from './story.ts';

export const PLAN_STATUSES = ['proposed', 'executed', 'basis_changed', 'vetoed', 'expired', 'rejected'] as const;
export type PlanStatus = (typeof PLAN_STATUSES)[number];

/** A plan as lists and `plans show` print it. */
export interface PlanView {
  readonly plan_id: string;
  readonly object: 'execution_plan';
  /** Of what was proposed: an approval holds for it alone. */
  readonly plan_hash: string;
  readonly seq: number;
  readonly operator: string;
  readonly run_id: string;
  readonly event_id: string | null;
  readonly correlation_id: string;
  readonly proposed_by: ProposedBy;
  readonly mode: Mode;
  readonly status: PlanStatus;
  readonly reasoning: string | null;
  readonly actions: readonly {
    readonly action_id: string;
    readonly capability: string;
    readonly args: Readonly<Record<string, unknown>>;
    readonly entity_key: string | null;
    readonly idempotency_key: string | null;
    readonly outcome: Outcome | null;
    readonly receipt_id: string | null;
    /** It is up for approval now. */
    readonly awaits: boolean;
    /** What it waits for, or waited for; null when nobody had to be asked. */
    readonly waiting: Waiting | null;
    /** Who has said yes so far. */
    readonly approvers: readonly string[];
    /** What it was approved on and was no longer so when its turn came. */
    readonly changed: readonly BasisChange[];
    /** How a person may approve it on what was found instead; null: it did not fall for that, or its time is over. */
    readonly anew: {
      /** Of the basis as it was found. */
      readonly basis_hash: string;
      readonly expires_ms: number;
      /** The plan that has taken its place; null: it may be approved. */
      readonly plan_id: string | null;
    } | null;
  }[];
  readonly at: string;
}

/** Newest first; `before` is the `seq` to continue below. */
export interface ListQuery {
  readonly limit: number;
  readonly before?: number;
  readonly operator?: string;
  /** Only plans of which something waits for a person, or may be approved on another basis than at first. */
  readonly waiting?: boolean;
}

/** What was found where rows hold together. */
export interface Verified {
  readonly rows: number;
  readonly receipts: number;
  readonly head: string;
  readonly open_intents: number;
  /** The newest trusted checkpoint, and which witnesses have seen it when; null when there is none. */
  readonly checkpoint: {
    readonly origin: string;
    readonly size: number;
    readonly root: string;
    readonly cosigned: readonly { readonly witness: string; readonly at: string }[];
  } | null;
  /** Texts that were shown and are what the rows were committed to, that were erased, and that are not shown. */
  readonly opened: number;
  readonly erased: readonly {
    readonly seq: number;
    readonly field: string;
    readonly who: string;
    readonly reason: string;
    readonly at: string;
  }[];
  readonly withheld: number;
}

/** Whether a journal holds together by itself. */
export type Verification =
  | ({ readonly kind: 'proved' } & Verified)
  | { readonly kind: 'tampered'; readonly seq: number; readonly reason: string };

/**
 * What is proved to somebody who trusts certain keys. `incomplete`: what is there holds together, and nothing that is trusted covers
 * the rows after `after`. `bad_input`: there is more at `seq` than is looked at, or the file is no bundle.
 */
export type Proof =
  | Verification
  | ({ readonly kind: 'incomplete'; readonly after: number; readonly reason: string } & Verified)
  | { readonly kind: 'bad_input'; readonly seq: number; readonly reason: string };

export interface JournalReader {
  receipts(query: ListQuery): readonly Receipt[];
  /** Oldest first, from `after` (exclusive), for sync, tail and `receipts ls` in full. */
  receiptsAfter(after: number, limit: number): readonly Receipt[];
  receipt(receiptId: string): Receipt | null;
  /** The receipt with everything that led to it and came after it. */
  story(receiptId: string): Story | null;
  readonly alerts: AlertReader;
  plans(query: ListQuery): readonly PlanView[];
  plan(planId: string): PlanView | null;
  /** The policies that decide, or did when the gateway stopped. */
  policies(): readonly ActivePolicy[];
  /** Where the text of a field that led to a receipt still stands: in its plan, and in every receipt of that; null: no such receipt. */
  textsOf(receiptId: string, field: string): RedactionEntry['erased'] | null;
  /** Walks the whole chain: hashes, links, one receipt per action, keys applied once. */
  verify(): Verification;
  /** Highest `seq`, 0 when empty. */
  head(): number;
}

/** An envelope with its place in the event log. */
export interface StoredEvent {
  readonly cursor: number;
  readonly at: string;
  readonly envelope: Envelope;
}

/** The event log, as those who only read see it. */
export interface EventReader {
  /** Oldest first, from `after` (exclusive); `type` is a one-segment glob. */
  eventsAfter(after: number, limit: number, type?: string): readonly StoredEvent[];
  /** The newest `limit`, oldest first. */
  eventsLast(limit: number, type?: string): readonly StoredEvent[];
  event(eventId: string): StoredEvent | null;
  head(): number;
}
