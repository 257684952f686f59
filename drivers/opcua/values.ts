/** Values on the wire and values of points. Built-in types: OPC 10000-6 clause 5.1.2. */
import {
  badReading,
  LIMITS,
  type PointRef,
  type PointValue,
  type Provenance,
  type QualityReason,
  type Reading,
} from '@fibric/sdk';
import { qualityOf } from './quality.ts';
import { DataType, type DataValue, Variant, VariantArrayType } from './ua.ts';

type Value = Exclude<PointValue, null>;
type Decoded =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'none'; readonly reason: QualityReason };

/** 64-bit integers come as two halves, high first. */
function wide(halves: readonly number[], signed: boolean): number | null {
  const [high = 0, low = 0] = halves;
  const value = BigInt(high >>> 0) * 2n ** 32n + BigInt(low >>> 0);
  const number = Number(signed ? BigInt.asIntN(64, value) : value);
  return Number.isSafeInteger(number) ? number : null;
}

function decodeNumber(value: number | null): Decoded {
  if (value === null) return { kind: 'none', reason: 'out_of_range' };
  // A device says with NaN or an infinity that it has no measurement.
  return Number.isFinite(value) ? { kind: 'value', value } : { kind: 'none', reason: 'sensor_fault' };
}

function decodeText(text: string): Decoded {
  return text.length > LIMITS.rowBytes ? { kind: 'none', reason: 'malformed' } : { kind: 'value', value: text };
}

function decodeDate(date: { getTime(): number; toISOString(): string }): Decoded {
  return Number.isNaN(date.getTime())
    ? { kind: 'none', reason: 'malformed' }
    : { kind: 'value', value: date.toISOString() };
}

/** The value of a variant; arrays, byte strings and structures are no point's value. */
export function decode(variant: Variant | null | undefined): Decoded {
  const none: Decoded = { kind: 'none', reason: 'wrong_type' };
  if (
    !variant ||
    variant.arrayType !== VariantArrayType.Scalar ||
    variant.value === null ||
    variant.value === undefined
  )
    return none;
  switch (variant.dataType) {
    case DataType.Boolean:
      return { kind: 'value', value: variant.value as boolean };
    case DataType.SByte:
    case DataType.Byte:
    case DataType.Int16:
    case DataType.UInt16:
    case DataType.Int32:
    case DataType.UInt32:
    case DataType.Float:
    case DataType.Double:
      return decodeNumber(variant.value as number);
    case DataType.Int64:
    case DataType.UInt64:
      return decodeNumber(wide(variant.value as number[], variant.dataType === DataType.Int64));
    case DataType.String:
    case DataType.Guid:
      return decodeText(variant.value as string);
    case DataType.DateTime:
      return decodeDate(variant.value as { getTime(): number; toISOString(): string });
    case DataType.LocalizedText:
      return decodeText((variant.value as { text: string | null }).text ?? '');
    default:
      return none;
  }
}

/** A server that knows no time sends the start of its calendar, 1601. */
function observedAt(value: DataValue): string | null {
  const at = value.sourceTimestamp;
  return at && at.getTime() > 0 ? at.toISOString() : null;
}

/** What a server said of a point. */
export function toReading(ref: PointRef, dataValue: DataValue, provenance: Provenance): Reading {
  const { quality, reason } = qualityOf(dataValue.statusCode);
  if (quality === 'bad') return badReading(ref, reason ?? 'device_error', provenance);
  const decoded = decode(dataValue.value);
  if (decoded.kind === 'none') return badReading(ref, decoded.reason, provenance);
  return {
    device: ref.device,
    point: ref.point,
    value: decoded.value,
    quality,
    quality_reason: reason,
    provenance,
    observed_at: observedAt(dataValue),
  };
}

export type Encoded =
  | { readonly kind: 'variant'; readonly variant: Variant }
  | { readonly kind: 'unfit'; readonly reason_code: 'wrong_type' | 'out_of_range'; readonly message: string };

/** Lowest and highest of the integers; 64 bits only as far as a number is exact. */
const INTEGERS: Readonly<Partial<Record<DataType, readonly [number, number]>>> = {
  [DataType.SByte]: [-128, 127],
  [DataType.Byte]: [0, 255],
  [DataType.Int16]: [-32_768, 32_767],
  [DataType.UInt16]: [0, 65_535],
  [DataType.Int32]: [-2_147_483_648, 2_147_483_647],
  [DataType.UInt32]: [0, 4_294_967_295],
  [DataType.Int64]: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [DataType.UInt64]: [0, Number.MAX_SAFE_INTEGER],
};

function unfit(reason: 'wrong_type' | 'out_of_range', type: DataType, value: Value): Encoded {
  const shown = typeof value === 'string' ? `the text '${value.slice(0, 80)}'` : String(value);
  const why = reason === 'wrong_type' ? 'is not a value of type' : 'does not fit into type';
  return { kind: 'unfit', reason_code: reason, message: `${shown} ${why} ${DataType[type]}` };
}

function encodeInteger(value: number, type: DataType, [low, high]: readonly [number, number]): Encoded {
  if (!Number.isInteger(value)) return unfit('wrong_type', type, value);
  if (value < low || value > high) return unfit('out_of_range', type, value);
  if (type !== DataType.Int64 && type !== DataType.UInt64) {
    return { kind: 'variant', variant: new Variant({ dataType: type, value }) };
  }
  const bits = BigInt.asUintN(64, BigInt(value));
  const halves = [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
  return {
    kind: 'variant',
    variant: new Variant({ dataType: type, arrayType: VariantArrayType.Scalar, value: halves }),
  };
}

/** The largest finite single-precision number. */
const FLOAT_MAX = 3.402_823_466_385_288_6e38;

/** A value as the node's own type; nothing is converted from one kind to another. */
export function encode(value: Value, type: DataType): Encoded {
  const integers = INTEGERS[type];
  if (typeof value === 'number' && integers !== undefined) return encodeInteger(value, type, integers);
  if (typeof value === 'number' && (type === DataType.Double || type === DataType.Float)) {
    const fits = Number.isFinite(value) && (type === DataType.Double || Math.abs(value) <= FLOAT_MAX);
    return fits
      ? { kind: 'variant', variant: new Variant({ dataType: type, value }) }
      : unfit('out_of_range', type, value);
  }
  const same =
    (typeof value === 'boolean' && type === DataType.Boolean) ||
    (typeof value === 'string' && type === DataType.String);
  return same ? { kind: 'variant', variant: new Variant({ dataType: type, value }) } : unfit('wrong_type', type, value);
}
