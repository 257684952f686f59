/**
 * The judge: reads the rows of the journal and what the devices say happened to them, and knows nothing of the code that wrote either.
 *
 * K1 Nothing came from the gateway without an intent of that device and value before it.
 * K2 A pulse fires once for its key; a keyed call takes effect once.
 * K3 Every action of every plan has exactly one receipt.
 * K4 What a receipt concludes is what the device's own history says.
 * K5 From its intent to its receipt an action is alone on its entity and on every register behind it.
 * K6 One key, one effect: never two different values, nothing after it was consumed, no deduplication against nothing.
 * K7 Nothing is sent after its deadline.
 * K8 The chain holds, and the stored state is what follows from the rows.
 * K9 What somebody moved since is not put back inside the same episode.
 * K10 Order and failure within a plan hold, also across restarts.
 * K11 What somebody was told of is still there.
 * K13 A release does not write over what somebody else has set since.
 * K14 What waits for persons is begun only after as many of them said yes, and not after one said no.
 * K15 An action goes the ways of the table of its life, and no others.
 * K16 What the rules of an action look at is not moved from its intent to its receipt, nor is it begun while that moves.
 * K17 What was lent is taken back.
 * K12 A second attempt finds the device as the first one found it: what somebody else did in between is not overwritten.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LIMITS, type PointValue, type Receipt } from '@fibric/sdk';
import type { Action, Entry, IntentEntry, ReceiptEntry, Row } from '@fibric/gateway/journal/entries';
import { mayEnd, type Step, stepFrom } from '@fibric/gateway/journal/lifecycle';
import { inShort, readChain } from './chain.ts';
import type { Effect, Field, Sent } from './field.ts';
import { leftBehind, moved, overwritten } from './others.ts';
import { registerOf, TIMEOUT_MS } from './site.ts';
import { consumed, lanesOf, looking, same, type Tale, TOLERANCE, tookEffect, valueOf } from './tale.ts';

export interface Story {
  readonly field: Field;
  readonly told: readonly Pick<Receipt, 'receipt_id' | 'hash' | 'outcome'>[];
  /** What the gateway knew when a plan was handed in; a place in the journal can be used again after a crash: the last one counts. */
  readonly submissions: {
    readonly first_seq: number;
    readonly seen: ReadonlyMap<string, PointValue>;
  }[];
  /** When each process began. */
  readonly boots: readonly number[];
  /** The state that was acknowledged last, by operator. */
  readonly states: Map<string, number>;
}

export interface Findings {
  readonly violations: readonly string[];
  readonly actions: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly ways: readonly string[];
  readonly head: string;
  /** The journal in short, a line a row. */
  readonly log: readonly string[];
}

/** From the send to the last look that verifies it, with a standstill in between that is too short to be noticed. */
const READ_BACK_MS = 2 * TIMEOUT_MS + LIMITS.sendPauseMs + 500;
const FAILING: ReadonlySet<string> = new Set(['failed', 'unknown', 'superseded_externally', 'skipped']);
/** Operators whose policy says `on_failure: continue`. */
const CONTINUES: ReadonlySet<string> = new Set(['careful']);

class Judge {
  readonly violations: string[] = [];
  readonly tales = new Map<string, Tale>();
  readonly outcomes: Record<string, number> = {};
  /** Every step and end of an action that was seen. */
  readonly ways = new Set<string>();
  actions = 0;
  head = '';
  readonly #story: Story;
  #rows: readonly Row<Entry>[] = [];

  constructor(story: Story) {
    this.#story = story;
  }

  say(what: string): void {
    this.violations.push(what);
  }

  get log(): readonly string[] {
    return this.#rows.map(inShort);
  }

  read(db: Database.Database): void {
    const { rows, head } = readChain(db, (what) => this.say(what));
    this.#rows = rows;
    this.head = head;
  }

  /** In the order of the rows: who holds which lane, and what may come next. */
  walk(): void {
    const held = new Map<string, string>();
    for (const row of this.#rows) {
      if (row.type === 'plan/1') this.#plan(row);
      else if (row.type === 'approval/1') this.#approval(row);
      else if (row.type === 'intent/1') this.#intent(row, held);
      else if (row.type === 'receipt/1') this.#receipt(row, held);
    }
    for (const { action, receipts } of this.tales.values())
      if (receipts.length !== 1) this.say(`K3 ${action.action_id} has ${receipts.length} receipts`);
  }

