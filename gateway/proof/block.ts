/**
 * A part of a bundle in memory that two threads share, and what is to be known of each of its lines by itself: that it is a row with the
 * hash that it states, canonical, and what a verifier reads of it; or that it opens a commitment, and which. Everything else is left for
 * the verifier to look at, and is not touched.
 */
import { hash } from 'node:crypto';
import { CanonicalNotes, CanonicalScan, endOfText, says, UNSURE } from '../journal/canonical-scan.ts';
import { COMMIT, COMMITTED_AS, SALT_BYTES } from './commitment-form.ts';
import { READ, readsCommon } from './shape.ts';

/** Where the row begins in its line: behind `["`, 64 digits and `",`. */
export const ROW_AT = 68;
const DIGEST_CHARS = 64;
const SALT_CHARS = SALT_BYTES * 2;
const OPEN = '["open","';
/** Between the field and the salt, and between the salt and the value. */
const [BETWEEN, BEHIND] = ['","', '",'];
const [COMMA, CLOSE] = [0x2c, 0x5d];
export const NEWLINE = 0x0a;

/** Numbers to note things in: enough for a block of rows as they mostly are. Of one with more lines the rest is looked at later. */
const NOTES = 256 * 1_024;
/** What is noted of a line: where the next one is noted, what it is, and its place; behind that what it says. */
const [NEXT, KIND, FROM, TO, SAID] = [0, 1, 2, 3, 4];
const LINE_NOTES = SAID + 2 + DIGEST_CHARS / 4;
const [OTHER, ROW, OPENING] = [0, 1, 2];

/** At the head: who has it, up to where it was looked at, where it ends, where the notes end. */
const [STATE, REST, END, NOTED, HEAD] = [0, 1, 2, 3, 4];
const [FILLED, TAKEN, LOOKED] = [1, 2, 3];

/** A line, how long it is, and what is known of it. */
export type Line = { readonly length: number } & (
  | { readonly kind: 'row'; readonly leaf: string; readonly row: unknown }
  | { readonly kind: 'opening'; readonly field: string; readonly commitment: string }
  | { readonly kind: 'other'; readonly bytes: Buffer }
);

const HEX = '0123456789abcdef';
const DIGITS = Int8Array.from({ length: 256 }, (_, c) => HEX.indexOf(String.fromCharCode(c)));

const scan = new CanonicalScan(READ, COMMITTED_AS);
const said = new CanonicalNotes(READ);

