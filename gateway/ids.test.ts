import { zstdCompressSync } from 'node:zlib';
import type { Clock, Random } from '@fibric/sdk';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createIds, uuidTimeMs } from './ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A clock that shows each of `times` in turn, and then the last for ever. */
function showing(times: readonly number[]): Clock {
  let i = 0;
  const wallMs = (): number => times[Math.min(i++, times.length - 1)] ?? 0;
  return { wallMs, monoMs: () => 0, after: () => ({ cancel: () => undefined }) };
}

function seeded(seed: number): Random {
  let state = seed;
  return {
    next() {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31;
    },
  };
}

const times = fc.array(fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }), { minLength: 1, maxLength: 50 });

it('I1 rise strictly whatever the clock does', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 200 }), (shown, count) => {
      const ids = createIds(showing(shown), seeded(1));
      const uuids = Array.from({ length: count }, () => ids.uuid());
      const receipts = Array.from({ length: count }, () => ids.next('rc'));
      for (const made of [uuids, receipts]) {
        expect(made).toEqual(made.toSorted());
        expect(new Set(made).size).toBe(count);
      }
      expect(uuids.every((id) => UUID_V7.test(id))).toBe(true);
      expect(receipts.every((id) => /^rc_[0-9a-z]{20}$/.test(id))).toBe(true);
    }),
  );
});

it('I1 go on rising when a millisecond is used up', () => {
  const ids = createIds(showing([1_700_000_000_000]), seeded(1));
  const made = Array.from({ length: 10_000 }, () => ids.uuid());
  expect(made).toEqual(made.toSorted());
  expect(new Set(made).size).toBe(made.length);
});

it('I2 differ between two boots in the same millisecond', () => {
  const of = (seed: number) => createIds(showing([1_700_000_000_000]), seeded(seed));
  expect(of(1).uuid()).not.toBe(of(2).uuid());
  expect(of(1).next('rc')).not.toBe(of(2).next('rc'));
});

it('I3 leave a list of consecutive ids compressible: a tenth of its size or less', () => {
  const ids = createIds(showing([1_700_000_000_000]), seeded(3));
  const text = Array.from({ length: 1_000 }, () => ids.uuid()).join('\n');
  expect(zstdCompressSync(text).length).toBeLessThan(text.length / 10);
});

it('tell when they were minted, and other texts tell nothing', () => {
  expect(uuidTimeMs(createIds(showing([1_700_000_000_123]), seeded(1)).uuid())).toBe(1_700_000_000_123);
  expect(uuidTimeMs('0190a1b2-c3d4-4abc-8def-123456789abc')).toBe(null);
  expect(uuidTimeMs('EV-1')).toBe(null);
});
