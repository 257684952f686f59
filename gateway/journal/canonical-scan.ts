/**
 * Reads canonical JSON in its bytes, in one pass that makes nothing: that it is canonical, and where the members are that somebody looks
 * at. It knows the plain texts that nearly all rows are and does not guess: of any other it says that it does not know, and
 * `parseCanonical` is there to be asked.
 */
/** Arrays and objects that may be open at once. */
export const MAX_DEPTH = 32;
/** In place of a position: it does not know. */
export const UNSURE = -1;
/** So many digits are written by ECMAScript as they were read, whichever they are. */
const SURE_DIGITS = 15;
/** With more zeros than these behind the point it writes an exponent. */
const SURE_DECIMALS = 6;

const code = (char: string): number => char.charCodeAt(0);
const QUOTE = code('"');
const MINUS = code('-');
const POINT = code('.');
const ZERO = code('0');
const OPEN_OBJECT = code('{');
const CLOSE_OBJECT = code('}');
const OPEN_ARRAY = code('[');
const CLOSE_ARRAY = code(']');

/** What stands in a string as it is, in one byte. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, c) =>
  c >= 0x20 && c < 0x7f && c !== QUOTE && c !== code('\\') ? 1 : 0,
);

/**
 * Texts that are remembered, and how long they may be. Most come again at once – a hash in the next row, an id in the next but one – and
 * are noted where they were before: whoever reads them has them already.
 */
const TEXTS = 256;
const TEXT_CHARS = 64;

/** What is noted of a value, in three numbers each: a text, a number or a word by its place; an object or array by how much it holds. */
const TEXT = 0;
const WORD = 1;
const OBJECT = 2;
const ARRAY = 3;
/** A name that is not one of those given, but ends as they may. */
const BY_ENDING = -1;

type Bytes = Uint8Array;

export class CanonicalScan {
  readonly #names: readonly string[];
  readonly #ending: string;
  /** Names by length and first character. */
  readonly #buckets: readonly number[][] = Array.from({ length: 1_024 }, () => []);
  #bytes: Bytes = Buffer.alloc(0);
  #notes: Int32Array = new Int32Array();
  #at = 0;
  /** Where texts are that were noted last, by a few of their characters. */
  readonly #recent = new Int32Array(2 * TEXTS);

  /** Looks at the members of these names and at those whose name has this ending, in objects that are looked at themselves. */
  constructor(names: readonly string[], ending: string) {
    this.#names = names;
    this.#ending = ending;
    for (const [i, name] of names.entries()) this.#buckets[bucketOf(name.length, name.charCodeAt(0))]?.push(i);
  }

  /** Notes what the object from `from` to `to` holds; where the notes end that begin at `at`, or `UNSURE`. */
  scan(bytes: Bytes, from: number, to: number, notes: Int32Array, at: number): number {
    if (bytes[from] !== OPEN_OBJECT) return UNSURE;
    this.#bytes = bytes;
    this.#notes = notes;
    this.#at = at;
    return this.#value(from, 0, true) === to && this.#at <= notes.length ? this.#at : UNSURE;
  }

  /** Whether from `from` to `to` is one canonical value, in an array that is the outermost. */
  isElement(bytes: Bytes, from: number, to: number): boolean {
    this.#bytes = bytes;
    return this.#value(from, 1, false) === to;
  }

  /** Forgets where texts were: others stand there now. */
  forget(): void {
    this.#recent.fill(-1);
  }

  /** Where the plain text from `from` to `to` was before, or `from`. */
  placeOf(bytes: Bytes, from: number, to: number): number {
    const length = to - from;
    if (length === 0 || length > TEXT_CHARS) return from;
    const some = (bytes[from] as number) * 5 + (bytes[(from + to) >> 1] as number) * 3 + (bytes[to - 1] as number) * 7;
    const at = 2 * ((some + length) % TEXTS);
    const before = this.#recent[at] as number;
    if (this.#recent[at + 1] === before + length && same(bytes, before, from, length)) return before;
    this.#recent[at] = from;
    this.#recent[at + 1] = to;
    return from;
  }

  #note(kind: number, from: number, to: number): void {
    const at = this.#at;
    const notes = this.#notes;
    notes[at] = kind;
    notes[at + 1] = from;
    notes[at + 2] = to;
    this.#at = at + 3;
  }

