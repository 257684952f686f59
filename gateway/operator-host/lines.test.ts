import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineReader } from './lines.ts';

/** Feeds `bytes` in pieces that end at `cuts`, and returns what came out. */
function read(bytes: Buffer, cuts: readonly number[], maxBytes: number): readonly string[] {
  const lines: string[] = [];
  const reader = createLineReader({
    maxBytes,
    onLine: (line) => lines.push(line),
    onOverflow: () => lines.push('overflow'),
  });
  let start = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    reader.push(bytes.subarray(start, cut));
    start = Math.max(start, cut);
  }
  reader.push(bytes.subarray(start));
  return lines;
}

test('lines come out whole however the bytes were cut', () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\n'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const inside = cuts.map((cut) => Math.min(cut, bytes.length));
      expect(read(bytes, inside, 10_000)).toEqual(lines.map((text) => Buffer.from(text).toString('utf8')));
    }),
  );
});

test('H1 a line beyond the cap ends the reading, once, and nothing behind it comes out', () => {
  const bytes = Buffer.from('short\nmuch too long\nshort\n');
  for (const cuts of [[], [3, 8, 14], [20]]) expect(read(bytes, cuts, 8)).toEqual(['short', 'overflow']);
});
