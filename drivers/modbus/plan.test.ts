/** M4: which requests read which points. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pointOptions } from './options.ts';
import { type Block, type Item, itemOf, planBlocks, splitBlock } from './plan.ts';

function item(options: Record<string, unknown>, unit = 1, name = String(options['address'])): Item {
  return itemOf(
    { device: 'd', point: name },
    unit,
    pointOptions.parse({ table: 'holding', base: 0, type: 'uint16', ...options }),
  );
}

const shape = (blocks: readonly Block[]): unknown[] =>
  blocks.map((b) => [b.unit, b.table, b.start, b.count, b.items.length]);

describe('planning of reads', () => {
  it('joins neighbours, also of different widths, and leaves gaps alone', () => {
    const items = [item({ address: 12 }), item({ address: 10, type: 'float32' }), item({ address: 14 })];
    expect(shape(planBlocks(items))).toEqual([
      [1, 'holding', 10, 3, 2],
      [1, 'holding', 14, 1, 1],
    ]);
  });

  it('keeps tables and units apart, and counts base 1 from 0', () => {
    const items = [item({ address: 1, base: 1 }), item({ address: 0, table: 'input' }), item({ address: 1 }, 2)];
    expect(shape(planBlocks(items))).toEqual([
      [1, 'holding', 0, 1, 1],
      [1, 'input', 0, 1, 1],
      [2, 'holding', 1, 1, 1],
    ]);
  });

  it('stops at 125 registers and at 2000 bits, never inside a value', () => {
    const doubles = Array.from({ length: 63 }, (_, i) => item({ address: i * 2, type: 'float32' }));
    expect(shape(planBlocks(doubles))).toEqual([
      [1, 'holding', 0, 124, 62],
      [1, 'holding', 124, 2, 1],
    ]);
    const coils = Array.from({ length: 2_001 }, (_, i) => item({ address: i, table: 'coil', type: 'bool' }));
    expect(planBlocks(coils).map((block) => block.count)).toEqual([2_000, 1]);
  });

  it('points that share registers share a request', () => {
    const items = [
      item({ address: 5, type: 'bit', bit: 0 }),
      item({ address: 5, type: 'bit', bit: 1 }),
      item({ address: 5 }),
    ];
    expect(shape(planBlocks(items))).toEqual([[1, 'holding', 5, 1, 3]]);
  });

  const anyItem = fc
    .record({
      address: fc.integer({ min: 0, max: 600 }),
      table: fc.constantFrom('holding', 'input', 'coil'),
      type: fc.constantFrom('uint16', 'int32', 'float64'),
      unit: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ unit, type, ...rest }) => item({ ...rest, type: rest.table === 'coil' ? 'bool' : type }, unit));

  it('M4 every point is in exactly one request, whole, and no request reads what nobody asked for', () => {
    fc.assert(
      fc.property(fc.array(anyItem, { maxLength: 200 }), (items) => {
        const blocks = planBlocks(items);
        expect(new Set(blocks.flatMap((block) => block.items))).toEqual(new Set(items));
        expect(blocks.reduce((sum, block) => sum + block.items.length, 0)).toBe(items.length);
        for (const block of blocks) expectExact(block);
      }),
    );
  });

  it('M4 splitting ends in single points and loses none', () => {
    fc.assert(
      fc.property(fc.array(anyItem, { minLength: 1, maxLength: 60 }), (items) => {
        let blocks: readonly Block[] = planBlocks(items);
        for (let round = 0; round < 7; round += 1) blocks = blocks.flatMap((block) => splitBlock(block) ?? [block]);
        expect(blocks.every((block) => block.items.length === 1)).toBe(true);
        expect(new Set(blocks.flatMap((block) => block.items))).toEqual(new Set(items));
        for (const block of blocks) expectExact(block);
      }),
    );
  });
});

function expectExact(block: Block): void {
  const asked = new Set<number>();
  for (const { unit, options, start, cells } of block.items) {
    expect([unit, options.table]).toEqual([block.unit, block.table]);
    for (let i = 0; i < cells; i += 1) asked.add(start + i);
  }
  expect([...asked].sort((a, b) => a - b)).toEqual(Array.from({ length: block.count }, (_, i) => block.start + i));
  expect(block.count).toBeLessThanOrEqual(block.table === 'coil' ? 2_000 : 125);
}