  #noteText(bytes: Bytes, from: number, to: number): void {
    const place = this.placeOf(bytes, from, to);
    this.#note(TEXT, place, place + to - from);
  }

  /** Where the value ends that begins at `from`. */
  #value(from: number, depth: number, looked: boolean): number {
    const bytes = this.#bytes;
    let to: number;
    switch (bytes[from]) {
      case QUOTE:
        to = endOfText(bytes, from + 1);
        if (looked && to !== UNSURE) this.#noteText(bytes, from + 1, to - 1);
        return to;
      case OPEN_OBJECT:
        return depth === MAX_DEPTH ? UNSURE : this.#object(from + 1, depth + 1, looked);
      case OPEN_ARRAY:
        return depth === MAX_DEPTH ? UNSURE : this.#array(from + 1, depth + 1, looked);
      case code('n'):
        to = says(bytes, from, 'null') ? from + 4 : UNSURE;
        break;
      case code('t'):
        to = says(bytes, from, 'true') ? from + 4 : UNSURE;
        break;
      case code('f'):
        to = says(bytes, from, 'false') ? from + 5 : UNSURE;
        break;
      default:
        to = endOfNumber(bytes, from);
    }
    if (looked) this.#note(WORD, from, to);
    return to;
  }

  #object(from: number, depth: number, looked: boolean): number {
    const bytes = this.#bytes;
    const place = this.#at;
    if (looked) this.#note(OBJECT, 0, 0);
    if (bytes[from] === CLOSE_OBJECT) return from + 1;
    let count = 0;
    for (let at = from, before = 0; ; at += 1) {
      const name = at + 1;
      const end = bytes[at] === QUOTE ? endOfText(bytes, name) - 1 : UNSURE;
      if (end < 0 || bytes[end + 1] !== code(':') || (before !== 0 && !ascends(bytes, before, name))) return UNSURE;
      before = name;
      const noted = looked && this.#name(name, end);
      if (noted) count += 1;
      at = this.#value(end + 2, depth, noted);
      if (bytes[at] === code(',')) continue;
      if (bytes[at] !== CLOSE_OBJECT) return UNSURE;
      if (looked) this.#notes[place + 1] = count;
      return at + 1;
    }
  }

  #array(from: number, depth: number, looked: boolean): number {
    const bytes = this.#bytes;
    const place = this.#at;
    if (looked) this.#note(ARRAY, 0, 0);
    if (bytes[from] === CLOSE_ARRAY) return from + 1;
    for (let at = from, count = 1; ; at += 1, count += 1) {
      at = this.#value(at, depth, looked);
      if (bytes[at] === code(',')) continue;
      if (bytes[at] !== CLOSE_ARRAY) return UNSURE;
      if (looked) this.#notes[place + 1] = count;
      return at + 1;
    }
  }

  /** Notes a name that is looked at. */
  #name(from: number, to: number): boolean {
    const bytes = this.#bytes;
    const bucket = this.#buckets[bucketOf(to - from, bytes[from] as number)] as number[];
    for (let i = 0; i < bucket.length; i++) {
      const name = this.#names[bucket[i] as number] as string;
      if (name.length === to - from && says(bytes, from, name)) {
        this.#note(bucket[i] as number, from, to);
        return true;
      }
    }
    const ending = to - this.#ending.length;
    if (ending < from || !says(bytes, ending, this.#ending)) return false;
    const place = this.placeOf(bytes, from, to);
    this.#note(BY_ENDING, place, place + to - from);
    return true;
  }
}

/** Reads what was noted. */
export class CanonicalNotes {
  readonly #names: readonly string[];
  #bytes: Buffer = Buffer.alloc(0);
  #notes: Int32Array = new Int32Array();
  #at = 0;
  /** Texts that were read last, by their place. */
  readonly #texts: string[] = Array.from({ length: TEXTS }, () => '');
  readonly #places = new Int32Array(TEXTS);

