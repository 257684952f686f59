/** Reads one block, and its parts where a device refuses the whole. */
import type { QualityReason } from '@fibric/sdk';
import { type Decoded, decode } from './codec.ts';
import { exceptionText, meansNobody } from './exceptions.ts';
import type { Link, Outcome } from './link.ts';
import { type Block, type Item, splitBlock } from './plan.ts';
import type { PointOptions } from './options.ts';
import type { Rank, Session, Unavailable } from './session.ts';

/** What a unit was found to be: it spoke, it did not, or it was not asked to the end. */
export type Presence = 'answered' | 'silent' | 'unasked';

export interface BlockReading {
  readonly values: ReadonlyMap<Item, Decoded>;
  /** The requests that work: the block itself, or the parts it had to be split into. */
  readonly blocks: readonly Block[];
  readonly presence: Presence;
  /** The link was dropped by ourselves meanwhile: this says nothing about the device. */
  readonly dropped: boolean;
  /** What went wrong, for people; null when nothing did. */
  readonly trouble: string | null;
}

const FUNCTIONS: Readonly<Record<PointOptions['table'], 1 | 2 | 3 | 4>> = {
  coil: 1,
  discrete: 2,
  holding: 3,
  input: 4,
};

/** Exceptions by which a device may mean a hole in the range: illegal address, and, of some, illegal value. */
const HOLE = [2, 3];

type Asked = Outcome | { readonly kind: 'unavailable'; readonly why: Unavailable };

export async function readBlock(session: Session, block: Block, rank: Rank, endMs: number): Promise<BlockReading> {
  const asked = await session.submit<Asked>(
    rank,
    endMs,
    (link, leftMs) => exchangeBlock(link, block, leftMs()),
    (why) => ({ kind: 'unavailable', why }),
  );
  return concluded(session, block, asked, rank, endMs);
}

export async function exchangeBlock(link: Link, block: Block, timeoutMs: number): Promise<Outcome> {
  const pdu = { function: FUNCTIONS[block.table], address: block.start, count: block.count };
  return (await link.exchange(block.unit, pdu, timeoutMs)).outcome;
}

/** What the answer says about the points; asks for the parts where the whole was refused. */
export function concluded(
  session: Session,
  block: Block,
  asked: Asked,
  rank: Rank,
  endMs: number,
): BlockReading | Promise<BlockReading> {
  if (asked.kind === 'cells') return good(block, asked.cells);
  const parts = asked.kind === 'exception' && HOLE.includes(asked.code) ? splitBlock(block) : null;
  return parts === null ? failed(block, asked) : readParts(session, parts, rank, endMs);
}

async function readParts(session: Session, parts: readonly Block[], rank: Rank, endMs: number): Promise<BlockReading> {
  const read: BlockReading[] = [];
  for (const part of parts) read.push(await readBlock(session, part, rank, endMs));
  return {
    values: new Map(read.flatMap((reading) => [...reading.values])),
    blocks: read.flatMap((reading) => reading.blocks),
    presence: read.at(-1)?.presence ?? 'unasked',
    dropped: read.some((reading) => reading.dropped),
    trouble: read.find((reading) => reading.trouble !== null)?.trouble ?? null,
  };
}

export function good(block: Block, cells: readonly number[]): BlockReading {
  const values = block.items.map((item): [Item, Decoded] => {
    const from = item.start - block.start;
    return [item, decode(item.options, cells.slice(from, from + item.cells))];
  });
  return { values: new Map(values), blocks: [block], presence: 'answered', dropped: false, trouble: null };
}

export function failed(block: Block, asked: Exclude<Asked, { kind: 'cells' }>): BlockReading {
  const { reason, presence, trouble } = explain(block.unit, asked);
  return {
    values: new Map(block.items.map((item) => [item, { value: null, reason }])),
    blocks: [block],
    presence,
    dropped: asked.kind === 'closed' && asked.ours,
    trouble,
  };
}

function explain(
  unit: number,
  asked: Exclude<Asked, { kind: 'cells' }>,
): { reason: QualityReason; presence: Presence; trouble: string } {
  switch (asked.kind) {
    case 'unavailable': {
      const reason = asked.why.reason_code === 'timeout' ? 'timeout' : 'disconnected';
      return { reason, presence: 'unasked', trouble: asked.why.message };
    }
    case 'not_sent':
      return { reason: 'disconnected', presence: 'unasked', trouble: asked.message };
    // A unit over which the link is lost each time would take its neighbours down for good: it backs off like a dead one.
    case 'closed':
      return { reason: 'disconnected', presence: asked.ours ? 'unasked' : 'silent', trouble: asked.message };
    case 'foreign':
      return { reason: 'malformed', presence: 'silent', trouble: asked.message };
    case 'timeout':
      return { reason: 'timeout', presence: 'silent', trouble: asked.message };
    case 'exception': {
      const nobody = meansNobody(asked.code);
      const trouble = exceptionText(unit, asked.code);
      return { reason: nobody ? 'timeout' : 'device_error', presence: nobody ? 'silent' : 'answered', trouble };
    }
    case 'written':
    case 'identity':
      throw new Error(`a read cannot end as ${asked.kind}`);
  }
}
