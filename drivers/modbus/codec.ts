/**
 * Values to and from the cells of a table: registers as numbers 0–65535, bits as 0 and 1.
 *
 * M1 What is written with an order reads back with the same order.
 * M2 A value that the point cannot hold exactly enough is never sent: no wrap-around, no clamping.
 * M3 What cannot be a value is bad with a reason, never a number.
 */
import type { PointValue, QualityReason } from '@fibric/sdk';
import { cellsOf, type PointOptions, type PointType, type WordOrder } from './options.ts';

export type Decoded =
  | { readonly value: Exclude<PointValue, null>; readonly reason: null }
  | { readonly value: null; readonly reason: QualityReason };

export type Encoded =
  | { readonly kind: 'cells'; readonly cells: readonly number[] }
  | { readonly kind: 'impossible'; readonly reason_code: string; readonly message: string };

const bad = (reason: QualityReason): Decoded => ({ value: null, reason });
const good = (value: Exclude<PointValue, null>): Decoded => ({ value, reason: null });
const impossible = (reason_code: string, message: string): Encoded => ({ kind: 'impossible', reason_code, message });

/** The value in these cells, scaled and named. */
export function decode(point: PointOptions, cells: readonly number[]): Decoded {
  if (cells.length !== cellsOf(point)) return bad('malformed');
  if (point.type === 'string') return decodeText(bytesOf(cells, point.word_order));
  const raw = decodeRaw(point, cells);
  if (!Number.isFinite(raw) || isSentinel(point, raw)) return bad('sensor_fault');
  if (isWhole(point.type) && !Number.isSafeInteger(raw)) return bad('out_of_range');
  if (point.enum !== undefined) {
    const word = point.enum[String(raw)];
    return word === undefined ? bad('out_of_range') : good(word);
  }
  if (isSwitch(point.type)) return good(raw !== 0);
  // A negative zero is a zero to everyone who reads it.
  const value = scaled(point, raw) + 0;
  return Number.isFinite(value) ? good(value) : bad('out_of_range');
}

/** The cells that hold this value, or why there are none. For a `bit`, one cell of 0 or 1. */
export function encode(point: PointOptions, value: Exclude<PointValue, null>): Encoded {
  if (point.type === 'string') return encodeText(point, value);
  if (point.enum !== undefined) return encodeWord(point, point.enum, value);
  if (isSwitch(point.type)) {
    if (typeof value !== 'boolean')
      return impossible('wrong_type', `a ${point.type} takes true or false, got ${value}`);
    return encodeSwitch(point, value);
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return impossible('wrong_type', `a ${point.type} takes a number, got ${value}`);
  }
  return encodeNumber(point, value);
}

function encodeWord(point: PointOptions, words: Readonly<Record<string, string>>, value: PointValue): Encoded {
  const raw = Object.keys(words).find((key) => words[key] === value);
  if (raw === undefined) {
    return impossible('not_in_enum', `expected one of ${Object.values(words).join(', ')}, got ${value}`);
  }
  return isSwitch(point.type) ? encodeSwitch(point, raw !== '0') : encodeNumber(point, Number(raw));
}

function encodeSwitch(point: PointOptions, on: boolean): Encoded {
  const plain = point.table === 'coil' || point.type === 'bit';
  return { kind: 'cells', cells: plain ? [on ? 1 : 0] : wordsOf(encodeRaw('uint16', on ? 1 : 0), point.word_order) };
}

/** The register's bit that a point of type `bit` is, as a mask. */
export function bitMask(point: PointOptions): number {
  return wordsOf(encodeRaw('uint16', 1 << (point.bit ?? 0)), point.word_order)[0] ?? 0;
}

function encodeNumber(point: PointOptions, value: number): Encoded {
  const exact = isPlain(point) ? value : tidy((value - point.offset) / point.scale);
  const raw = isWhole(point.type) ? Math.round(exact) + 0 : exact;
  const [low, high] = rangeOf(point.type);
  if (!(raw >= low && raw <= high)) {
    const ends = [scaled(point, low), scaled(point, high)].sort((a, b) => a - b);
    return impossible('out_of_range', `${value} does not fit: a ${point.type} here holds ${ends[0]} to ${ends[1]}`);
  }
  if (isSentinel(point, raw)) {
    return impossible('out_of_range', `${value} would be written as ${raw}, which means: no value`);
  }
  return { kind: 'cells', cells: wordsOf(encodeRaw(point.type, raw), point.word_order) };
}

const isPlain = (point: PointOptions): boolean => point.scale === 1 && point.offset === 0;
const isSwitch = (type: PointType): boolean => type === 'bool' || type === 'bit';
const isWhole = (type: PointType): boolean => !/^(float|string)/.test(type);

function scaled(point: PointOptions, raw: number): number {
  const value = point.type === 'float32' ? shortest(raw) : raw;
  return isPlain(point) ? value : tidy(value * point.scale + point.offset);
}

/** Takes the dust off a product: 3 × 0.1 is 0.3. Fifteen digits are all that a double holds of any decimal. */
function tidy(value: number): number {
  return Number(value.toPrecision(15));
}