  /** `names`: as they were noted by. */
  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** From here on it reads what was noted there, of these bytes. */
  begin(bytes: Buffer, notes: Int32Array): void {
    this.#bytes = bytes;
    this.#notes = notes;
    this.#places.fill(-1);
  }

  /** The object that was noted at `at`, with the members that are looked at and nothing else. */
  object(at: number): Readonly<Record<string, unknown>> {
    this.#at = at;
    return this.#value() as Record<string, unknown>;
  }

  /** The plain text from `from` to `to`; none else begins where it does. */
  text(from: number, to: number): string {
    const at = from % TEXTS;
    if (this.#places[at] === from) return this.#texts[at] as string;
    this.#places[at] = from;
    return (this.#texts[at] = this.#bytes.toString('latin1', from, to));
  }

  #value(): unknown {
    const notes = this.#notes;
    const at = this.#at;
    const [from, to] = [notes[at + 1] as number, notes[at + 2] as number];
    this.#at = at + 3;
    switch (notes[at]) {
      case TEXT:
        return this.text(from, to);
      case WORD:
        return wordOf(this.#bytes, from, to);
      case OBJECT:
        return this.#members(from);
      default: {
        const items: unknown[] = [];
        for (let i = 0; i < from; i++) items.push(this.#value());
        return items;
      }
    }
  }

  #members(count: number): Record<string, unknown> {
    const notes = this.#notes;
    const into: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const at = this.#at;
      const given = this.#names[notes[at] as number];
      const name = given ?? this.text(notes[at + 1] as number, notes[at + 2] as number);
      this.#at = at + 3;
      into[name] = this.#value();
    }
    return into;
  }
}

const bucketOf = (length: number, first: number): number => ((length & 31) << 5) | (first & 31);

export function says(bytes: Bytes, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

function same(bytes: Bytes, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Behind the quote that ends the text that begins at `from`. */
export function endOfText(bytes: Bytes, from: number): number {
  let at = from;
  while (PLAIN[bytes[at] as number] === 1) at++;
  return bytes[at] === QUOTE ? at + 1 : UNSURE;
}

/** Whether the name at `b` comes after the one at `a`; what is plain is in order of its bytes. */
function ascends(bytes: Bytes, a: number, b: number): boolean {
  let i = 0;
  while (bytes[a + i] === bytes[b + i] && bytes[a + i] !== QUOTE) i++;
  if (bytes[b + i] === QUOTE) return false;
  return bytes[a + i] === QUOTE || (bytes[a + i] as number) < (bytes[b + i] as number);
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= code('9');

function endOfNumber(bytes: Bytes, from: number): number {
  const first = bytes[from] === MINUS ? from + 1 : from;
  let at = first;
  while (isDigit(bytes[at])) at++;
  const point = at;
  if (bytes[point] === POINT) {
    at++;
    while (isDigit(bytes[at])) at++;
    // Nothing behind the point, or a zero that is not written.
    if (bytes[at - 1] === POINT || bytes[at - 1] === ZERO) return UNSURE;
  }
  const zero = bytes[first] === ZERO;
  if (point === first || (zero && point > first + 1) || (zero && first > from && at === point)) return UNSURE;
  // An exponent is not gone into: what follows is then nothing that may follow.
  return at - first > SURE_DIGITS || at - point - 1 > SURE_DECIMALS ? UNSURE : at;
}

/** A word or number whose bytes are known to be one. */
function wordOf(bytes: Buffer, from: number, to: number): unknown {
  switch (bytes[from]) {
    case code('n'):
      return null;
    case code('t'):
      return true;
    case code('f'):
      return false;
    default:
  }
  let value = 0;
  for (let at = from; at < to; at++) {
    if (!isDigit(bytes[at])) return Number(bytes.toString('latin1', from, to));
    value = value * 10 + (bytes[at] as number) - ZERO;
  }
  return value;
}
