/** What the decision takes and gives. Everything is an argument: no clock, no disk, no network. */
import type { EffectClass, Evidence, Mode, PointValue, Provenance, Quality, RuleVerdict } from '@fibric/sdk';
import type { DecisionInputs } from './replay.ts';
import type { Policy } from './rules.ts';

/** One point as the gateway knows it at the moment of the decision. Age in milliseconds of the site's monotonic time. */
export interface PointFact {
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly provenance: Provenance;
  readonly source_ts: string | null;
  readonly age_ms: number;
  /** How long the value is known to have been what it is: since a change that was seen, else since it was first read. */
  readonly unchanged_ms: number;
}

/** The action to decide on, canonical. */
export interface ActionFacts {
  readonly operator: string;
  readonly capability: string;
  readonly connector: string;
  readonly tool: string;
  readonly effect_class: EffectClass;
  readonly entity_key: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly value: number | null;
}

/** A change of the same points: how long ago, and by how much (null for words and switches, and where nobody knows). */
export interface PastChange {
  readonly ago_ms: number;
  readonly delta: number | null;
  /** Ours are those of the journal; others' those that were seen while polling. */
  readonly by: 'us' | 'others';
}

/** One value about to be written. */
export interface WriteFact {
  readonly point: string;
  readonly value: Exclude<PointValue, null>;
  /** The argument that it comes from; null for a constant of the tool. */
  readonly arg: string | null;
  /** The device is there already; left out where nobody has looked, and of the leading point, which `current` tells. */
  readonly there?: boolean;
}

/** A person's hand on the points about to be written (G-CS "override"). */
export type OverrideFact =
  | { readonly kind: 'none' }
  /** Still there: a slot above ours, a switch in hand, a value that nobody of us wrote. `what` names it. */
  | { readonly kind: 'in_force'; readonly what: string }
  /** Seen to have been there; `released` when a person has given the points back. */
  | { readonly kind: 'past'; readonly what: string; readonly ago_ms: number; readonly released: boolean };

/** Another operator's lease on the points about to be written. */
export interface HolderFact {
  readonly operator: string;
  /** Its priority class. */
  readonly class: string;
  readonly held_ms: number;
}

/** What a lease can rest on here. */
export interface LeaseFact {
  /** Who lets go when this gateway is dead: the device by itself, the gateway once it is restarted, or nobody. */
  readonly deadman: 'device' | 'gateway' | 'none';
  /** What the points can be left to. */
  readonly fallbacks: readonly ('relinquish' | 'baseline' | 'value')[];
  /** How long this operator's open lease on the points has lasted, renewals included; null when there is none. */
  readonly held_ms: number | null;
}

/** The approval that this very action has. */
export interface ApprovalFact {
  /** Distinct persons, each of whom still has the role. */
  readonly approvers: readonly string[];
  /** Since the last of them approved. */
  readonly age_ms: number;
  /** Something it was given on is no longer as it was. */
  readonly basis_changed: boolean;
}

/** How people can be told. */
export interface AlertsFact {
  /** A channel has accepted the alert of this very action. */
  readonly accepted: boolean;
  /** How long no channel could be reached; 0 while one can. */
  readonly unreachable_ms: number;
}

export interface Facts {
  readonly action: ActionFacts;
  readonly mode: Mode;
  /** Provenance that counts as real here: `live` in a live site, `simulated` in a simulated one. */
  readonly real: Provenance;
  /** Admitted actions of this capability earlier in the same run (`max_per_run`). */
  readonly admitted_in_run: number;
  /** Site time for windows; `local` is minutes since local midnight and ISO weekday 1–7. */
  readonly now: {
    readonly wall_ms: number;
    readonly minute_of_day: number;
    readonly weekday: number;
    readonly clock_trusted: boolean;
  };
  /** Fresh read of the leading point, before the write; null at admission, where no device is read. */
  readonly current: PointFact | null;
  /** Everything about to be written, each in its point's unit: the leading point first, which the quantity of the action goes to. */
  readonly writes: readonly WriteFact[];
  /** Changes of the leading point, newest first: ours as far back as the journal remembers, and others' that were seen. */
  readonly changes: readonly PastChange[];
  /** How far back `changes` is whole; null when nothing of it was forgotten. */
  readonly changes_reach_ms: number | null;
  /** Actions of this capability that this operator has had sent in the last so many milliseconds, those under way included. */
  readonly sent_within: (windowMs: number) => number;
  /** The following are null where nobody has looked: a rule that asks then blocks. */
  readonly override: OverrideFact | null;
  readonly holders: readonly HolderFact[] | null;
  readonly lease: LeaseFact | null;
  /** Null also when there is no approval. */
  readonly approval: ApprovalFact | null;
  readonly alerts: AlertsFact | null;
  /** A point by `entity/point`, such as `zone:412/temperature`; null when there is none. */
  readonly point: (ref: string) => PointFact | null;
}

/** When the decision is taken: at admission only what needs no device; at the head of the lane, everything. */
export type Moment = 'admission' | 'head';

/** What is to be written instead of what was proposed (`range` with `on_exceed: clamp`). */
export interface Effective {
  readonly args: Readonly<Record<string, unknown>>;
  readonly writes: readonly WriteFact[];
}

export interface Verdict {
  readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK';
  /** The device already is where the action wants it, within the deadband: nothing to write. */
  readonly noop: boolean;
  /** The rule that decided; null when none matched. */
  readonly rule: string | null;
  readonly policy_hash: string | null;
  /** The stage that decided, such as `grant`, `value`, `quantity`, `evidence`, `motion`. */
  readonly stage: string;
  readonly reason_code: string;
  /** One sentence for a person: what was compared with what. */
  readonly reason: string;
  readonly rules: readonly RuleVerdict[];
  /** Every point that a gate looked at. */
  readonly evidence: readonly Evidence[];
  /** Null: what was proposed. Otherwise it alone may be written, and it was judged in place of what was proposed. */
  readonly effective: Effective | null;
  /** What else it was decided on, so that another policy can be asked the same (G-PS-6); null when nothing was asked. */
  readonly inputs: DecisionInputs | null;
}

export type Decide = (policy: Policy | null, facts: Facts, moment: Moment) => Verdict;
