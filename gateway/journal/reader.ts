/** Reads a journal through a connection of its own: what is committed, never what is only on its way. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError, type Outcome, type Receipt } from '@fibric/sdk';
import Database from 'better-sqlite3';
import { type AlertReader, alertReader } from './alert-reader.ts';
import { idAt, type PlanEntry, type ReceiptEntry, receiptOf, type RedactionEntry, seqOf } from './entries.ts';
import type { Approved } from './approvals.ts';
import type { Fallen } from './fallen.ts';
import type { ActivePolicy } from './policies.ts';
import type { OpenPlace } from './projection.ts';
import { JOURNAL_FILE } from './schema.ts';
import { type Story, storyTeller } from './story.ts';
import type { JournalReader, ListQuery, PlanStatus, PlanView } from './types.ts';
import { openingsOf, type ReadRow, rowReader } from '../proof/openings.ts';
import { verifyRows } from '../proof/verifier.ts';

interface Stored {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

function statusOf(actions: PlanView['actions']): PlanStatus {
  const outcomes = actions.map(({ outcome }) => outcome);
  if (actions.some(({ awaits }) => awaits)) return 'proposed';
  if (outcomes.includes('basis_changed')) return 'basis_changed';
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === 'expired')) return 'expired';
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === 'vetoed')) return 'vetoed';
  return 'executed';
}

class SqliteReader implements JournalReader {
  readonly alerts: AlertReader;
  readonly #db: Database.Database;
  readonly #before: Database.Statement;
  readonly #after: Database.Statement;
  readonly #at: Database.Statement;
  readonly #dispositions: Database.Statement;
  readonly #read: ReadRow;
  readonly #toReceipt = (stored: Stored): Receipt =>
    receiptOf(this.#read<ReceiptEntry>(stored), stored.hash.toString('hex'));
  readonly #state: Database.Statement;
  readonly #stateAt: Database.Statement;
  readonly #story: (receiptId: string) => Story | null;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#before = db.prepare('SELECT seq, hash, body FROM entries WHERE kind = ? AND seq < ? ORDER BY seq DESC');
    this.#after = db.prepare(
      "SELECT seq, hash, body FROM entries WHERE kind = 'receipt/1' AND seq > ? ORDER BY seq LIMIT ?",
    );
    this.#at = db.prepare('SELECT seq, hash, body FROM entries WHERE kind = ? AND seq = ?');
    this.alerts = alertReader(db);
    this.#read = rowReader(db);
    this.#story = storyTeller(db);
    this.#state = db.prepare('SELECT row FROM state WHERE tab = ?').pluck();
    this.#stateAt = db.prepare('SELECT row FROM state WHERE tab = ? AND key = ?').pluck();
    this.#dispositions = db.prepare('SELECT ordinal, receipt_seq, outcome FROM dispositions WHERE plan_seq = ?');
  }

  receipts(query: ListQuery): readonly Receipt[] {
    return this.#newest('receipt/1', query, this.#toReceipt);
  }

  receiptsAfter(after: number, limit: number): readonly Receipt[] {
    return (this.#after.all(after, limit) as Stored[]).map(this.#toReceipt);
  }

  receipt(receiptId: string): Receipt | null {
    const seq = seqOf('rc', receiptId);
    const stored = seq === null ? undefined : (this.#at.get('receipt/1', seq) as Stored | undefined);
    return stored ? this.#toReceipt(stored) : null;
  }

  story(receiptId: string): Story | null {
    return this.#story(receiptId);
  }

  plans(query: ListQuery): readonly PlanView[] {
    if (query.waiting) return this.#waiting(query);
    return this.#newest('plan/1', query, (stored) => this.#toPlan(stored));
  }

  plan(planId: string): PlanView | null {
    const seq = seqOf('pl', planId);
    const stored = seq === null ? undefined : (this.#at.get('plan/1', seq) as Stored | undefined);
    return stored ? this.#toPlan(stored) : null;
  }

  policies(): readonly ActivePolicy[] {
    const rows = this.#db.prepare("SELECT row FROM state WHERE tab = 'policy' ORDER BY key").pluck().all() as string[];
    return rows.map((row) => JSON.parse(row) as ActivePolicy);
  }

  textsOf(receiptId: string, field: string): RedactionEntry['erased'] | null {
    const plan = seqOf('pl', this.receipt(receiptId)?.plan_id ?? '');
    if (plan === null) return null;
    const receipts = (this.#dispositions.all(plan) as { receipt_seq: number }[]).map((one) => one.receipt_seq);
    const openings = openingsOf(this.#db);
    return [plan, ...receipts]
      .filter((seq) => openings(seq).some((opening) => opening.field === field))
      .map((seq) => ({ seq, field }));
  }

  verify() {
    const openings = openingsOf(this.#db);
    const all = this.#db.prepare('SELECT seq, hash, body FROM entries ORDER BY seq');
    return verifyRows(all.iterate() as IterableIterator<Stored>, openings);
  }

  head(): number {
    return (this.#db.prepare('SELECT max(seq) FROM entries').pluck().get() as number | null) ?? 0;
  }

  close(): void {
    this.#db.close();
  }

  #newest<T extends { readonly operator: string }>(
    kind: string,
    query: ListQuery,
    view: (stored: Stored) => T,
  ): readonly T[] {
    const found: T[] = [];
    for (const stored of this.#before.iterate(
      kind,
      query.before ?? Number.MAX_SAFE_INTEGER,
    ) as IterableIterator<Stored>) {
      if (found.length >= query.limit) break;
      const item = view(stored);
      if (!query.operator || item.operator === query.operator) found.push(item);
    }
    return found;
  }

  /** Those are few, and may be old: found from the actions that are open. */
  #waiting({ limit, operator, before = Number.MAX_SAFE_INTEGER }: ListQuery): readonly PlanView[] {
    const open = (this.#state.all('open') as string[]).map((row) => JSON.parse(row) as OpenPlace);
    const awaiting = open.flatMap(({ status, plan_seq }) => (status === 'awaiting' ? [plan_seq] : []));
    const fallen = (this.#state.all('fallen') as string[]).map((row) => JSON.parse(row) as Fallen);
    const anew = fallen.flatMap((one) => (one.plan_id === null ? (seqOf('pl', one.action.plan_id) ?? []) : []));
    return [...new Set([...awaiting, ...anew])]
      .filter((seq) => seq < before)
      .toSorted((a, b) => b - a)
      .flatMap((seq) => this.plan(idAt('pl', seq)) ?? [])
      .filter((plan) => operator === undefined || plan.operator === operator)
      .slice(0, limit);
  }

  #place(actionId: string): OpenPlace | null {
    const row = this.#stateAt.get('open', actionId) as string | undefined;
    return row === undefined ? null : (JSON.parse(row) as OpenPlace);
  }

  #anew(actionId: string): PlanView['actions'][number]['anew'] {
    const row = this.#stateAt.get('fallen', actionId) as string | undefined;
    if (row === undefined) return null;
    const { basis_hash, action, plan_id } = JSON.parse(row) as Fallen;
    return { basis_hash, expires_ms: action.deadline_ms, plan_id };
  }

  #approvers(actionId: string, approval: Receipt['approval'] | undefined): readonly string[] {
    if (approval !== undefined) return approval?.approvers ?? [];
    const row = this.#stateAt.get('approval', actionId) as string | undefined;
    return row === undefined ? [] : (JSON.parse(row) as readonly Approved[]).map(({ who }) => who);
  }

  #toPlan(stored: Stored): PlanView {
    const row = this.#read<PlanEntry>(stored);
    const done = this.#dispositions.all(row.seq) as { ordinal: number; receipt_seq: number; outcome: Outcome }[];
    const byOrdinal = new Map(done.map((d) => [d.ordinal, d]));
    const actions = row.actions.map((planned) => {
      const { action } = planned;
      const end = byOrdinal.get(action.ordinal);
      const waiting = planned.status === 'awaiting' ? planned.waiting : null;
      const approval = waiting && end ? this.receipt(idAt('rc', end.receipt_seq))?.approval : undefined;
      return {
        action_id: action.action_id,
        capability: action.capability,
        args: action.args,
        entity_key: action.entity_key,
        idempotency_key: 'idempotency_key' in action ? action.idempotency_key : null,
        outcome: end?.outcome ?? null,
        receipt_id: end ? idAt('rc', end.receipt_seq) : null,
        awaits: waiting !== null && !end && this.#place(action.action_id)?.status === 'awaiting',
        waiting,
        approvers: waiting === null ? [] : this.#approvers(action.action_id, approval),
        changed: approval?.basis_changes ?? [],
        anew: end?.outcome === 'basis_changed' ? this.#anew(action.action_id) : null,
      };
    });
    const { origin } = row;
    return {
      plan_id: row.plan_id,
      object: 'execution_plan',
      plan_hash: row.plan_hash,
      seq: row.seq,
      operator: origin.operator,
      run_id: origin.run_id,
      event_id: origin.event_id,
      correlation_id: origin.correlation_id,
      proposed_by: origin.proposed_by,
      mode: origin.mode,
      status: statusOf(actions),
      reasoning: row.reasoning,
      actions,
      at: row.at,
    };
  }
}

/** Opens the journal of a data folder for reading only. Throws `not_found` when there is none. */
export function openJournalReader(dataDir: string): JournalReader & { close(): void } {
  const file = join(dataDir, JOURNAL_FILE);
  if (!existsSync(file)) throw new FibricError('not_found', `no journal in ${dataDir}`);
  return new SqliteReader(new Database(file, { readonly: true, fileMustExist: true }));
}
