/** The tree as the journal's file holds it: leaves with the rows, and the hash of each 256 of them beside the other state. */
import type Database from 'better-sqlite3';
import { parseCheckpoint } from './note.ts';
import { CompactRange, hashesOf, nodeHash, rootAt, subtreesOf, type SubtreeHash, TILE_LEAVES } from './tree.ts';

/** Reads what is committed. A tile that is not stored is computed from its leaves. */
export function storedTree(db: Database.Database): SubtreeHash {
  const leaves = db
    .prepare<[number, number], Buffer>('SELECT hash FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq')
    .pluck();
  const tile = db.prepare<[string], string>("SELECT row FROM state WHERE tab = 'tile' AND key = ?").pluck();

  function subtree(from: number, count: number): Buffer {
    if (count > TILE_LEAVES) return nodeHash(subtree(from, count / 2), subtree(from + count / 2, count / 2));
    const stored = count === TILE_LEAVES ? tile.get(String(from / TILE_LEAVES)) : undefined;
    if (stored !== undefined) return Buffer.from(JSON.parse(stored) as string, 'hex');
    const range = new CompactRange();
    for (const leaf of leaves.all(from, from + count)) range.push(leaf);
    return range.root();
  }
  return subtree;
}

/** Fills an empty tree with the first `size` leaves, tile by tile. */
export function growTo(tree: CompactRange, subtree: SubtreeHash, size: number): void {
  while (tree.size + TILE_LEAVES <= size) tree.push(subtree(tree.size, TILE_LEAVES), TILE_LEAVES);
  const rest = hashesOf(subtree, tree.size, size);
  for (const [i, leaves] of [...subtreesOf(tree.size, size)].entries()) tree.push(rest[i] as Buffer, leaves);
}

/** Why the tree does not begin with what the last checkpoint signed, or null. */
export function signedFault(note: string, subtree: SubtreeHash): string | null {
  const checkpoint = parseCheckpoint(note);
  if (typeof checkpoint === 'string') return 'the last checkpoint cannot be read';
  const same = rootAt(subtree, checkpoint.size).equals(checkpoint.root);
  return same ? null : `the first ${checkpoint.size} rows are not those that were signed last`;
}
