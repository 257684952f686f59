/** Bundles of a real journal with all that a verifier looks into, the keys that signed them, and trust files of several minds. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Action, idAt } from '@fibric/gateway/journal/entries';
import type { Journal } from '@fibric/gateway/journal/journal';
import { exportBundle } from '@fibric/gateway/proof/export';
import { logOf } from '@fibric/gateway/proof/folder';
import { CompactRange } from '@fibric/gateway/proof/tree';
import type { Outcome } from '@fibric/sdk';
import { actionOf, appendApplied, intentOf, planOf, receiptOf } from '../support/rows.ts';
import { signedJournal } from '../support/signed-journal.ts';

/** A line without its newline. */
export type Lines = readonly Buffer[];

const sha256 = (...parts: readonly (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** An Ed25519 key that is the same in every run. */
const keyOf = (seed: number): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  });

/** A public key as it is written. */
export function keyText(name: string, type: 1 | 4, point: Buffer): string {
  const typed = Buffer.concat([Buffer.from([type]), point]);
  return `${name}+${sha256(name, '\n', typed).toString('hex', 0, 4)}+${typed.toString('base64')}`;
}

/** A key of docs/RECEIPTS.md §5; type 1 is a log's, 4 a witness's. */
export class Signer {
  readonly name: string;
  readonly id: Buffer;
  readonly text: string;
  readonly #key: KeyObject;

  constructor(name: string, type: 1 | 4, key: KeyObject) {
    const point = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
    this.#key = key;
    this.name = name;
    this.text = keyText(name, type, point);
    this.id = Buffer.from(this.text.split('+')[1] ?? '', 'hex');
  }

  /** The line of a note that this key signs. */
  line(message: string, before = Buffer.alloc(0)): string {
    const signature = sign(null, Buffer.from(message), this.#key);
    return `— ${this.name} ${Buffer.concat([this.id, before, signature]).toString('base64')}\n`;
  }

  /** The line with which a witness says that it saw this at `seconds` (Unix time). */
  cosignature(body: string, seconds: bigint): string {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(seconds);
    return this.line(`cosignature/v1\ntime ${seconds}\n${body}`, time);
  }
}

export interface Keys {
  readonly log: Signer;
  readonly witnesses: readonly [Signer, Signer];
}

export interface Bundle {
  readonly name: string;
  readonly bytes: Buffer;
  readonly lines: Lines;
  readonly keys: Keys;
}

export const linesOf = (bytes: Buffer): Lines =>
  bytes
    .toString('latin1')
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => Buffer.from(line, 'latin1'));

export const textOf = (lines: Lines): Buffer => Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));

/** The three lines that are signed. */
export const bodyOf = (note: string): string => note.slice(0, note.indexOf('\n\n') + 1);

export const TRUSTS = {
  'the log alone': ({ log }) => `log ${log.text}\nquorum none\n`,
  'one witness of two': ({ log, witnesses: [one, two] }) =>
    `log ${log.text}\nwitness a ${one.text}\nwitness b ${two.text}\ngroup w any a b\nquorum w\n`,
  'both witnesses': ({ log, witnesses: [one, two] }) =>
    `log ${log.text}\nwitness a ${one.text}\nwitness b ${two.text}\ngroup w all a b\nquorum w\n`,
} satisfies Record<string, (keys: Keys) => string>;

const ENDS: readonly (readonly [Outcome, string])[] = [
  ['blocked', 'no_policy'],
  ['failed', 'device_altered'],
  ['failed', 'device_refused'],
  ['unknown', 'timeout'],
];

/** A person found out what became of it: that it was not applied, so that its key is used once more, or that it was. */
function corrected(journal: Journal, receipt_id: string, action: Action, round: number): void {
  const { action_id, idempotency_key, intent_key, occurrence, revision } = action;
  const conclusion = round === 1 ? 'confirmed_not_applied' : 'confirmed_applied';
  const person = { who: 'duty-engineer', method: 'local_token', reason: 'looked at it' } as const;
  journal.append({ type: 'correction/1', receipt_id, action_id, idempotency_key, conclusion, ...person });
  if (round === 1) appendApplied(journal, { intent_key, occurrence, revision });
}

/** An action that waits for two persons, who say yes. */
function approved(journal: Journal, round: number): void {
  const plan_id = idAt('pl', journal.nextSeq);
  const action = actionOf(plan_id, 0, { intent_key: 'z', occurrence: `ep=${round}` });
  const nothing = { breakers: [], policy_hash: null, rules: [], basis: [], basis_hash: 'b' };
  const waiting = { approvers: 2, expires_ms: 2_000_000_000_000, ...nothing };
  journal.append({ ...planOf(plan_id, []), actions: [{ status: 'awaiting', action, waiting }] });
  for (const who of ['duty-engineer', 'house-manager']) {
    const actions = [{ action_id: action.action_id, basis_hash: 'b' }];
    const said = { plan_id, plan_hash: 'h', actions, policy_hash: null, who, roles: null, reason: null };
    journal.append({ type: 'approval/1', decision: 'approve', effect: 'counts', method: 'site_token', ...said });
  }
  journal.append(intentOf(action, journal.epoch));
  journal.append(receiptOf(action, 'applied', journal.epoch));
}

