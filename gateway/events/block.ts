/**
 * A block of the event log: consecutive envelopes as lines of JSON, compressed as one. The first line holds when each was
 * appended, as milliseconds after the first, so that an envelope is stored as it was and not wrapped.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib';
import type { Envelope } from '@fibric/sdk';
import { uuidTimeMs } from '../ids.ts';

/** What is being gathered, and what waits for the disk. */
export interface Block {
  readonly firstSeq: number;
  readonly lines: string[];
  readonly atMs: number[];
  readonly types: Set<string>;
  chars: number;
  idMin: string;
  idMax: string;
}

/** A block as it lies on the disk: one row. `id_*_ms` are the times inside its event ids, by which one is found. */
export interface BlockRow {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly at_first_ms: number;
  readonly at_last_ms: number;
  readonly id_min_ms: number | null;
  readonly id_max_ms: number | null;
  readonly types: string;
  readonly body: Buffer;
}

/** What the lines of a block are read from. */
export type BlockText = Pick<Block, 'firstSeq' | 'lines' | 'atMs'>;

/** Level 1 costs about as much as making the text, and readings repeat enough for tenfold compression anyway. */
const LEVEL = 1;
const compress = promisify(zstdCompress);

export function emptyBlock(firstSeq: number): Block {
  return { firstSeq, lines: [], atMs: [], types: new Set(), chars: 0, idMin: '', idMax: '' };
}

export function addToBlock(block: Block, envelope: Envelope, atMs: number): void {
  const line = JSON.stringify(envelope);
  const id = envelope.event_id;
  block.lines.push(line);
  block.atMs.push(atMs);
  block.types.add(envelope.event_type);
  block.chars += line.length;
  if (block.idMin === '' || id < block.idMin) block.idMin = id;
  if (id > block.idMax) block.idMax = id;
}

export function lastSeq(block: BlockText): number {
  return block.firstSeq + block.lines.length - 1;
}

/** Consecutive blocks as one. */
export function joinBlocks(blocks: readonly Block[]): Block {
  const first = blocks[0];
  if (first === undefined) throw new Error('no blocks to join');
  const ids = blocks.flatMap((block) => [block.idMin, block.idMax]).sort();
  return {
    firstSeq: first.firstSeq,
    lines: blocks.flatMap((block) => block.lines),
    atMs: blocks.flatMap((block) => block.atMs),
    types: new Set(blocks.flatMap((block) => [...block.types])),
    chars: blocks.reduce((sum, block) => sum + block.chars, 0),
    idMin: ids[0] ?? '',
    idMax: ids.at(-1) ?? '',
  };
}

/** Compresses off the event loop. */
export async function encodeBlock(block: Block): Promise<BlockRow> {
  const start = block.atMs[0] ?? 0;
  const text = `${JSON.stringify(block.atMs.map((ms) => ms - start))}\n${block.lines.join('\n')}`;
  return {
    first_seq: block.firstSeq,
    last_seq: lastSeq(block),
    at_first_ms: start,
    at_last_ms: block.atMs.at(-1) ?? start,
    id_min_ms: uuidTimeMs(block.idMin),
    id_max_ms: uuidTimeMs(block.idMax),
    types: JSON.stringify([...block.types]),
    body: await compress(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }),
  };
}

export function decodeBlock(row: Pick<BlockRow, 'first_seq' | 'last_seq' | 'at_first_ms' | 'body'>): BlockText {
  const [head = '[]', ...lines] = zstdDecompressSync(row.body).toString('utf8').split('\n');
  const atMs = (JSON.parse(head) as number[]).map((ms) => ms + row.at_first_ms);
  if (lines.length !== row.last_seq - row.first_seq + 1 || atMs.length !== lines.length) {
    throw new Error(`event block ${row.first_seq}–${row.last_seq} holds ${lines.length} lines`);
  }
  return { firstSeq: row.first_seq, lines, atMs };
}
