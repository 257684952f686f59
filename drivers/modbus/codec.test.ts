/** The codec against registers worked out by hand from IEEE 754, two's complement and the standard's byte order; then its properties. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitMask, decode, encode } from './codec.ts';
import { pointOptions, type PointOptions, type PointType, WORD_ORDERS } from './options.ts';

function point(options: Record<string, unknown>): PointOptions {
  return pointOptions.parse({ table: 'holding', address: 0, base: 0, ...options });
}

function cells(options: Record<string, unknown>, value: number | boolean | string): readonly number[] | string {
  const encoded = encode(point(options), value);
  return encoded.kind === 'cells' ? encoded.cells : `${encoded.reason_code}: ${encoded.message}`;
}

/** Type, value, and its registers in the orders ABCD, CDAB, BADC, DCBA. */
const VECTORS: readonly (readonly [PointType, number, ...(readonly number[])[]])[] = [
  ['uint16', 0x1234, [0x1234], [0x1234], [0x3412], [0x3412]],
  ['int16', -2, [0xfffe], [0xfffe], [0xfeff], [0xfeff]],
  // 123456789 = 0x075BCD15
  ['uint32', 123_456_789, [0x075b, 0xcd15], [0xcd15, 0x075b], [0x5b07, 0x15cd], [0x15cd, 0x5b07]],
  ['int32', -123_456_789, [0xf8a4, 0x32eb], [0x32eb, 0xf8a4], [0xa4f8, 0xeb32], [0xeb32, 0xa4f8]],
  // 123.456 as a single is 0x42F6E979
  ['float32', 123.456, [0x42f6, 0xe979], [0xe979, 0x42f6], [0xf642, 0x79e9], [0x79e9, 0xf642]],
  // −12.5 as a double is 0xC029000000000000
  ['float64', -12.5, [0xc029, 0, 0, 0], [0, 0, 0, 0xc029], [0x29c0, 0, 0, 0], [0, 0, 0, 0x29c0]],
  // 2^53 − 1
  [
    'uint64',
    9_007_199_254_740_991,
    [0x001f, 0xffff, 0xffff, 0xffff],
    [0xffff, 0xffff, 0xffff, 0x001f],
    [0x1f00, 0xffff, 0xffff, 0xffff],
    [0xffff, 0xffff, 0xffff, 0x1f00],
  ],
  // −81985529216486895 is beyond; −1985229328 = 0xFFFFFFFF89ABCDF0
  [
    'int64',
    -1_985_229_328,
    [0xffff, 0xffff, 0x89ab, 0xcdf0],
    [0xcdf0, 0x89ab, 0xffff, 0xffff],
    [0xffff, 0xffff, 0xab89, 0xf0cd],
    [0xf0cd, 0xab89, 0xffff, 0xffff],
  ],
];

describe('registers worked out by hand', () => {
  for (const [type, value, ...orders] of VECTORS) {
    for (const [i, word_order] of WORD_ORDERS.entries()) {
      it(`M1 ${type} ${value} in order ${word_order}, read and written`, () => {
        const options = { type, word_order };
        expect(cells(options, value)).toEqual(orders[i]);
        expect(decode(point(options), orders[i] ?? [])).toEqual({ value, reason: null });
      });
    }
  }

  it('strings stand high byte first, end at NUL, lose padding blanks, and swap when told to', () => {
    const options = { type: 'string', length: 3 };
    expect(cells(options, 'AHU-1')).toEqual([0x4148, 0x552d, 0x3100]);
    expect(decode(point(options), [0x4148, 0x552d, 0x3100])).toEqual({ value: 'AHU-1', reason: null });
    expect(decode(point(options), [0x4148, 0x5520, 0x2020]).value).toBe('AHU');
    expect(decode(point(options), [0x4100, 0x5858, 0x5858]).value).toBe('A');
    expect(decode(point({ ...options, word_order: 'BADC' }), [0x4841, 0x2d55, 0x0031]).value).toBe('AHU-1');
    expect(decode(point(options), [0xff41, 0, 0])).toEqual({ value: null, reason: 'malformed' });
  });

  it('a bit is counted from the lowest, in the register as its order has it', () => {
    expect(decode(point({ type: 'bit', bit: 3 }), [0x0008]).value).toBe(true);
    expect(decode(point({ type: 'bit', bit: 3 }), [0xfff7]).value).toBe(false);
    expect(bitMask(point({ type: 'bit', bit: 15 }))).toBe(0x8000);
    expect(bitMask(point({ type: 'bit', bit: 0, word_order: 'BADC' }))).toBe(0x0100);
    expect(decode(point({ type: 'bit', bit: 0, word_order: 'BADC' }), [0x0100]).value).toBe(true);
  });

  it('coils and switches are true and false', () => {
    expect(decode(point({ table: 'coil', type: 'bool' }), [1]).value).toBe(true);
    expect(decode(point({ type: 'bool' }), [0x0100]).value).toBe(true);
    expect(cells({ table: 'coil', type: 'bool' }, false)).toEqual([0]);
    expect(cells({ type: 'bool', word_order: 'BADC' }, true)).toEqual([0x0100]);
  });
});