export class Block {
  readonly shared: SharedArrayBuffer;
  readonly bytes: Buffer;
  readonly #head: Int32Array;
  readonly #notes: Int32Array;
  readonly #noteBytes: Buffer;
  readonly #salted = Buffer.from(COMMIT.padEnd(COMMIT.length + SALT_BYTES));
  /** Where the next line is noted. */
  #at = 0;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    const from = (HEAD + NOTES) * 4;
    this.#head = new Int32Array(shared, 0, HEAD);
    this.#notes = new Int32Array(shared, HEAD * 4, NOTES);
    this.#noteBytes = Buffer.from(shared, HEAD * 4, NOTES * 4);
    this.bytes = Buffer.from(shared, from);
  }

  static ofBytes(bytes: number): Block {
    return new Block(new SharedArrayBuffer((HEAD + NOTES) * 4 + bytes));
  }

  /** It holds whole lines up to `end`. */
  filled(end: number): void {
    this.#head[REST] = 0;
    this.#head[END] = end;
    this.#at = 0;
    Atomics.store(this.#head, STATE, FILLED);
  }

  /** Looks at its lines, unless somebody else does or did. False: so it is. */
  look(): boolean {
    if (Atomics.compareExchange(this.#head, STATE, FILLED, TAKEN) !== FILLED) return false;
    let state = FILLED;
    try {
      this.#look();
      state = LOOKED;
    } finally {
      Atomics.store(this.#head, STATE, state);
      Atomics.notify(this.#head, STATE);
    }
    return true;
  }

  get looked(): boolean {
    return Atomics.load(this.#head, STATE) === LOOKED;
  }

  /** Waits while somebody looks at it. */
  wait(): void {
    Atomics.wait(this.#head, STATE, TAKEN);
  }

  /** Its next line, after it was looked at; null: there is none. */
  next(): Line | null {
    const head = this.#head;
    if (this.#at === head[NOTED]) {
      if (head[REST] === head[END]) return null;
      this.#look();
      this.#at = 0;
    }
    if (this.#at === 0) said.begin(this.bytes, this.#notes);
    const line = this.#line(this.#at);
    this.#at = this.#notes[this.#at + NEXT] as number;
    return line;
  }

  #line(at: number): Line {
    const [notes, bytes] = [this.#notes, this.bytes];
    const from = notes[at + FROM] as number;
    const to = notes[at + TO] as number;
    const length = to - from;
    switch (notes[at + KIND]) {
      case ROW: {
        const row = said.object(at + SAID);
        // Of the other kinds more is read than was noted.
        if (!readsCommon(row['type'])) break;
        return { length, kind: 'row', leaf: said.text(from + 2, from + 2 + DIGEST_CHARS), row };
      }
      case OPENING: {
        const place = notes[at + SAID] as number;
        const field = said.text(place, place + (notes[at + SAID + 1] as number));
        const digest = (at + SAID + 2) * 4;
        const commitment = this.#noteBytes.toString('latin1', digest, digest + DIGEST_CHARS);
        return { length, kind: 'opening', field, commitment };
      }
      default:
    }
    return { length, kind: 'other', bytes: bytes.subarray(from, to) };
  }

  #look(): void {
    const end = this.#head[END] as number;
    let from = this.#head[REST] as number;
    let at = 0;
    scan.forget();
    while (from < end && at + LINE_NOTES <= NOTES) {
      const to = this.bytes.indexOf(NEWLINE, from);
      at = this.#lookAt(from, to, at);
      from = to + 1;
    }
    this.#head[REST] = from;
    this.#head[NOTED] = at;
  }

  /** Notes what is known of a line; where that ends. */
  #lookAt(from: number, to: number, at: number): number {
    const notes = this.#notes;
    notes[at + FROM] = from;
    notes[at + TO] = to;
    let next = this.#row(from, to, at + SAID);
    notes[at + KIND] = next === UNSURE ? OTHER : ROW;
    if (next === UNSURE) {
      next = at + LINE_NOTES;
      if (this.#opening(from, to, at + SAID)) notes[at + KIND] = OPENING;
    }
    notes[at + NEXT] = next;
    return next;
  }

  #row(from: number, to: number, at: number): number {
    const { bytes } = this;
    const comma = from + ROW_AT - 1;
    if (to - from <= ROW_AT || !says(bytes, from, '["') || !says(bytes, comma - 1, BEHIND) || bytes[to - 1] !== CLOSE)
      return UNSURE;
    // The leaf is over a zero byte and the row: the comma before the row gives its place to it.
    bytes[comma] = 0;
    const leaf = hash('sha256', bytes.subarray(comma, to - 1), 'hex');
    bytes[comma] = COMMA;
    if (!says(bytes, from + 2, leaf)) return UNSURE;
    const end = scan.scan(bytes, comma + 1, to - 1, this.#notes, at);
    // The next row names it.
    scan.placeOf(bytes, from + 2, comma - 1);
    return end;
  }

  /** Whether it opens a commitment. It is changed by that. */
  #opening(from: number, to: number, at: number): boolean {
    const { bytes } = this;
    if (!says(bytes, from, OPEN)) return false;
    const end = endOfText(bytes, from + OPEN.length) - 1;
    const salt = end + BETWEEN.length;
    const value = salt + SALT_CHARS + BEHIND.length;
    if (end < 0 || !says(bytes, end, BETWEEN) || !says(bytes, value - BEHIND.length, BEHIND)) return false;
    if (!this.#takeSalt(salt) || bytes[to - 1] !== CLOSE || !scan.isElement(bytes, value, to - 1)) return false;
    // What is hashed goes to where the value is: that may be long.
    const salted = value - this.#salted.length;
    bytes.set(this.#salted, salted);
    this.#noteBytes.write(hash('sha256', bytes.subarray(salted, to - 1), 'hex'), (at + 2) * 4, 'latin1');
    this.#notes[at] = scan.placeOf(bytes, from + OPEN.length, end);
    this.#notes[at + 1] = end - from - OPEN.length;
    return true;
  }

  /** Whether a salt is at `from`. */
  #takeSalt(from: number): boolean {
    for (let i = 0; i < SALT_BYTES; i++) {
      const high = DIGITS[this.bytes[from + 2 * i] as number] as number;
      const low = DIGITS[this.bytes[from + 2 * i + 1] as number] as number;
      if (high < 0 || low < 0) return false;
      this.#salted[COMMIT.length + i] = high * 16 + low;
    }
    return true;
  }
}