/** Plans whose actions end in each way: with an effect, without an intent, in doubt, or not yet. */
function work(journal: Journal, round: number): void {
  for (const occurrence of ['once', `ep=${round}`, `ep=${round}`])
    appendApplied(journal, { intent_key: `x:${occurrence}`, occurrence, revision: journal.nextSeq });
  approved(journal, round);
  for (const [outcome, reason_code] of ENDS) {
    const plan_id = idAt('pl', journal.nextSeq);
    const action = actionOf(plan_id, 0, { intent_key: `y:${journal.nextSeq}`, occurrence: `ep=${round}` });
    journal.append(planOf(plan_id, [action, actionOf(plan_id, 1)]));
    if (outcome !== 'blocked') journal.append(intentOf(action, journal.epoch));
    const receipt_id = idAt('rc', journal.nextSeq);
    journal.append({ ...receiptOf(action, outcome, journal.epoch), reason_code });
    if (outcome === 'unknown') corrected(journal, receipt_id, action, round);
  }
}

/** All rows of a journal that has been through everything, some of them, and those of one receipt. */
export async function realBundles(folder: string): Promise<readonly Bundle[]> {
  const dir = join(folder, 'journal');
  const key = keyOf(1);
  mkdirSync(dir);
  writeFileSync(join(dir, 'receipt-key'), key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const witnesses = [
    new Signer('witness.example/one', 4, keyOf(2)),
    new Signer('witness.example/two', 4, keyOf(3)),
  ] as const;
  for (const round of [1, 2]) {
    const { journal, checkpoints, close } = await signedJournal(dir);
    work(journal, round);
    checkpoints.sign();
    const note = checkpoints.state.signed;
    if (note === null) throw new Error('nothing was signed');
    // One witness in the first round, both in the second.
    const lines = witnesses.slice(0, round).map((witness) => witness.cosignature(bodyOf(note), 1_782_000_000n));
    journal.append({ type: 'cosignature/1', note: note + lines.join('') });
    const erased = [{ seq: 4, field: 'reasoning' }];
    if (round === 1) journal.append({ type: 'redaction/1', who: 'data-officer', reason: 'asked for', erased });
    else appendApplied(journal, { intent_key: 'last', occurrence: 'once' });
    await journal.durable();
    close();
  }
  const keys = { log: new Signer(logOf(dir).origin, 1, key), witnesses };
  const selections = {
    all: { from: undefined, to: undefined },
    some: { from: 5, to: 17 },
    one: { receipt: idAt('rc', 9) },
  };
  return Object.entries(selections).map(([name, selection]) => {
    const file = join(folder, name);
    exportBundle(dir, selection, file);
    const bytes = readFileSync(file);
    return { name, bytes, lines: linesOf(bytes), keys };
  });
}

/** A row as the line of a bundle; `body` as it stands. */
export const rowLine = (body: Buffer | string): Buffer => {
  const leaf = sha256(Buffer.from([0]), body).toString('hex');
  return Buffer.concat([Buffer.from(`["${leaf}",`), Buffer.from(body), Buffer.from(']')]);
};

/** The text of a row line; null for another line. */
export const rowText = (line: Buffer): string | null =>
  /^\["[0-9a-f]{64}",.*\]$/s.test(line.toString()) ? line.subarray(68, -1).toString() : null;

/** Canonical JSON, also of what the gateway would refuse to write. */
export function jcs(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, one]) => `${JSON.stringify(name)}:${jcs(one)}`).join(',')}}`;
}

/**
 * Numbers and chains the rows anew, as somebody would who owns the box; with `keys` also signs its checkpoints and cosignatures again,
 * as somebody would who has the keys.
 */
export function relinked(lines: Lines, keys: Keys | null): Lines {
  const tree = new CompactRange();
  let prev = '0'.repeat(64);
  const roots = new Map<number, string>();
  return lines.map((line) => {
    const text = rowText(line);
    if (text === null) return line.toString().startsWith('["end",') ? Buffer.from(`["end",${tree.size}]`) : line;
    let row = JSON.parse(text) as Record<string, unknown>;
    row = { ...row, seq: tree.size + 1, prev };
    if (keys !== null && typeof row['note'] === 'string') {
      const size = row['type'] === 'checkpoint/1' ? tree.size : Number(row['note'].split('\n')[1]);
      if (row['type'] === 'checkpoint/1') roots.set(size, tree.root().toString('base64'));
      row['note'] = signedNote(row['note'], size, roots.get(size), keys);
    }
    const made = rowLine(jcs(row));
    prev = made.subarray(2, 66).toString();
    tree.push(Buffer.from(prev, 'hex'));
    return made;
  });
}

function signedNote(note: string, size: number, root: string | undefined, { log, witnesses }: Keys): string {
  if (root === undefined) return note;
  const body = `${log.name}\n${size}\n${root}\n`;
  const cosigned = witnesses.filter(({ name }) => note.includes(`— ${name} `));
  return `${body}\n${log.line(body)}${cosigned.map((witness) => witness.cosignature(body, 1_782_000_001n)).join('')}`;
}