describe('what a value means', () => {
  it('is scaled and offset without dust, and back', () => {
    expect(decode(point({ type: 'int16', scale: 0.1 }), [3]).value).toBe(0.3);
    expect(decode(point({ type: 'int16', scale: 0.1, offset: -40 }), [613]).value).toBe(21.3);
    expect(cells({ type: 'int16', scale: 0.1, offset: -40 }, 21.3)).toEqual([613]);
    expect(cells({ type: 'int16', scale: 0.1 }, 21.34)).toEqual([213]);
    expect(cells({ type: 'int16', scale: 1 }, -0.2)).toEqual([0]);
  });

  it('a single reads as the decimal that was written, not as its nearest binary', () => {
    expect(decode(point({ type: 'float32' }), [0x41aa, 0x6666]).value).toBe(21.3);
  });

  it('is a word where there is an enum, and an unknown number is no value', () => {
    const options = { type: 'uint16', enum: { '0': 'off', '1': 'heat', '2': 'cool' } };
    expect(decode(point(options), [2])).toEqual({ value: 'cool', reason: null });
    expect(decode(point(options), [7])).toEqual({ value: null, reason: 'out_of_range' });
    expect(cells(options, 'heat')).toEqual([1]);
    expect(cells(options, 'dry')).toBe('not_in_enum: expected one of off, heat, cool, got dry');
    expect(cells({ table: 'coil', type: 'bool', enum: { '0': 'auto', '1': 'manual' } }, 'manual')).toEqual([1]);
  });

  it('M3 a sentinel, a NaN and an infinity are a sensor fault', () => {
    const fault = { value: null, reason: 'sensor_fault' };
    expect(decode(point({ type: 'int16', invalid: [0x8000] }), [0x8000])).toEqual(fault);
    expect(decode(point({ type: 'int16', invalid: [-32_768] }), [0x8000])).toEqual(fault);
    expect(decode(point({ type: 'uint32', invalid: [0xffffffff] }), [0xffff, 0xffff])).toEqual(fault);
    expect(decode(point({ type: 'float32', invalid: [-9999.9] }), [0xc61c, 0x3f9a])).toEqual(fault);
    expect(decode(point({ type: 'float32' }), [0x7fc0, 0])).toEqual(fault);
    expect(decode(point({ type: 'float64' }), [0xfff0, 0, 0, 0])).toEqual(fault);
  });

  it('M3 a whole number beyond 2^53 is bad, not rounded', () => {
    const beyond = { value: null, reason: 'out_of_range' };
    expect(decode(point({ type: 'uint64' }), [0x0020, 0, 0, 0])).toEqual(beyond);
    expect(decode(point({ type: 'int64' }), [0x8000, 0, 0, 0])).toEqual(beyond);
  });

  it('M3 an answer of another length is malformed', () => {
    expect(decode(point({ type: 'uint32' }), [1])).toEqual({ value: null, reason: 'malformed' });
  });

  it('M2 a value that does not fit is refused with what does', () => {
    expect(cells({ type: 'int16', scale: 0.01 }, 400)).toBe(
      'out_of_range: 400 does not fit: a int16 here holds -327.68 to 327.67',
    );
    expect(cells({ type: 'uint16' }, -1)).toBe('out_of_range: -1 does not fit: a uint16 here holds 0 to 65535');
    expect(cells({ type: 'float32' }, 1e39)).toMatch(/^out_of_range: 1e\+39 does not fit/);
    expect(cells({ type: 'int16', invalid: [0x7fff] }, 32_767)).toBe(
      'out_of_range: 32767 would be written as 32767, which means: no value',
    );
    expect(cells({ type: 'string', length: 1 }, 'abc')).toBe('out_of_range: text of 3 bytes does not fit into 2');
  });

  it('M2 a value of another type is refused', () => {
    expect(cells({ type: 'int16' }, 'warm')).toBe('wrong_type: a int16 takes a number, got warm');
    expect(cells({ type: 'int16' }, Number.NaN)).toBe('wrong_type: a int16 takes a number, got NaN');
    expect(cells({ table: 'coil', type: 'bool' }, 1)).toBe('wrong_type: a bool takes true or false, got 1');
    expect(cells({ type: 'string', length: 2 }, 5)).toBe('wrong_type: a string takes text, got 5');
  });
});