  #plan(row: Extract<Row<Entry>, { type: 'plan/1' }>): void {
    for (const planned of row.actions) {
      const { status, action } = planned;
      this.actions++;
      const needed = planned.status === 'awaiting' ? planned.waiting.approvers : 0;
      const asked = { needed, yeses: new Set<string>(), vetoed: false };
      const known = {
        ...asked,
        planSeq: row.seq,
        operator: row.origin.operator,
        intents: [],
        receipts: [],
        sent: [],
        standing: status,
      };
      this.tales.set(action.action_id, { action: action as Action, ...known });
      if (status !== 'refused') this.#episode(row.seq, action);
    }
  }

  /** K9 The occasion was minted for a world in which the device had been moved: it is a new one. */
  #episode(planSeq: number, action: Action): void {
    const seen = this.#story.submissions.findLast((submission) => submission.first_seq === planSeq)?.seen;
    const last = this.#rows.findLast(
      (row): row is Row<ReceiptEntry> =>
        row.type === 'receipt/1' &&
        row.seq < planSeq &&
        consumed(row) &&
        (row.idempotency_key ?? '').startsWith(`${action.intent_key}@ep=`),
    );
    if (!seen || !last || !action.occurrence.startsWith('ep=')) return;
    const moved = last.effective.find(({ point, value }) => {
      const now = seen.get(`${action.device}/${point}`);
      return now !== undefined && now !== null && !same(now, value, 1e-6);
    });
    if (moved && last.idempotency_key?.includes(`@${action.occurrence}#`))
      this.say(`K9 ${action.action_id} goes on with ${action.occurrence} although ${moved.point} had been moved`);
  }

  #approval({ decision, effect, actions, who }: Extract<Row<Entry>, { type: 'approval/1' }>): void {
    if (effect === 'late') return;
    for (const { action_id } of actions) {
      const tale = this.tales.get(action_id);
      if (!tale) continue;
      if (decision === 'veto') tale.vetoed = true;
      else this.#step(tale, tale.yeses.add(who).size >= tale.needed ? 'last_approval' : 'approval');
    }
  }

  #intent(row: Row<IntentEntry>, held: Map<string, string>): void {
    const tale = this.tales.get(row.action_id);
    if (!tale) return this.say(`K1 intent ${row.seq} for no action`);
    if (tale.vetoed || tale.yeses.size < tale.needed)
      this.say(
        `K14 ${row.action_id} was begun with ${tale.yeses.size} of ${tale.needed} yeses${tale.vetoed ? ' and a no' : ''}`,
      );
    tale.intents.push(row);
    this.#step(tale, 'intent');
    if (tale.action.releases === undefined && Date.parse(row.at) > tale.action.deadline_ms + LIMITS.sendPauseMs)
      this.say(`K7 ${row.action_id} was begun after its deadline`);
    for (const lane of lanesOf(tale.action)) {
      const holder = held.get(lane);
      if (holder !== undefined && holder !== row.action_id)
        this.say(`K5 ${row.action_id} entered ${lane}, which ${holder} held`);
      held.set(lane, row.action_id);
    }
    for (const other of looking(tale, held))
      this.say(`K16 ${row.action_id} began while ${other} was under way, which it is decided with`);
    if (tale.intents.length > 1) return;
    for (const ordinal of tale.action.after) {
      const earlier = this.tales.get(`${row.action_id.slice(0, row.action_id.lastIndexOf('_'))}_${ordinal}`);
      const end = earlier?.receipts[0];
      if (!end) this.say(`K10 ${row.action_id} began before ${ordinal} of its plan had ended`);
      else if (FAILING.has(end.outcome) && !CONTINUES.has(tale.operator))
        this.say(`K10 ${row.action_id} began although ${ordinal} of its plan had ended as ${end.outcome}`);
    }
  }

  /** K15 */
  #step(tale: Tale, step: Step): void {
    const to = stepFrom(tale.standing, step);
    if (to === null) this.say(`K15 ${tale.action.action_id} is ${tale.standing}, and then comes: ${step}`);
    this.ways.add(`${tale.standing} ${step}`);
    tale.standing = to ?? tale.standing;
  }

  #receipt(row: Row<ReceiptEntry>, held: Map<string, string>): void {
    this.outcomes[row.outcome] = (this.outcomes[row.outcome] ?? 0) + 1;
    const tale = this.tales.get(row.action_id);
    if (!tale) return this.say(`K3 receipt ${row.seq} for no action`);
    if (!mayEnd(tale.standing, row.outcome))
      this.say(`K15 ${row.action_id} is ${tale.standing} and ended as ${row.outcome}`);
    this.ways.add(`${tale.standing} ends ${row.outcome}`);
    tale.receipts.push(row);
    for (const [lane, holder] of held) if (holder === row.action_id) held.delete(lane);
  }

  /** What was sent, told apart by the intent that was on disk at that moment. */
  attribute(): void {
    for (const sent of this.#story.field.sent) {
      const tale = this.tales.get(sent.intent?.action_id ?? '');
      const intent = tale?.intents.find(({ attempt }) => attempt === sent.intent?.attempt);
      if (!tale || !intent) {
        this.say(`K1 ${sent.key} was sent without an intent that is still there`);
        continue;
      }
      tale.sent.push(sent);
      const meant =
        intent.device === sent.device &&
        sent.writes.every(({ point, value }) => valueOf(intent.target, point) === value);
      if (!meant) this.say(`K1 ${sent.key} was sent with other values than intent ${intent.seq} says`);
      if (tale.action.releases !== undefined) this.#handed(tale, sent);
      else if (sent.wall_ms > tale.action.deadline_ms) this.say(`K7 ${sent.key} was sent after its deadline`);
    }
  }

  /**
   * K13 A value that is what we had sent, or had lent before a release of it came to nothing, is ours, whoever turned the knob there; and what comes between a write and its read-back is taken
   * for the device's own doing: nobody could tell.
   */
  #handed({ action }: Tale, release: Sent): void {
    const { field } = this.#story;
    for (const { register } of release.effects) {
      const earlier = field.sent.slice(0, field.sent.indexOf(release));
      const ours = earlier.findLast(({ device, writes }) =>
        writes.some(({ point }) => registerOf(device, point) === register),
      );
      const lent = earlier.findLast(
        ({ device, writes, intent }) =>
          this.tales.get(intent?.action_id ?? '')?.action.releases === undefined &&
          writes.some(({ point }) => registerOf(device, point) === register),
      );
      const meant = (sent: Sent | undefined): PointValue =>
        sent?.writes.find(({ point }) => registerOf(sent.device, point) === register)?.value ?? null;
      const there = field.history.findLast(
        (effect) => effect.register === register && effect.at < release.at - TIMEOUT_MS - LIMITS.sendPauseMs,
      );
      if (
        !ours ||
        !there ||
        there.by === 'gateway' ||
        there.at < ours.at + READ_BACK_MS ||
        same(there.value, meant(ours), TOLERANCE) ||
        same(there.value, meant(lent), TOLERANCE)
      )
        continue;
      this.say(
        `K13 ${action.action_id} takes ${register} back from ${String(there.value)}, which a ${there.by} had set`,
      );
    }
  }

  conclusions(): void {
    for (const what of leftBehind(this.tales, this.#story.field.history, this.#rows)) this.say(`K17 ${what}`);
    for (const tale of this.tales.values()) {
      const [receipt] = tale.receipts;
      for (const what of overwritten(tale)) this.say(`K12 ${what}`);
      if (receipt) this.#conclusion(tale, receipt);
    }
  }

  /** K4 */
  #conclusion(tale: Tale, receipt: Row<ReceiptEntry>): void {
    const { action, intents, sent } = tale;
    const effects = sent.flatMap((one) => one.effects);
    const wrong = (why: string): void =>
      this.say(
        `K4 ${action.action_id} (${action.idempotency_key}, ${intents.length} attempts) is said to be ${receipt.outcome}: ${String(receipt.reason_code)}, but ${why}`,
      );
    if (intents.length === 0 && sent.length > 0) return wrong('it was sent');
    switch (receipt.outcome) {
      case 'applied':
        if (effects.length === 0 && !this.#wasThere(action, sent)) wrong('nothing of it reached the device');
        return;
      case 'applied_unverified':
        if (sent.length === 0) wrong('nothing was sent');
        if (action.device === 'gate-A' && effects.length === 0 && !String(receipt.reason).includes('could not be read'))
          wrong('its counter shows that it did not come');
        return;
      case 'unknown':
        return;
      case 'superseded_externally':
        if (!moved(tale, this.#story.field.history)) wrong('nobody else had moved it');
        return;
      case 'failed':
        if (receipt.reason_code === 'device_altered') return;
        break;
      default:
        break;
    }
    // Everything else says: it did not take effect.
    const lasting = effects.find((effect) => tookEffect(effect, action) && !this.#overruled(effect, receipt, action));
    if (lasting) wrong(`${lasting.register} became ${String(lasting.value)} at ${lasting.at / 1_000} s`);
  }

  /** The value was there when it was sent or at some time after, whoever put it there. */
  #wasThere(action: Action, sent: readonly Sent[]): boolean {
    const since = sent[0]?.at ?? 0;
    return action.target.every(({ point, value }) => {
      const register = registerOf(action.device, point);
      const changes = this.#story.field.history.filter((effect) => effect.register === register);
      const last = changes.findLast(({ at }) => at <= since);
      return changes.some((effect) => (effect === last || effect.at > since) && same(effect.value, value, TOLERANCE));
    });
  }

  /** What we did there was undone by somebody else, or was a part of what was meant that the device took alone. */
  #overruled(effect: Effect, receipt: Row<ReceiptEntry>, action: Action): boolean {
    if (action.target.length > 1 && effect.sent && effect.sent.effects.length < action.target.length) return true;
    const endOfBoot =
      this.#story.boots[Number(receipt.clock.boot_id.slice('boot-'.length))] ?? Number.POSITIVE_INFINITY;
    return this.#story.field.history.some(
      (other) =>
        other.register === effect.register && other.by !== 'gateway' && other.at >= effect.at && other.at <= endOfBoot,
    );
  }

  /** K2, K6 */
  keys(): void {
    const byKey = Map.groupBy(this.#story.field.sent, (sent) => sent.key);
    const receipts = Map.groupBy([...this.tales.values()], ({ action }) => action.idempotency_key);
    for (const [key, sent] of byKey) {
      const effects = sent.flatMap((one) => one.effects);
      const pulses = effects.filter(({ register }) => register.endsWith('/counter') || register.endsWith('/text'));
      if (pulses.length > 1) this.say(`K2 ${key} fired ${pulses.length} times`);
      const meant = new Set(sent.filter((one) => one.effects.length > 0).map(({ writes }) => JSON.stringify(writes)));
      if (meant.size > 1) this.say(`K6 ${key} had ${meant.size} different effects: ${[...meant].join(' and ')}`);
      this.#consumedOnce(key, receipts.get(key) ?? []);
    }
    for (const {
      action,
      receipts: [receipt],
    } of this.tales.values()) {
      if (receipt?.outcome !== 'deduped') continue;
      const first = [...this.tales.values()].find(
        ({ receipts: [r] }) => r && `rc_${r.seq.toString(36).padStart(8, '0')}` === receipt.refers_to[0],
      );
      const holds =
        first &&
        first.action.idempotency_key === action.idempotency_key &&
        first.receipts[0] &&
        consumed(first.receipts[0]);
      if (!holds) this.say(`K6 ${action.action_id} is deduplicated against nothing`);
    }
  }

  /** What a person found not to have happened has spent no key. */
  #consumedOnce(key: string, tales: readonly Tale[]): void {
    const freed = this.#rows.flatMap((row) =>
      row.type === 'correction/1' && row.conclusion === 'confirmed_not_applied' ? [row.action_id] : [],
    );
    const spent = tales.flatMap(({ action, receipts: [receipt] }) =>
      receipt && consumed(receipt) && !freed.includes(action.action_id) ? [receipt.seq] : [],
    );
    if (spent.length > 1) this.say(`K6 ${key} was consumed ${spent.length} times`);
    const later = tales
      .flatMap(({ intents }) => intents)
      .find(({ seq }) => seq > (spent[0] ?? Number.POSITIVE_INFINITY));
    if (later) this.say(`K6 ${key} was tried again by row ${later.seq} after row ${spent[0]} had consumed it`);
  }

  /** K11 */
  promises(db: Database.Database): void {
    const states = db.prepare<[], { key: string; row: string }>("SELECT key, row FROM state WHERE tab = 'state'").all();
    for (const [operator, n] of this.#story.states) {
      const stored = states.find(({ key }) => key === operator);
      if (((JSON.parse(stored?.row ?? '{}') as { n?: number }).n ?? 0) < n)
        this.say(`K11 the state of ${operator} went back behind ${n}`);
    }
    const find = db.prepare<[number], Buffer>('SELECT hash FROM entries WHERE seq = ?').pluck();
    for (const { receipt_id, hash, outcome } of this.#story.told) {
      const stored = find.get(Number.parseInt(receipt_id.slice(3), 36));
      if (stored?.toString('hex') !== hash) this.say(`K11 ${receipt_id} (${outcome}) was told and is gone`);
    }
  }
}

/** Judges the journal in `dir` against what the world says. */
export function check(dir: string, story: Story): Findings {
  const db = new Database(join(dir, 'journal.db'), { readonly: true });
  try {
    const judge = new Judge(story);
    judge.read(db);
    judge.walk();
    judge.attribute();
    judge.conclusions();
    judge.keys();
    judge.promises(db);
    const { violations, actions, outcomes, head, log } = judge;
    return { violations, actions, outcomes, ways: [...judge.ways], head, log };
  } finally {
    db.close();
  }
}