/** The shortest decimal that is this single: 21.3, not 21.299999237060547, so that it equals what was asked for. */
function shortest(single: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return Number(single.toPrecision(9));
}

/** A profile may write the sentinel of an int16 as -32768 or, as manuals do, as 0x8000. */
function isSentinel(point: PointOptions, raw: number): boolean {
  const unsigned = raw < 0 && /^int(16|32)$/.test(point.type) ? raw + 2 ** (16 * cellsOf(point)) : raw;
  const same = (invalid: number): boolean => (point.type === 'float32' ? Math.fround(invalid) : invalid) === raw;
  return point.invalid.some((invalid) => same(invalid) || invalid === unsigned);
}

/** Raw numbers that a type holds. Whole numbers beyond 2^53 are not told apart by a double and count as not representable. */
function rangeOf(type: PointType): readonly [number, number] {
  switch (type) {
    case 'int16':
      return [-0x8000, 0x7fff];
    case 'uint16':
      return [0, 0xffff];
    case 'int32':
      return [-0x8000_0000, 0x7fff_ffff];
    case 'uint32':
      return [0, 0xffff_ffff];
    case 'uint64':
      return [0, Number.MAX_SAFE_INTEGER];
    case 'int64':
      return [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    case 'float32':
      return [-3.4028234663852886e38, 3.4028234663852886e38];
    case 'float64':
      return [-Number.MAX_VALUE, Number.MAX_VALUE];
    case 'bool':
    case 'bit':
    case 'string':
      return [0, 1];
  }
}

function decodeRaw(point: PointOptions, cells: readonly number[]): number {
  if (point.type === 'bool') return cells[0] === 0 ? 0 : 1;
  const bytes = bytesOf(cells, point.word_order);
  switch (point.type) {
    case 'bit':
      return (bytes.readUInt16BE(0) >> (point.bit ?? 0)) & 1;
    case 'int16':
      return bytes.readInt16BE(0);
    case 'int32':
      return bytes.readInt32BE(0);
    case 'uint32':
      return bytes.readUInt32BE(0);
    case 'int64':
      return Number(bytes.readBigInt64BE(0));
    case 'uint64':
      return Number(bytes.readBigUInt64BE(0));
    case 'float32':
      return bytes.readFloatBE(0);
    case 'float64':
      return bytes.readDoubleBE(0);
    case 'uint16':
    case 'string':
      return bytes.readUInt16BE(0);
  }
}

function encodeRaw(type: PointType, raw: number): Buffer {
  const bytes = Buffer.alloc(8);
  switch (type) {
    case 'int32':
    case 'uint32':
      bytes.writeUInt32BE(raw >>> 0, 0);
      return bytes.subarray(0, 4);
    case 'int64':
    case 'uint64':
      bytes.writeBigInt64BE(BigInt(raw), 0);
      return bytes;
    case 'float32':
      bytes.writeFloatBE(raw, 0);
      return bytes.subarray(0, 4);
    case 'float64':
      bytes.writeDoubleBE(raw, 0);
      return bytes;
    default:
      bytes.writeUInt16BE(raw & 0xffff, 0);
      return bytes.subarray(0, 2);
  }
}

/** Registers to bytes in the standard's order. Every order is its own inverse: reversed words, swapped bytes, or both. */
function bytesOf(cells: readonly number[], order: WordOrder): Buffer {
  const words = order === 'CDAB' || order === 'DCBA' ? cells.toReversed() : cells;
  const bytes = Buffer.alloc(2 * words.length);
  for (const [i, word] of words.entries()) bytes.writeUInt16BE(word, 2 * i);
  return order === 'BADC' || order === 'DCBA' ? bytes.swap16() : bytes;
}

function wordsOf(standard: Buffer, order: WordOrder): number[] {
  const bytes = order === 'BADC' || order === 'DCBA' ? Buffer.from(standard).swap16() : standard;
  const words = Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16BE(2 * i));
  return order === 'CDAB' || order === 'DCBA' ? words.toReversed() : words;
}

/** Text ends at the first NUL; devices pad with NUL or spaces. */
function decodeText(bytes: Buffer): Decoded {
  const end = bytes.indexOf(0);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(end < 0 ? bytes : bytes.subarray(0, end));
    return good(text.trimEnd());
  } catch {
    return bad('malformed');
  }
}

function encodeText(point: PointOptions, value: PointValue): Encoded {
  if (typeof value !== 'string') return impossible('wrong_type', `a string takes text, got ${value}`);
  const bytes = Buffer.alloc(2 * cellsOf(point));
  const text = Buffer.from(value, 'utf8');
  if (text.includes(0)) return impossible('wrong_type', 'text with a NUL character cannot be read back');
  if (text.length > bytes.length) {
    return impossible('out_of_range', `text of ${text.length} bytes does not fit into ${bytes.length}`);
  }
  text.copy(bytes);
  return { kind: 'cells', cells: wordsOf(bytes, point.word_order) };
}
