/**
 * A bundle: rows of a journal in a file that proves itself, one JSON array a line (docs/RECEIPTS.md §7). Rows stand in it byte for byte;
 * between them stand the hashes of what is not shown.
 */
import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { FibricError, LIMITS, messageOf } from '@fibric/sdk';
import { canonicalOf, canonicalText, parseCanonical } from '../journal/canonical.ts';
import type { Proof } from '../journal/types.ts';
import { type Line, ROW_AT } from './block.ts';
import { Blocks } from './blocks.ts';
import { SALT_BYTES } from './commitment-form.ts';
import { commitment } from './commitment.ts';
import type { Trust } from './trust.ts';
import { type Fault, Verifier } from './verifier.ts';

export const HEADER = '["fibric-receipts/1"]';
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
  const blocks = new Blocks(fd, LIMITS.bundleLineBytes);
  try {
    return reading.read(blocks);
  } finally {
    blocks.close();
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

  read(blocks: Blocks): Proof {
    for (let block = blocks.next(); block !== null; block = blocks.next())
      for (let line = block.next(); line !== null; line = block.next()) {
        const fault = this.#take(line);
        if (fault !== null) return fault;
      }
    return blocks.rest.length > LIMITS.bundleLineBytes ? this.#tooLong() : this.#finish(blocks.rest);
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

  #take(line: Line): Fault | null {
    this.#line += 1;
    if (this.#line === 1) return isHeader(line) ? null : this.#bad(`it does not begin with ${HEADER}`);
    if (line.length > LIMITS.bundleLineBytes) return this.#tooLong();
    if (this.#ended) return this.#verifier.tampered('something follows the end of the bundle');
    switch (line.kind) {
      case 'row':
        return this.#verifier.row({ stated: line.leaf, leaf: line.leaf, content: { value: line.row } });
      case 'opening':
        return this.#verifier.open(line.field, line.commitment);
      case 'other':
        return this.#other(line.bytes);
    }
  }

  #other(line: Buffer): Fault | null {
    const stated = ROW.exec(line.toString('latin1', 0, ROW_AT))?.[1];
    return stated !== undefined && line.at(-1) === CLOSING ? this.#row(stated, line) : this.#statement(line);
  }

  #row(stated: string, line: Buffer): Fault | null {
    const body = line.subarray(ROW_AT, -1);
    const content = isUtf8(body) ? parseCanonical(body.toString()) : { fault: 'not_json' as const };
    // The leaf is over a zero byte and the row: the comma before the row gives its place to it.
    line[ROW_AT - 1] = 0;
    return this.#verifier.row({ stated, leaf: hash('sha256', line.subarray(ROW_AT - 1, -1), 'hex'), content });
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
        return this.#verifier.open(first, commitment(Buffer.from(second, 'hex'), canonicalOf(third)));
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

const isHeader = (line: Line): boolean => line.kind === 'other' && line.bytes.equals(Buffer.from(HEADER));
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isHex = (value: unknown, bytes: number): value is string =>
  typeof value === 'string' && value.length === bytes * 2 && HEX.test(value);
