import { hash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { filterOf, mayHold, probeOf } from './key-filter.ts';

const keyOf = (n: number): string => hash('sha256', String(n), 'hex').slice(0, 32);

it('never says of a key that it is not there when it is (G-K-6)', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 300 }), (numbers) => {
      const keys = numbers.map(keyOf);
      const filter = filterOf(keys);
      expect(keys.filter((key) => !mayHold(filter, probeOf(key)))).toEqual([]);
    }),
  );
});

it('sends nearly nobody to look in vain', () => {
  const filter = filterOf(Array.from({ length: 5_000 }, (_, n) => keyOf(n)));
  const inVain = Array.from({ length: 5_000 }, (_, n) => keyOf(5_000 + n)).filter((key) =>
    mayHold(filter, probeOf(key)),
  );
  expect(inVain.length).toBeLessThan(20);
  expect(mayHold(filterOf([]), probeOf(keyOf(1)))).toBe(false);
});
