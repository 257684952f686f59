/**
 * The Merkle tree over the rows of the journal (RFC 9162 §2.1): leaf n is the hash of row n+1, which the chain uses as well.
 * Any set of leaves is proved by the hashes of the complete subtrees between them: each part of the tree is given once.
 */
import { hash } from 'node:crypto';

/** The hash of the tree without leaves: SHA-256 of nothing. */
const EMPTY = hash('sha256', '', 'buffer');
/** Leaves of a subtree whose hash is kept, so that proofs over millions of rows read hundreds. */
export const TILE_LEAVES = 256;

const scratch = Buffer.alloc(65, 1);

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(scratch, 1);
  right.copy(scratch, 33);
  // As text and back: the runtime makes a buffer of its own at twice the cost.
  return Buffer.from(hash('sha256', scratch, 'latin1'), 'latin1');
}

/** Bytes of a hash, and levels that a tree can have: it counts its leaves exactly. */
const BYTES = 32;
const LEVELS = 53;

/** A growing tree in as much memory as it has levels: the hashes of its complete subtrees, the largest first. */
export class CompactRange {
  readonly #leaves: number[] = [];
  /** One after the other: a million leaves would leave two million buffers to the collector. */
  readonly #hashes = Buffer.alloc(BYTES * (LEVELS + 1));
  readonly #onTile: (index: number, hash: Buffer) => void;
  #size = 0;

  constructor(onTile: (index: number, hash: Buffer) => void = () => undefined) {
    this.#onTile = onTile;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** Adds a complete subtree of `leaves` leaves (a power of two that divides `size`), or one leaf. Its hash is copied. */
  push(subtree: Buffer, leaves = 1): void {
    this.#size += leaves;
    let [top, count] = [this.#leaves.length, leaves];
    subtree.copy(this.#hashes, top * BYTES);
    for (;;) {
      if (count === TILE_LEAVES) this.#onTile(this.#size / TILE_LEAVES - 1, Buffer.from(this.#hash(top)));
      if (this.#leaves[top - 1] !== count) break;
      this.#leaves.pop();
      top -= 1;
      this.#hashes.copy(scratch, 1, top * BYTES, (top + 2) * BYTES);
      this.#hashes.write(hash('sha256', scratch, 'latin1'), top * BYTES, 'latin1');
      count *= 2;
    }
    this.#leaves.push(count);
  }

  #hash(at: number): Buffer {
    return this.#hashes.subarray(at * BYTES, (at + 1) * BYTES);
  }

  /** The hash of the tree; `more`: of the tree with this leaf as well. */
  root(more?: Buffer): Buffer {
    const peaks = this.#leaves.map((_, i) => this.#hash(i));
    if (more === undefined) return Buffer.from(fold(peaks));
    const range = new CompactRange();
    for (const [i, peak] of peaks.entries()) range.push(peak, this.#leaves[i]);
    range.push(more);
    return range.root();
  }
}

function fold(peaks: readonly Buffer[]): Buffer {
  return peaks.reduceRight<Buffer | null>((right, left) => (right ? nodeHash(left, right) : left), null) ?? EMPTY;
}

/** The sizes of the complete subtrees that make up the leaves `from` to `to` (exclusive), from left to right. */
export function* subtreesOf(from: number, to: number): Generator<number> {
  for (let at = from; at < to; ) {
    let leaves = 1;
    while (at % (leaves * 2) === 0 && at + leaves * 2 <= to) leaves *= 2;
    yield leaves;
    at += leaves;
  }
}

/** Where the hash of a complete subtree is found: `leaves` is a power of two that divides `from`. */
export type SubtreeHash = (from: number, leaves: number) => Buffer;

/** The hashes of the complete subtrees that make up the leaves `from` to `to` (exclusive), from left to right. */
export function hashesOf(subtree: SubtreeHash, from: number, to: number): readonly Buffer[] {
  let at = from;
  return [...subtreesOf(from, to)].map((leaves) => {
    const found = subtree(at, leaves);
    at += leaves;
    return found;
  });
}

/** The hash of the tree over the first `size` leaves. */
export function rootAt(subtree: SubtreeHash, size: number): Buffer {
  return fold(hashesOf(subtree, 0, size));
}

/** The proof that the tree of `size` leaves begins with the tree of `first` (RFC 9162 §2.1.4.1); 0 < first ≤ size. */
export function consistencyProof(subtree: SubtreeHash, first: number, size: number): readonly Buffer[] {
  const whole = (from: number, to: number): Buffer => fold(hashesOf(subtree, from, to));
  function prove(from: number, to: number, known: boolean): readonly Buffer[] {
    if (first === to) return known ? [] : [whole(from, to)];
    let left = 1;
    while (left * 2 < to - from) left *= 2;
    return first <= from + left
      ? [...prove(from, from + left, known), whole(from + left, to)]
      : [...prove(from + left, to, false), whole(from, from + left)];
  }
  return prove(0, size, true);
}
