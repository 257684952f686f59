import { hash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { filterOf, KeyFilters } from './key-filter.ts';

const keyOf = (n: number): string => hash('sha256', String(n), 'hex').slice(0, 32);

/** Segments of so many keys each: their keys, and the filters of all. */
function sealed(sizes: readonly number[], salt = 0) {
  let n = salt;
  const segments = sizes.map((size, at) => ({ segment: at + 1, keys: Array.from({ length: size }, () => keyOf(n++)) }));
  const filters = new KeyFilters();
  for (const { segment, keys } of segments) filters.add(segment, filterOf(keys));
  return { segments, filters };
}

/** More than one group of segments, of few keys and of many, of none and of as many as a filter of its size can take. */
const sizes = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.constantFrom(5, 6, 10, 11, 341, 342), fc.nat({ max: 300 })), {
  maxLength: 100,
  size: 'max',
});

it('never says of a key that it is not there when it is, whatever else is (G-K-6)', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (sizes, salt) => {
      const { segments, filters } = sealed(sizes, salt);
      const forgotten = segments.flatMap(({ segment, keys }) =>
        keys.filter((key) => !filters.mayHold(key).includes(segment)),
      );
      expect(forgotten).toEqual([]);
    }),
  );
});

it('asks the newest segment first: a key that was freed and spent again is found as it was spent last', () => {
  const { segments, filters } = sealed([...Array<number>(70).keys()], 7);
  const key = keyOf(-1);
  for (const at of [71, 80, 100]) filters.add(at, filterOf([key]));
  expect(filters.mayHold(key).filter((segment) => segment > segments.length)).toEqual([100, 80, 71]);
  for (const { keys } of segments)
    for (const key of keys) {
      const found = filters.mayHold(key);
      expect(found).toEqual(found.toSorted((a, b) => b - a));
    }
});

it('is the same for the same keys in another order, and holds none of none', () => {
  const keys = Array.from({ length: 500 }, (_, n) => keyOf(n));
  expect(filterOf(keys.toReversed())).toEqual(filterOf(keys));
  expect(sealed([0, 0, 0]).filters.mayHold(keyOf(1))).toEqual([]);
  expect(new KeyFilters().mayHold(keyOf(1))).toEqual([]);
});

it('sends nearly nobody to look in vain, however the sizes of segments are mixed', () => {
  const { filters } = sealed([2_045, 12, 2_045, 300, 0, 2_045]);
  const inVain = Array.from({ length: 10_000 }, (_, n) => filters.mayHold(keyOf(1_000_000 + n)).length);
  expect(inVain.reduce((sum, one) => sum + one, 0)).toBeLessThan(60);
});

it('takes two bytes a key in a full segment of intents and receipts', () => {
  const keys = Array.from({ length: 2_048 }, (_, n) => keyOf(n));
  expect(filterOf(keys)).toHaveLength(4_096);
});
