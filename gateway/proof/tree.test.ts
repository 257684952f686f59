import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactRange, consistencyProof, hashesOf, nodeHash, rootAt, subtreesOf, TILE_LEAVES } from './tree.ts';

const leafOf = (n: number): Buffer => hash('sha256', `\0row ${n}`, 'buffer');

/** MTH as RFC 9162 §2.1.1 writes it. */
function naive(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return hash('sha256', '', 'buffer');
  if (leaves.length === 1) return first;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hash('sha256', Buffer.concat([Buffer.of(1), naive(leaves.slice(0, k)), naive(leaves.slice(k))]), 'buffer');
}

const leavesOf = (size: number): readonly Buffer[] => Array.from({ length: size }, (_, n) => leafOf(n));
const source =
  (leaves: readonly Buffer[]) =>
  (from: number, count: number): Buffer =>
    naive(leaves.slice(from, from + count));

/** RFC 9162 §2.1.4.2, step by step. */
function consistent(first: number, second: number, root1: Buffer, root2: Buffer, proof: readonly Buffer[]): boolean {
  if (first === second) return proof.length === 0 && root1.equals(root2);
  const path = (first & (first - 1)) === 0 ? [root1, ...proof] : [...proof];
  let [fn, sn] = [first - 1, second - 1];
  while (fn & 1) [fn, sn] = [fn >> 1, sn >> 1];
  let fr = path[0] as Buffer;
  let sr = fr;
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn & 1 || fn === sn) {
      [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)];
      while (!(fn & 1) && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else sr = nodeHash(sr, c);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  return fr.equals(root1) && sr.equals(root2) && sn === 0;
}

const size = fc.integer({ min: 0, max: 600 });

describe('the tree', () => {
  it('grows leaf by leaf to the hash that RFC 9162 defines', () => {
    const leaves = leavesOf(70);
    const range = new CompactRange();
    for (let n = 0; n <= 70; n++) {
      expect(range.root()).toEqual(naive(leaves.slice(0, n)));
      expect(range.root(leafOf(n))).toEqual(naive([...leaves.slice(0, n), leafOf(n)]));
      expect(range.size).toBe(n);
      if (n < 70) range.push(leaves[n] as Buffer);
    }
  });

  it('is the same from its subtrees, and tells each tile once', () => {
    fc.assert(
      fc.property(size, (n) => {
        const leaves = leavesOf(n);
        const tiles: string[] = [];
        const range = new CompactRange((index, tile) => tiles.push(`${index} ${tile.toString('hex')}`));
        for (const leaf of leaves) range.push(leaf);
        expect(rootAt(source(leaves), n)).toEqual(range.root());
        const expected = Array.from({ length: Math.floor(n / TILE_LEAVES) }, (_, i) =>
          naive(leaves.slice(i * TILE_LEAVES, (i + 1) * TILE_LEAVES)),
        );
        expect(tiles).toEqual(expected.map((tile, i) => `${i} ${tile.toString('hex')}`));
      }),
      { numRuns: 30 },
    );
  });

  it('is the same from any of its leaves and the subtrees between them: the proof of a bundle', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(299), { minLength: 1 }), fc.integer({ min: 300, max: 400 }), (some, n) => {
        const leaves = leavesOf(n);
        const range = new CompactRange();
        for (const at of [...some.toSorted((a, b) => a - b), n]) {
          const sizes = [...subtreesOf(range.size, at)];
          const hashes = hashesOf(source(leaves), range.size, at);
          for (const [i, found] of hashes.entries()) range.push(found, sizes[i]);
          if (at < n) range.push(leaves[at] as Buffer);
        }
        expect(range.root()).toEqual(naive(leaves));
      }),
      { numRuns: 50 },
    );
  });

  it('proves that it only grew, and no proof fits another tree', () => {
    const pair = fc
      .integer({ min: 1, max: 200 })
      .chain((n) => fc.tuple(fc.integer({ min: 1, max: n }), fc.constant(n)));
    fc.assert(
      fc.property(pair, fc.nat(), ([first, second], which) => {
        const leaves = leavesOf(second);
        const proof = consistencyProof(source(leaves), first, second);
        const roots = [naive(leaves.slice(0, first)), naive(leaves)] as const;
        expect(consistent(first, second, ...roots, proof)).toBe(true);
        const other = leaves.with(which % first, leafOf(-1)).slice(0, first);
        expect(consistent(first, second, naive(other), roots[1], proof)).toBe(false);
      }),
    );
  });
});
