/**
 * Signed notes (C2SP signed-note), the checkpoints of a log in them (C2SP tlog-checkpoint), and the cosignatures of witnesses
 * (C2SP tlog-cosignature). The formats are written out in docs/RECEIPTS.md.
 */
import { hash } from 'node:crypto';
import { keyFault, type Signer, verifies } from './ed25519.ts';

/** What a key signs: the text of a note as its log, or a timestamped cosignature. */
export const LOG_KEY = 1;
export const WITNESS_KEY = 4;

/** A public key with the name under which it signs: `<name>+<id>+<base64>` as text. */
export interface NoteKey {
  readonly name: string;
  /** Eight hex digits. */
  readonly id: string;
  readonly type: typeof LOG_KEY | typeof WITNESS_KEY;
  readonly publicKey: Buffer;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the key's id. */
  readonly bytes: Buffer;
}

/** A checkpoint: the first `size` rows of the log `origin` have the tree hash `root`. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** What is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** More than this no note of ours has; a verifier must not be kept busy. */
const MOST_SIGNATURES = 16;
const LONGEST_NOTE = 16 * 1024;
/** The end of the year 9999: the last moment that has an ISO 8601 date of four digits. */
const LAST_SECOND = 253_402_300_799n;
const NAME = /^[^\p{White_Space}+\p{Cc}]{1,255}$/u;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes of canonical base64 (RFC 4648 §4, with padding, unused bits zero), or null. */
export function fromBase64(text: string): Buffer | null {
  if (!BASE64.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

const keyId = (name: string, type: number, publicKey: Buffer): string =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), publicKey]), 'hex').slice(0, 8);

export function noteKey(name: string, type: NoteKey['type'], publicKey: Buffer): NoteKey {
  return { name, id: keyId(name, type, publicKey), type, publicKey };
}

export const keyText = ({ name, id, type, publicKey }: NoteKey): string =>
  `${name}+${id}+${Buffer.concat([Buffer.of(type), publicKey]).toString('base64')}`;

/** The key that `text` spells, or why it spells none. */
export function parseKey(text: string): NoteKey | string {
  const match = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/.exec(text);
  const [, name = '', id, encoded = ''] = match ?? [];
  const bytes = fromBase64(encoded);
  if (!match || !NAME.test(name) || bytes === null) return 'not a key of the form <name>+<id>+<base64>';
  const [type, publicKey] = [bytes[0], bytes.subarray(1)];
  if (type !== LOG_KEY && type !== WITNESS_KEY) return 'a key that is neither of a log (1) nor of a witness (4)';
  const fault = keyFault(publicKey);
  if (fault !== null) return fault;
  return id === keyId(name, type, publicKey) ? noteKey(name, type, publicKey) : 'the id does not belong to the key';
}

function parseSignature(line: string): NoteSignature | null {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ');
  const bytes = fromBase64(encoded);
  if (dash !== '—' || rest.length > 0 || !NAME.test(name) || bytes === null || bytes.length < 5) return null;
  return { name, id: bytes.subarray(0, 4).toString('hex'), bytes: bytes.subarray(4) };
}

/** The signature lines of a note, each ended by a newline; null when one of them is none, or there are too many. */
export function parseSignatures(text: string): readonly NoteSignature[] | null {
  if (!text.endsWith('\n') || text.length > LONGEST_NOTE) return null;
  const signatures = text.slice(0, -1).split('\n').map(parseSignature);
  return signatures.length <= MOST_SIGNATURES && signatures.every((one) => one !== null) ? signatures : null;
}

/** The checkpoint in `note`, or why there is none. `too_much`: it has more signatures or text than is looked at. */
export function parseCheckpoint(note: string): Checkpoint | 'malformed' | 'too_much' {
  if (note.length > LONGEST_NOTE || note.split('\n', MOST_SIGNATURES + 6).length > MOST_SIGNATURES + 5)
    return 'too_much';
  const parts = /^((.+)\n(0|[1-9]\d{0,14})\n(.+)\n)\n([^]+)$/u.exec(note);
  if (!parts) return 'malformed';
  const [, text = '', origin = '', size, encoded = '', lines = ''] = parts;
  const root = fromBase64(encoded);
  const signatures = parseSignatures(lines);
  if (!NAME.test(origin) || root?.length !== 32 || !signatures?.some(({ name }) => name === origin)) return 'malformed';
  return { origin, size: Number(size), root, text, signatures };
}

export const checkpointText = (origin: string, size: number, root: Buffer): string =>
  `${origin}\n${size}\n${root.toString('base64')}\n`;

/** Signs a text as the log of that name: the whole note. */
export function signNote(text: string, key: NoteKey, signer: Signer): string {
  return `${text}\n${signatureLine(key, signer.sign(Buffer.from(text)))}`;
}

const signatureLine = ({ name, id }: NoteKey, bytes: Buffer): string =>
  `— ${name} ${Buffer.concat([Buffer.from(id, 'hex'), bytes]).toString('base64')}\n`;

/** What came of looking for a signature of `key`. A cosignature says when it was given, in Unix seconds. */
export type Signed = { readonly kind: 'good'; readonly at_s: number | null } | { readonly kind: 'bad' | 'none' };

/** Whether `key` has signed the checkpoint. `bad`: it says so and it is not true. */
export function signedBy(checkpoint: Checkpoint, key: NoteKey): Signed {
  const signature = checkpoint.signatures.find(({ name, id }) => name === key.name && id === key.id);
  if (!signature) return { kind: 'none' };
  const { bytes } = signature;
  if (key.type === LOG_KEY)
    return verifies(key.publicKey, Buffer.from(checkpoint.text), bytes)
      ? { kind: 'good', at_s: null }
      : { kind: 'bad' };
  if (bytes.length !== 72) return { kind: 'bad' };
  const at = bytes.readBigUInt64BE(0);
  const message = Buffer.from(`cosignature/v1\ntime ${at}\n${checkpoint.text}`);
  const good = at <= LAST_SECOND && verifies(key.publicKey, message, bytes.subarray(8));
  return good ? { kind: 'good', at_s: Number(at) } : { kind: 'bad' };
}
