/**
 * The state that follows from the rows: open actions, episodes, changes of points, operator state, modes.
 * `apply` is the only way it changes; the journal stores what changed in the same transaction as the row (G-J-1).
 */
import { LIMITS, type Mode, type Outcome, type PointState } from '@fibric/sdk';
import { canonicalText } from './canonical.ts';
import { approvalRow, type Approved, type Waiting } from './approvals.ts';
import { type Fallen, fallenPlan, fallenReceipt } from './fallen.ts';
import { alertRow, deliveredRow, pageRow, type Subject } from './alerts.ts';
import { CompactRange } from '../proof/tree.ts';
import { type Breaker, breakerRow, type Failure, failureRow } from './breakers.ts';
import { correctionRow, type Unknown, unknownRow } from './corrections.ts';
import { type Activation, type ActivePolicy, policyRow } from './policies.ts';
import { type InheritedDoubt, inheritedLeaseRow, inheritedRow, inheritedSettledRow } from './inherited.ts';
import { type Open, stepped } from './lifecycle.ts';
import { type LogState, logRow } from './receipt-log.ts';
import { Table } from './table.ts';
import { closeYielded, type Hold, type Lease, leaseReceipt, type Mark } from './leases.ts';
import {
  type Action,
  type Entry,
  idAt,
  type IntentEntry,
  type Origin,
  type PlanEntry,
  type ReceiptEntry,
  type Row,
  seqOf,
} from './entries.ts';

/** An action without a terminal receipt. `waiting`: what it waits for, or waited for; null when nobody had to be asked. */
export interface OpenAction {
  readonly origin: Origin;
  readonly reasoning: string | null;
  /** `awaiting` until as many persons have said yes as it needs. */
  readonly status: Open;
  readonly action: Action;
  readonly waiting: Waiting | null;
  readonly since_ms: number;
  readonly intent: Row<IntentEntry> | null;
}

/** What is stored of an open action: where its rows are. They are read again at start. */
export interface OpenPlace {
  readonly plan_seq: number;
  readonly ordinal: number;
  readonly status: OpenAction['status'];
  readonly intent_seq: number | null;
}

export function openAction(
  plan: Row<PlanEntry>,
  action: Action,
  status: OpenAction['status'],
  intent: Row<IntentEntry> | null,
): OpenAction {
  const entry = plan.actions[action.ordinal];
  const waiting = entry?.status === 'awaiting' ? entry.waiting : null;
  const { origin, reasoning } = plan;
  return { origin, reasoning, status, action, waiting, since_ms: Date.parse(plan.at), intent };
}

/** The current excursion of one repeating intent. */
export interface Episode {
  readonly n: number;
  /** By the wall, and by the monotonic clock of one boot, which alone does not jump. */
  readonly opened_ms: number;
  readonly opened_mono_ms: number;
  readonly boot_id: string;
  /** Highest revision that was given out, and the one that took effect last with its fingerprint and receipt. */
  readonly minted: number;
  readonly minted_fingerprint: string;
  readonly consumed: Consumed | null;
  /** Its lease has ended, or somebody took over: the next wish opens another. */
  readonly closed?: Mark;
}

/** What an episode did last, and what it left the device at. */
export interface Consumed {
  readonly revision: number;
  readonly fingerprint: string;
  readonly receipt_id: string;
  readonly device: string;
  readonly effective: readonly PointState[];
}

/** An applied change of one point; `epoch`: of the boot whose monotonic clock it is. */
export interface Change {
  readonly wall_ms: number;
  readonly mono_ms: number;
  readonly epoch: number;
  readonly delta: number | null;
}

type StoredChange = readonly [Change['wall_ms'], Change['mono_ms'], Change['epoch'], Change['delta']];

/** Dozens of a point are stored anew with each: short enough not to need a page of their own. */
const encodeChanges = (changes: readonly Change[]): string =>
  JSON.stringify(changes.map(({ wall_ms, mono_ms, epoch, delta }): StoredChange => [wall_ms, mono_ms, epoch, delta]));

const decodeChanges = (text: string): readonly Change[] =>
  (JSON.parse(text) as StoredChange[]).map(([wall_ms, mono_ms, epoch, delta]) => ({ wall_ms, mono_ms, epoch, delta }));

/** The software stop, while it is on. */
export interface Stop {
  readonly who: string;
  readonly reason: string | null;
  /** Leases are taken back meanwhile. */
  readonly release: boolean;
  readonly at: string;
}

/** A consumed key that is not an episode's: found again for as long as the journal lives. */
export interface ConsumedKey {
  readonly key: string;
  readonly short_fingerprint: string;
  readonly receipt_id: string;
}

/** 64 bits of a SHA-256 tell the arguments of one key from others; millions of keys keep it. */
export const shortFingerprint = (fingerprint: string): string => fingerprint.slice(0, 16);

