import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataType, DataValue, StatusCodes, Variant, VariantArrayType } from './ua.ts';
import { decode, encode, toReading } from './values.ts';

const REF = { device: 'ahu-1', point: 'supply_temperature' };

function roundTrip(value: number | boolean | string, type: DataType): unknown {
  const encoded = encode(value, type);
  if (encoded.kind !== 'variant') return encoded.reason_code;
  const decoded = decode(encoded.variant);
  return decoded.kind === 'value' ? decoded.value : decoded.reason;
}

describe('a value written with the type of its node', () => {
  it('comes back as it was, for every integer a type can hold', () => {
    const ranges: [DataType, number, number][] = [
      [DataType.SByte, -128, 127],
      [DataType.Byte, 0, 255],
      [DataType.Int16, -32_768, 32_767],
      [DataType.UInt16, 0, 65_535],
      [DataType.Int32, -(2 ** 31), 2 ** 31 - 1],
      [DataType.UInt32, 0, 2 ** 32 - 1],
      [DataType.Int64, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
      [DataType.UInt64, 0, Number.MAX_SAFE_INTEGER],
    ];
    for (const [type, min, max] of ranges) {
      fc.assert(
        fc.property(fc.maxSafeInteger(), (value) => {
          const fits = value >= min && value <= max;
          expect(roundTrip(value, type)).toBe(fits ? (value === 0 ? 0 : value) : 'out_of_range');
        }),
      );
      for (const edge of [min, max]) expect(roundTrip(edge, type)).toBe(edge);
    }
  });

  it('comes back as it was, for doubles, texts and switches', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => roundTrip(n, DataType.Double) === n),
    );
    fc.assert(fc.property(fc.string(), (text) => roundTrip(text, DataType.String) === text));
    expect(roundTrip(true, DataType.Boolean)).toBe(true);
  });

  it.each([
    [21.5, DataType.Int16, 'wrong_type'],
    [70_000, DataType.UInt16, 'out_of_range'],
    [-1, DataType.Byte, 'out_of_range'],
    [1e300, DataType.Float, 'out_of_range'],
    [Number.NaN, DataType.Double, 'out_of_range'],
    [true, DataType.Double, 'wrong_type'],
    [1, DataType.Boolean, 'wrong_type'],
    ['21', DataType.Double, 'wrong_type'],
    [21, DataType.String, 'wrong_type'],
    [21, DataType.DateTime, 'wrong_type'],
  ])('is never converted: %s as type %s is %s', (value, type, reason) => {
    expect(roundTrip(value, type)).toBe(reason);
  });

  it('says in words what does not fit', () => {
    expect(encode('warm', DataType.Double)).toMatchObject({ message: "the text 'warm' is not a value of type Double" });
    expect(encode(70_000, DataType.UInt16)).toMatchObject({ message: '70000 does not fit into type UInt16' });
  });
});

describe('a value that was read', () => {
  const read = (variant: object, more: object = {}) =>
    toReading(REF, new DataValue({ value: new Variant(variant), statusCode: StatusCodes.Good, ...more }), 'live');

  it('carries the time of its source, and none when the source knows none', () => {
    const sourceTimestamp = new Date('2026-07-02T10:00:00Z');
    const variant = { dataType: DataType.Double, value: 18.5 };
    expect(read(variant, { sourceTimestamp })).toEqual({
      ...REF,
      value: 18.5,
      quality: 'good',
      quality_reason: null,
      provenance: 'live',
      observed_at: '2026-07-02T10:00:00.000Z',
    });
    expect(read(variant, { sourceTimestamp: new Date('1601-01-01T00:00:00Z') }).observed_at).toBeNull();
  });

  it('is missing when its status is bad, whatever came along with it', () => {
    const reading = read({ dataType: DataType.Double, value: 18.5 }, { statusCode: StatusCodes.BadSensorFailure });
    expect(reading).toMatchObject({ value: null, quality: 'bad', quality_reason: 'sensor_fault' });
  });

  it.each([
    ['an array', { dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1, 2] }, 'wrong_type'],
    ['nothing', { dataType: DataType.Null }, 'wrong_type'],
    ['bytes', { dataType: DataType.ByteString, value: Buffer.from('ab') }, 'wrong_type'],
    ['not a number', { dataType: DataType.Float, value: Number.NaN }, 'sensor_fault'],
    [
      'a number beyond exactness',
      { dataType: DataType.UInt64, arrayType: VariantArrayType.Scalar, value: [0xffff_ffff, 0xffff_ffff] },
      'out_of_range',
    ],
  ])('is bad when it is %s', (_what, variant, reason) => {
    expect(read(variant)).toMatchObject({ value: null, quality: 'bad', quality_reason: reason });
  });
});
