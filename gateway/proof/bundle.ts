/**
 * A bundle: rows of a journal in a file that proves itself, one JSON array a line (docs/RECEIPTS.md §7). Rows stand in it byte for byte;
 * between them stand the hashes of what is not shown.
 */
import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { FibricError, LIMITS, messageOf } from '@fibric/sdk';
import { canonicalText, parseCanonical } from '../journal/canonical.ts';
import type { Proof } from '../journal/types.ts';
import { SALT_BYTES } from './commitment.ts';
import type { Trust } from './trust.ts';
import { type Fault, Verifier } from './verifier.ts';

export const HEADER = '["fibric-receipts/1"]';
const CHUNK_BYTES = 1024 * 1024;
/** Where the row begins in its line: behind `["`, 64 digits and `",`. */
const ROW_AT = 68;
const ROW = /^\["([0-9a-f]{64})",$/;
const CLOSING = ']'.charCodeAt(0);
const HEX = /^[0-9a-f]*$/;

export const rowLine = (leaf: string, body: string): string => `["${leaf}",${body}]`;
export const statement = (...words: readonly unknown[]): string => canonicalText(words);

/** Verifies the bundle in `file`, in bounded memory. Throws `not_found` for a file that cannot be read. */
export function verifyBundle(file: string, trust: Trust): Proof {
  const reading = new Reading(trust);
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new FibricError('not_found', `${file} cannot be read: ${messageOf(error)}`);
  }
  try {
    return reading.read(fd);
  } finally {
    closeSync(fd);
  }
}

class Reading {
  readonly #verifier: Verifier;
  #line = 0;
  #ended = false;

  constructor(trust: Trust) {
    this.#verifier = new Verifier(trust);
  }

  /** One buffer for all of it: a new one for each part would leave the collector a bundle's worth of garbage. */
  read(fd: number): Proof {
    let buffer = Buffer.allocUnsafe(2 * CHUNK_BYTES);
    let held = 0;
    for (;;) {
      if (buffer.length - held < CHUNK_BYTES) buffer = Buffer.concat([buffer], buffer.length + CHUNK_BYTES);
      const end = held + readSync(fd, buffer, held, CHUNK_BYTES, null);
      if (end === held) return this.#finish(buffer.subarray(0, held));
      let from = 0;
      for (let to = buffer.indexOf(10, held); to !== -1 && to < end; to = buffer.indexOf(10, from)) {
        const fault = this.#take(buffer.subarray(from, to));
        if (fault !== null) return fault;
        from = to + 1;
      }
      buffer.copyWithin(0, from, end);
      held = end - from;
      if (held > LIMITS.bundleLineBytes) return this.#tooLong();
    }
  }

  #tooLong(): Fault {
    return this.#bad(`line ${this.#line + 1} is longer than ${LIMITS.bundleLineBytes} bytes`);
  }

  #bad(reason: string): Fault {
    return { kind: 'bad_input', seq: this.#verifier.size + 1, reason };
  }

  #finish(rest: Buffer): Proof {
    if (this.#line === 0) return this.#bad(`it does not begin with ${HEADER}`);
    if (this.#ended && rest.length > 0) return this.#verifier.tampered('something follows the end of the bundle');
    return this.#verifier.end(!this.#ended);
  }

  #take(line: Buffer): Fault | null {
    this.#line += 1;
    if (this.#line === 1)
      return line.equals(Buffer.from(HEADER)) ? null : this.#bad(`it does not begin with ${HEADER}`);
    if (line.length > LIMITS.bundleLineBytes) return this.#tooLong();
    if (this.#ended) return this.#verifier.tampered('something follows the end of the bundle');
    const stated = ROW.exec(line.toString('latin1', 0, ROW_AT))?.[1];
    return stated !== undefined && line.at(-1) === CLOSING ? this.#row(stated, line) : this.#statement(line);
  }

  #row(stated: string, line: Buffer): Fault | null {
    const body = line.subarray(ROW_AT, -1);
    const text = isUtf8(body) ? body.toString() : null;
    // The leaf is over a zero byte and the row: the comma before the row gives its place to it.
    line[ROW_AT - 1] = 0;
    const leaf = hash('sha256', line.subarray(ROW_AT - 1, -1), 'buffer');
    return this.#verifier.row({ stated, leaf, text });
  }

  #statement(line: Buffer): Fault | null {
    const parsed = isUtf8(line) ? parseCanonical(line.toString()) : { fault: 'not_json' as const };
    if ('fault' in parsed && parsed.fault === 'too_deep') return this.#bad(`line ${this.#line} is nested too deep`);
    const words: readonly unknown[] = 'value' in parsed && Array.isArray(parsed.value) ? parsed.value : [];
    const fault = this.#act(words);
    return fault === undefined ? this.#verifier.tampered(`line ${this.#line} says nothing that belongs there`) : fault;
  }

  /** Undefined: it is no statement. */
  #act([word, ...words]: readonly unknown[]): Fault | null | undefined {
    const [first, second, third] = words;
    switch (word) {
      case 'open':
        if (words.length !== 3 || typeof first !== 'string' || !isHex(second, SALT_BYTES)) return undefined;
        return this.#verifier.open({ field: first, salt: Buffer.from(second, 'hex'), value: third });
      case 'skip':
        if (words.length !== 2 || !isCount(first) || !Array.isArray(second)) return undefined;
        if (second.length > 128 || !second.every((one) => isHex(one, 32))) return undefined;
        return this.#verifier.skip(
          first,
          second.map((one: string) => Buffer.from(one, 'hex')),
        );
      case 'checkpoint':
        return words.length === 1 && typeof first === 'string' ? this.#verifier.checkpoint(first) : undefined;
      case 'end':
        if (words.length !== 1 || first !== this.#verifier.size || this.#verifier.waits) return undefined;
        this.#ended = true;
        return null;
      default:
        return undefined;
    }
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isHex = (value: unknown, bytes: number): value is string =>
  typeof value === 'string' && value.length === bytes * 2 && HEX.test(value);
