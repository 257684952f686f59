/**
 * Guarded canonical JSON (RFC 8785). A value that JSON cannot say is refused and not dropped, rounded or rewritten, so that what is
 * hashed is what was meant (G-R-3). Rows are written by a writer of our own: a library took a quarter of the time of a row.
 */
import { hash } from 'node:crypto';
import { LIMITS } from '@fibric/sdk';
import canonicalize from 'canonicalize';
import { MAX_DEPTH } from './canonical-scan.ts';

function faultOfNumber(value: number): string | null {
  if (!Number.isFinite(value)) return ': a number must be finite';
  if (Object.is(value, -0)) return ': minus zero';
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? ': an integer beyond 2^53' : null;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The path and the reason of the first value that JSON cannot say; null when there is none. */
function faultOf(value: unknown, depth: number): string | null {
  switch (typeof value) {
    case 'boolean':
      return null;
    case 'number':
      return faultOfNumber(value);
    case 'string':
      return value.isWellFormed() ? null : ': a lone surrogate';
    case 'object':
      return value === null ? null : faultWithin(value, depth + 1);
    default:
      return `: a ${typeof value}`;
  }
}

function faultWithin(value: object, depth: number): string | null {
  if (depth > MAX_DEPTH) return `: deeper than ${MAX_DEPTH} levels`;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = faultOf(value[i], depth);
      if (fault !== null) return `/${i}${fault}`;
    }
    return null;
  }
  if (!isPlain(value)) return ': not a plain object';
  for (const name of Object.keys(value)) {
    if (!name.isWellFormed()) return ': a lone surrogate in a name';
    const fault = faultOf((value as Record<string, unknown>)[name], depth);
    if (fault !== null) return `/${name}${fault}`;
  }
  return null;
}

/** The names of an object's members, the order in which they are written, and how each of them is. */
interface Shape {
  readonly names: readonly string[];
  readonly members: readonly { readonly name: string; readonly said: string }[];
}

/**
 * Shapes of as many members that are remembered: rows of one kind name theirs alike, and sorting them is most of the work. None that
 * are longer than any of ours: what is verified may come from anybody.
 */
const SHAPES_KEPT = 16;
const MEMBERS_KEPT = 64;
const NAMES_KEPT_CHARS = 2_000;
const shapes: Shape[][] = [];

function alike(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** In order of UTF-16 code units (RFC 8785 §3.2.3). */
function membersOf(names: readonly string[]): Shape['members'] {
  if (names.length > MEMBERS_KEPT) return sortedMembers(names);
  const known = (shapes[names.length] ??= []);
  for (const shape of known) if (alike(shape.names, names)) return shape.members;
  const members = sortedMembers(names);
  const chars = names.reduce((sum, { length }) => sum + length, 0);
  if (known.length < SHAPES_KEPT && chars <= NAMES_KEPT_CHARS) known.push({ names, members });
  return members;
}

const sortedMembers = (names: readonly string[]): Shape['members'] =>
  names.toSorted().map((name) => ({ name, said: `${quoted(name)}:` }));

/** Text that stands in JSON as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw UNSAYABLE;
  return JSON.stringify(text);
}

/** Thrown where a value cannot be said; which one it is and why, `faultOf` tells. */
const UNSAYABLE = new TypeError('not canonical JSON');

/** The canonical text of a value, looked at as it is written: each look of its own would cost as much. */
function written(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'number':
      if (faultOfNumber(value) !== null) throw UNSAYABLE;
      return String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : writtenWithin(value, depth + 1);
    default:
      throw UNSAYABLE;
  }
}

function writtenWithin(value: object, depth: number): string {
  if (depth > MAX_DEPTH) throw UNSAYABLE;
  let text = '';
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) text += (i === 0 ? '' : ',') + written(value[i], depth);
    return `[${text}]`;
  }
  if (!isPlain(value)) throw UNSAYABLE;
  for (const { name, said } of membersOf(Object.keys(value))) {
    text += (text === '' ? said : `,${said}`) + written((value as Record<string, unknown>)[name], depth);
  }
  return `{${text}}`;
}

function trying(value: unknown): string | null {
  try {
    return written(value, 0);
  } catch (error) {
    if (error === UNSAYABLE) return null;
    throw error;
  }
}

/** The canonical text of `value`. Throws a `TypeError` naming the path of anything that JSON cannot say exactly. */
export function canonicalText(value: unknown): string {
  const text = trying(value);
  if (text === null) {
    const fault = faultOf(value, 0) ?? '';
    throw new TypeError(`not canonical JSON at ${fault.startsWith(':') ? '/' : ''}${fault}`);
  }
  if (text.length > LIMITS.rowBytes)
    throw new TypeError(`not canonical JSON: ${text.length} characters, at most ${LIMITS.rowBytes}`);
  return text;
}

export type Parsed = { readonly value: unknown } | { readonly fault: 'not_json' | 'not_canonical' | 'too_deep' };

/** Reads a text that must be canonical JSON, as `canonicalText` writes it. `too_deep` comes before everything else that is wrong. */
export function parseCanonical(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: isTooDeep(text) ? 'too_deep' : 'not_json' };
  }
  const said = trying(value);
  if (said === null) return { fault: isTooDeep(text) ? 'too_deep' : 'not_canonical' };
  return said === text ? { value } : { fault: 'not_canonical' };
}

/** The canonical text of a value that came out of JSON, however long. */
export const canonicalOf = (value: unknown): string => canonicalize(value) as string;

/** Whether more arrays and objects are open at once than may be, in a text that need not be JSON. Brackets in strings do not count. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const one = text[at];
    if (one === '"') at = endOfString(text, at + 1);
    else if (one === '[' || one === '{') depth += 1;
    else if (one === ']' || one === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function endOfString(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** SHA-256 of `prefix` and the canonical text of `value`, in hex. */
export function digest(prefix: string, value: unknown): string {
  return hash('sha256', prefix + canonicalText(value), 'hex');
}

/** A Merkle leaf over stored bytes: SHA-256(0x00 ‖ bytes), RFC 9162 §2.1.1, in hex. */
export function leafHash(bytes: string): string {
  return hash('sha256', `\0${bytes}`, 'hex');
}
