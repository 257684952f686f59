/**
 * Everything that the journal holds about one receipt, from what woke the run to what came after: the material of `fibric why`.
 * Read from the rows themselves, and the receipt's own place in the chain is proved on the way.
 */
import type { Envelope, Receipt } from '@fibric/sdk';
import type Database from 'better-sqlite3';
import {
  type Entry,
  GENESIS,
  type IntentEntry,
  type PlanEntry,
  type ReceiptEntry,
  receiptOf,
  type Row,
  seqOf,
} from './entries.ts';
import { parseCheckpoint } from '../proof/note.ts';
import { rowReader } from '../proof/openings.ts';
import { type Activation, activationKey } from './policies.ts';
import type { LogState } from './receipt-log.ts';
import { chainFault } from './store.ts';

/** A row of the action's story as it stands in the journal. */
export interface StoryRow<E extends Entry = Entry> {
  readonly row: Row<E>;
  readonly hash: string;
}

export interface Story {
  readonly object: 'why';
  readonly receipt: Receipt;
  /** The envelope that woke the run, as it was recorded with the plan; null: it was erased. */
  readonly trigger: Envelope | null;
  readonly plan: {
    readonly plan_id: string;
    readonly plan_hash: string;
    readonly seq: number;
    readonly hash: string;
    readonly at: string;
    readonly reasoner: PlanEntry['reasoner'];
    /** Which action of how many, counted from 1. */
    readonly action: number;
    readonly actions: number;
  };
  /** The row with which the policy that decided came into force last; null where none decided. */
  readonly policy: Activation | null;
  /** One per attempt, oldest first, with the row's own place. */
  readonly intents: readonly (IntentEntry & { readonly seq: number; readonly hash: string; readonly at: string })[];
  /** Other rows about this action: what a settlement saw, and what refers to the receipt since. In order, as they stand. */
  readonly others: readonly (Row & { readonly hash: string })[];
  /** The receipt's place in the chain; `fault` is null when it follows from the row before. */
  readonly chain: { readonly seq: number; readonly prev: string; readonly hash: string; readonly fault: string | null };
  /** Up to which row the newest checkpoint was signed, and the newest that a witness cosigned; 0: none was. */
  readonly checkpoint: { readonly signed: number; readonly cosigned: number };
}

interface Stored {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

/** Rows behind a receipt that are searched for what refers to it: days of them, and still a moment. */
const ROWS_BEHIND = 50_000;

/** Prepared once; each story reads the rows from its plan on. */
export function storyTeller(db: Database.Database): (receiptId: string) => Story | null {
  const at = db.prepare<[number], Stored>('SELECT seq, hash, body FROM entries WHERE seq = ?');
  const about = db.prepare<[number, number, string, string], Stored>(
    `SELECT seq, hash, body FROM entries WHERE seq > ? AND seq <= ? AND kind <> 'plan/1'
       AND (instr(body, ?) > 0 OR instr(body, ?) > 0) ORDER BY seq`,
  );
  const activation = db.prepare<[string], string>("SELECT row FROM state WHERE tab = 'activation' AND key = ?").pluck();
  const activated = ({ operator, policy: { hash } }: ReceiptEntry): Activation | null => {
    const row = hash === null ? undefined : activation.get(activationKey(operator, hash));
    return row === undefined ? null : (JSON.parse(row) as Activation);
  };
  const log = db.prepare<[], string>("SELECT row FROM state WHERE tab = 'log'").pluck();
  const checkpoint = (): Story['checkpoint'] => {
    const { signed = null, cosigned = null } = JSON.parse(log.get() ?? '{}') as Partial<LogState>;
    return { signed: sizeOf(signed), cosigned: sizeOf(cosigned) };
  };
  const read = rowReader(db);
  const parsed = <E extends Entry>(stored: Stored): StoryRow<E> => ({
    row: read<E>(stored),
    hash: stored.hash.toString('hex'),
  });
  return (receiptId) => {
    const seq = seqOf('rc', receiptId);
    const stored = seq === null ? undefined : at.get(seq);
    if (!stored || parsed(stored).row.type !== 'receipt/1') return null;
    const own = parsed<ReceiptEntry>(stored);
    const plan = at.get(seqOf('pl', own.row.plan_id) ?? 0);
    if (!plan) return null;
    const { action_id } = own.row;
    const quoted = [action_id, receiptId].map((id) => JSON.stringify(id)) as [string, string];
    const rows = about.all(plan.seq, stored.seq + ROWS_BEHIND, ...quoted).map((row) => parsed(row));
    const fault = faultOf(stored, at.get(stored.seq - 1));
    const told = tell(own, parsed<PlanEntry>(plan), rows, fault);
    return { ...told, policy: activated(own.row), checkpoint: checkpoint() };
  };
}

function sizeOf(note: string | null): number {
  const checkpoint = note === null ? null : parseCheckpoint(note);
  return checkpoint === null || typeof checkpoint === 'string' ? 0 : checkpoint.size;
}

function faultOf(stored: Stored, before: Stored | undefined): string | null {
  return chainFault(
    stored,
    before ? { seq: before.seq, hash: before.hash.toString('hex') } : { seq: 0, hash: GENESIS },
  );
}

function tell(
  own: StoryRow<ReceiptEntry>,
  plan: StoryRow<PlanEntry>,
  rows: readonly StoryRow[],
  fault: string | null,
): Omit<Story, 'policy' | 'checkpoint'> {
  const { row, hash } = own;
  const { plan_id, plan_hash, reasoner, actions } = plan.row;
  const others = rows.filter((other) => other.row.seq !== row.seq && other.row.type !== 'intent/1');
  return {
    object: 'why',
    receipt: receiptOf(row, hash),
    trigger: plan.row.trigger,
    plan: {
      plan_id,
      plan_hash,
      seq: plan.row.seq,
      hash: plan.hash,
      at: plan.row.at,
      reasoner,
      action: actions.findIndex(({ action }) => action.action_id === row.action_id) + 1,
      actions: actions.length,
    },
    intents: rows.flatMap((other) => (other.row.type === 'intent/1' ? [{ ...other.row, hash: other.hash }] : [])),
    others: others.map((other) => ({ ...other.row, hash: other.hash })),
    chain: { seq: row.seq, prev: row.prev, hash, fault },
  };
}