const WHOLE: readonly (readonly [PointType, number, number])[] = [
  ['int16', -0x8000, 0x7fff],
  ['uint16', 0, 0xffff],
  ['int32', -(2 ** 31), 2 ** 31 - 1],
  ['uint32', 0, 2 ** 32 - 1],
  ['int64', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['uint64', 0, Number.MAX_SAFE_INTEGER],
];

const anyOrder = fc.constantFrom(...WORD_ORDERS);

describe('properties', () => {
  for (const [type, min, max] of WHOLE) {
    it(`M1 every ${type} comes back in every order`, () => {
      fc.assert(
        fc.property(
          fc
            .maxSafeInteger()
            .filter((n) => n >= min && n <= max)
            .map((n) => n + 0),
          anyOrder,
          (value, word_order) => {
            const encoded = encode(point({ type, word_order }), value);
            expect(encoded.kind === 'cells' && decode(point({ type, word_order }), encoded.cells).value).toBe(value);
          },
        ),
        {
          examples: [
            [min, 'ABCD'],
            [max, 'DCBA'],
            [0, 'CDAB'],
          ],
        },
      );
    });
  }

  it('M1 every double and every single comes back in every order', () => {
    const finite = { noNaN: true, noDefaultInfinity: true };
    const same = (type: PointType) => (value: number, word_order: string) => {
      const encoded = encode(point({ type, word_order }), value);
      if (encoded.kind !== 'cells') throw new Error(encoded.message);
      const back = decode(point({ type, word_order }), encoded.cells).value as number;
      expect(type === 'float32' ? Math.fround(back) : back).toBe(value + 0);
    };
    fc.assert(fc.property(fc.double(finite), anyOrder, same('float64')));
    fc.assert(fc.property(fc.float(finite), anyOrder, same('float32')));
  });

  it('M1 every text that fits comes back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 10 }),
        fc.constantFrom('ABCD', 'BADC'),
        (value, word_order) => {
          fc.pre(!value.includes('\0') && value === value.trimEnd() && Buffer.byteLength(value) <= 40);
          const encoded = encode(point({ type: 'string', length: 20, word_order }), value);
          expect(
            encoded.kind === 'cells' && decode(point({ type: 'string', length: 20, word_order }), encoded.cells).value,
          ).toBe(value);
        },
      ),
    );
  });

  it('M1 with a scale, what is written reads back within half a step', () => {
    const scales = fc.constantFrom(0.001, 0.01, 0.1, 0.5, 2, 10);
    fc.assert(
      fc.property(
        scales,
        fc.integer({ min: -100, max: 100 }),
        fc.integer({ min: -30_000, max: 30_000 }),
        (scale, offset, raw) => {
          const options = point({ type: 'int16', scale, offset });
          const wanted = raw * scale + offset + scale * 0.3;
          const encoded = encode(options, wanted);
          if (encoded.kind !== 'cells') throw new Error(encoded.message);
          expect(Math.abs((decode(options, encoded.cells).value as number) - wanted)).toBeLessThanOrEqual(
            scale / 2 + 1e-9,
          );
        },
      ),
    );
  });

  it('M3 any registers decode to a value or a reason, without throwing (row 119)', () => {
    const types = fc.constantFrom<PointType>('bool', 'int16', 'int32', 'uint64', 'float32', 'float64');
    const registers = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 5 });
    fc.assert(
      fc.property(types, anyOrder, registers, (type, word_order, found) => {
        const { value, reason } = decode(point({ type, word_order }), found);
        expect(value === null).toBe(reason !== null);
        if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      }),
    );
  });
});