/** Outcomes after which the key is spent (G-K-5). */
const CONSUMING: ReadonlySet<Outcome> = new Set(['applied', 'applied_unverified', 'unknown', 'superseded_externally']);
const CHANGING: ReadonlySet<Outcome> = new Set(['applied', 'applied_unverified', 'unknown']);

type Conclusion = Pick<ReceiptEntry, 'outcome' | 'reason_code'>;

/** The device took something else than it was sent: the action failed, and yet it had an effect. */
const altered = ({ outcome, reason_code }: Conclusion): boolean =>
  outcome === 'failed' && reason_code === 'device_altered';

export const consumes = (row: Conclusion): boolean => CONSUMING.has(row.outcome) || altered(row);
const changes = (row: Conclusion): boolean => CHANGING.has(row.outcome) || altered(row);

function encodeOpen({ action, status, intent }: OpenAction): string {
  const place: OpenPlace = {
    plan_seq: seqOf('pl', action.plan_id) ?? 0,
    ordinal: action.ordinal,
    status,
    intent_seq: intent?.seq ?? null,
  };
  return JSON.stringify(place);
}

const openedAt = ({ at, clock }: Row): Pick<Episode, 'opened_ms' | 'opened_mono_ms' | 'boot_id'> => ({
  opened_ms: Date.parse(at),
  opened_mono_ms: clock.mono_ms,
  boot_id: clock.boot_id,
});

export class Projection {
  readonly open = new Table<OpenAction>('open', encodeOpen);
  readonly episodes = new Table<Episode>('episode');
  readonly changes = new Table<readonly Change[]>('change', encodeChanges, decodeChanges);
  readonly states = new Table<Readonly<Record<string, unknown>>>('state', canonicalText);
  readonly modes = new Table<{ readonly mode: Mode; readonly site_mode: Mode }>('mode');
  readonly approvals = new Table<readonly Approved[]>('approval', canonicalText);
  /** What a person may still say yes to, on another basis than at first. */
  readonly fallen = new Table<Fallen>('fallen', canonicalText);
  readonly leases = new Table<Lease>('lease', canonicalText);
  /** By device: values set by hand that are left alone. */
  readonly holds = new Table<Hold>('hold', canonicalText);
  /** The software stop, under `site` while it is on. */
  readonly stops = new Table<Stop>('stop', canonicalText);
  /** What a person has to acknowledge before anything is done by itself again: the reason by hold. */
  readonly liveHolds = new Table<string>('live_hold');
  /** Doubts of a journal that is lost, until a device was looked at. */
  readonly inherited = new Table<InheritedDoubt>('inherited', canonicalText);
  /** By operator uid. */
  readonly policies = new Table<ActivePolicy>('policy', canonicalText);
  /** By subject: what people have not been told yet, and when they were told last. */
  readonly alerts = new Table<Subject>('alert', canonicalText);
  /** Of every policy that ever decided, by `activationKey`. */
  readonly activations = new Table<Activation>('activation', canonicalText);
  readonly breakers = new Table<Breaker>('breaker', canonicalText);
  /** Failures that may open a breaker, oldest first. */
  readonly failures = new Table<readonly Failure[]>('failure', canonicalText);
  /** By receipt. */
  readonly unknowns = new Table<Unknown>('unknown', canonicalText);
  /** Keys that a person has freed, each with the receipt that had spent it, until they are spent again. */
  readonly freed = new Table<string>('freed');
  readonly meta = new Table<number>('meta');
  /** Under `receipts`: the log that the tree is signed as. */
  readonly logs = new Table<LogState>('log', canonicalText);
  /** By number: the hash of each 256 leaves of the tree. */
  readonly tiles = new Table<string>('tile');
  /** The tree over the rows before the last one: a row names the hash of the one before. */
  readonly tree = new CompactRange((index, hash) => this.#tile(String(index), hash.toString('hex')));

  readonly tables = [
    ...[this.open, this.episodes, this.changes, this.states, this.modes, this.approvals, this.fallen],
    ...[this.leases, this.holds, this.stops, this.liveHolds, this.inherited, this.policies, this.activations],
    ...[this.alerts, this.breakers, this.failures, this.unknowns, this.freed, this.meta, this.logs, this.tiles],
  ] as unknown as readonly Table<unknown>[];

  /** Takes one row in. Returns the key it consumed for ever, if it is one to remember. */
  apply(row: Row<Entry>, receiptId: string): ConsumedKey | null {
    if (row.seq > 1) this.tree.push(Buffer.from(row.prev, 'hex'));
    switch (row.type) {
      case 'boot/1':
        this.meta.set('epoch', row.epoch);
        return null;
      case 'plan/1':
        this.#plan(row);
        return null;
      case 'intent/1':
        this.#intent(row);
        return null;
      case 'receipt/1':
        return this.#receipt(row, receiptId);
      case 'scrub/1':
        this.meta.set('scrubbed_ms', Date.parse(row.at));
        return null;
      case 'mode/1':
        this.modes.set(row.operator_uid, { mode: row.to, site_mode: row.site_mode });
        return null;
      case 'stop/1':
        if (row.state === 'off') this.stops.delete('site');
        else this.stops.set('site', { who: row.who, reason: row.reason, release: row.release, at: row.at });
        return null;
      case 'override/1':
        closeYielded(this, row);
        return null;
      case 'hold/1':
        this.liveHolds.set(row.hold, row.reason);
        return null;
      case 'inherited/1':
        inheritedRow(this, row);
        return null;
      case 'inherited_doubt/1':
        this.inherited.set(row.doubt.action_id, row.doubt);
        return null;
      case 'inherited_lease/1':
        inheritedLeaseRow(this, row);
        return null;
      case 'inherited_settled/1':
        inheritedSettledRow(this, row);
        return null;
      case 'acknowledge/1':
        for (const hold of row.holds) this.liveHolds.delete(hold);
        return null;
      case 'policy/1':
        policyRow(this, row);
        return null;
      case 'approval/1':
      case 'alert/1':
      case 'page/1':
      case 'delivered/1':
      case 'breaker/1':
      case 'correction/1':
        this.#people(row);
        return null;
      case 'incarnation/1':
      case 'checkpoint/1':
      case 'cosignature/1':
        logRow(this, row);
        return null;
      case 'redaction/1':
      case 'clock/1':
      case 'run/1':
        return null;
    }
  }

  #tile(index: string, hash: string): void {
    if (this.tiles.rows.get(index) !== hash) this.tiles.set(index, hash);
  }

