/**
 * Which requests read which points: neighbours go into one request, as many as the standard lets into one.
 *
 * M4 No request crosses 125 registers or 2000 bits, or touches an address that no point asked for.
 */
import type { PointRef } from '@fibric/sdk';
import { cellsOf, type PointOptions, wireAddress } from './options.ts';

/** One point of one unit, where it lies on the wire. */
export interface Item extends PointRef {
  readonly unit: number;
  readonly options: PointOptions;
  /** Zero-based. */
  readonly start: number;
  readonly cells: number;
}

/** One read request and the points it serves. */
export interface Block {
  readonly unit: number;
  readonly table: PointOptions['table'];
  readonly start: number;
  readonly count: number;
  readonly items: readonly Item[];
}

/** MODBUS Application Protocol V1.1b3 §6.1 to §6.4. */
const MOST_BITS = 2_000;
const MOST_REGISTERS = 125;

export function itemOf(ref: PointRef, unit: number, options: PointOptions): Item {
  return { device: ref.device, point: ref.point, unit, options, start: wireAddress(options), cells: cellsOf(options) };
}

/** The fewest requests without gaps for these points. */
export function planBlocks(items: readonly Item[]): Block[] {
  const ordered = items.toSorted(
    (a, b) =>
      a.unit - b.unit || a.options.table.localeCompare(b.options.table) || a.start - b.start || a.cells - b.cells,
  );
  const blocks: Block[] = [];
  for (const item of ordered) {
    const last = blocks.at(-1);
    const joined = last === undefined ? null : join(last, item);
    if (joined === null) blocks.push(blockOf(item));
    else blocks[blocks.length - 1] = joined;
  }
  return blocks;
}

function blockOf(item: Item): Block {
  return { unit: item.unit, table: item.options.table, start: item.start, count: item.cells, items: [item] };
}

/** The block with the item in it, or null when it does not belong or would be too long. */
function join(block: Block, item: Item): Block | null {
  const { table } = item.options;
  if (block.unit !== item.unit || block.table !== table || item.start > block.start + block.count) return null;
  const count = Math.max(block.count, item.start + item.cells - block.start);
  const most = table === 'coil' || table === 'discrete' ? MOST_BITS : MOST_REGISTERS;
  return count > most ? null : { ...block, count, items: [...block.items, item] };
}

/** The same points in two smaller requests, for a device that refused the whole; null when there is nothing to split. */
export function splitBlock(block: Block): readonly Block[] | null {
  if (block.items.length < 2) return null;
  const middle = Math.ceil(block.items.length / 2);
  return [...planBlocks(block.items.slice(0, middle)), ...planBlocks(block.items.slice(middle))];
}