  /** What people are told of, and what they answer. */
  #people(row: Row): void {
    switch (row.type) {
      case 'approval/1':
        return approvalRow(this, row);
      case 'alert/1':
        return alertRow(this, row, idAt('al', row.seq));
      case 'page/1':
        return pageRow(this, row);
      case 'delivered/1':
        return deliveredRow(this, row);
      case 'breaker/1':
        return breakerRow(this, row);
      case 'correction/1':
        return correctionRow(this, row);
      default:
    }
  }

  #plan(row: Row<PlanEntry>): void {
    if (row.state) this.states.set(row.origin.operator_uid, row.state);
    fallenPlan(this, row);
    for (const entry of row.actions) {
      if (entry.status === 'refused') continue;
      const { action, status } = entry;
      this.open.set(action.action_id, openAction(row, action, status, null));
      if (action.occurrence.startsWith('ep=')) this.#mint(action, row);
    }
  }

  #mint(action: Action, row: Row<PlanEntry>): void {
    const n = Number(action.occurrence.slice(3));
    const current = this.episodes.rows.get(action.intent_key);
    const episode =
      current?.n === n ? current : { n, ...openedAt(row), minted: 0, minted_fingerprint: '', consumed: null };
    this.episodes.set(action.intent_key, {
      ...episode,
      minted: action.revision,
      minted_fingerprint: action.fingerprint,
    });
  }

  #intent(row: Row<IntentEntry>): void {
    const open = this.open.rows.get(row.action_id);
    if (!open) throw new Error(`intent ${row.seq} names ${row.action_id}, which is not open`);
    this.open.set(row.action_id, { ...open, status: stepped(open.status, 'intent'), intent: row });
  }

  #receipt(row: Row<ReceiptEntry>, receiptId: string): ConsumedKey | null {
    const open = this.open.rows.get(row.action_id);
    this.open.delete(row.action_id);
    this.approvals.delete(row.action_id);
    if (!open) return null;
    const { action } = open;
    leaseReceipt(this, open, row, receiptId);
    failureRow(this, open, row, receiptId);
    fallenReceipt(this, open, row, receiptId);
    unknownRow(this, action, row, receiptId);
    if (changes(row)) this.#changed(action, row);
    if (!consumes(row)) return null;
    if (!action.occurrence.startsWith('ep=')) {
      this.freed.delete(action.idempotency_key);
      const short_fingerprint = shortFingerprint(action.fingerprint);
      return { key: action.idempotency_key, short_fingerprint, receipt_id: receiptId };
    }
    const episode = this.episodes.rows.get(action.intent_key);
    if (episode && action.occurrence === `ep=${episode.n}`) {
      const { revision, fingerprint, device } = action;
      const consumed = { revision, fingerprint, receipt_id: receiptId, device, effective: row.effective };
      this.episodes.set(action.intent_key, { ...episode, consumed });
    }
    return null;
  }

  #changed(action: Action, row: Row<ReceiptEntry>): void {
    // What was written, which a rule may have clamped.
    for (const { point, value } of row.target) {
      const key = `${action.device}/${point}`;
      const before = row.baseline.find((b: PointState) => b.point === point)?.value;
      const change: Change = {
        wall_ms: Date.parse(row.at),
        mono_ms: row.clock.mono_ms,
        epoch: row.epoch,
        delta: typeof value === 'number' && typeof before === 'number' ? value - before : null,
      };
      this.changes.set(key, [change, ...(this.changes.rows.get(key) ?? [])].slice(0, LIMITS.changesKept));
    }
  }
}
