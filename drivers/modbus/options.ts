/** What a Modbus connection, device and point may say in the site file and its profiles. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';

const URL_PATTERN = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?$/;

/** The port that IANA gives to Modbus. */
const DEFAULT_PORT = 502;

export const connectionOptions = z.strictObject({
  url: z.string().regex(URL_PATTERN, 'expected tcp://host:port'),
  /** How long one answer may take; also bounds the attempt to connect. */
  timeout: duration.prefault('1s'),
  /** Silence between an answer and the next request, for serial lines behind a gateway that need it. */
  pause: duration.prefault('0ms'),
});

export const deviceOptions = z.strictObject({
  /** Unit id: 1–247 on a line behind a gateway; 0 or 255 where the device itself speaks TCP (Messaging on TCP/IP §4.4.2.1). */
  unit: z.union([z.int().min(0).max(247), z.literal(255)]),
});

export const TYPES = [
  'bool',
  'bit',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
  'string',
] as const;
export type PointType = (typeof TYPES)[number];

/** Order of the bytes as they come, `ABCD` being the standard's: high word first, high byte first. Eight bytes go alike. */
export const WORD_ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const;
export type WordOrder = (typeof WORD_ORDERS)[number];

/** Registers that a type takes; a string says so itself. */
export const REGISTERS: Readonly<Record<Exclude<PointType, 'string'>, number>> = {
  bool: 1,
  bit: 1,
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  int64: 4,
  uint64: 4,
  float32: 2,
  float64: 4,
};

const fields = z.strictObject({
  table: z.enum(['coil', 'discrete', 'input', 'holding']),
  /** As the device's manual prints it; `base` says whether its first address is 0 or 1. */
  address: z.int().min(0).max(65_536),
  base: z.union([z.literal(0), z.literal(1)]),
  type: z.enum(TYPES),
  word_order: z.enum(WORD_ORDERS).default('ABCD'),
  /** Registers that a string takes, two characters each. */
  length: z.int().min(1).max(123).optional(),
  /** Which bit of the register, 0 the lowest. */
  bit: z.int().min(0).max(15).optional(),
  /** value = raw × scale + offset. */
  scale: z
    .number()
    .refine((scale) => scale !== 0, 'a scale of 0 loses the value')
    .default(1),
  offset: z.number().default(0),
  /** Raw number to word; then the value is the word, on reading and on writing. */
  enum: z.record(z.string().regex(/^-?\d{1,10}$/, 'a raw number'), z.string().min(1)).optional(),
  /** Raw numbers that mean: no value. */
  invalid: z.array(z.number()).default([]),
  /** One register or coil: FC 6 and 5 when `single`, 16 and 15 when `multiple`. Left out: single, unless neighbours go along. */
  write_function: z.enum(['single', 'multiple']).optional(),
});

type Fields = z.output<typeof fields>;

/** What contradicts itself: the key and why. */
function contradictions(point: Fields): readonly (readonly [key: keyof Fields, message: string])[] {
  const bits = point.table === 'coil' || point.table === 'discrete';
  const plain = point.type === 'bool' || point.type === 'bit' || point.type === 'string';
  const wide = !bits && registersOf(point) > 1;
  const found: [boolean, keyof Fields, string][] = [
    [point.address < point.base, 'address', 'with base 1 the first address is 1'],
    [point.address - point.base + cellsOf(point) > 65_536, 'address', 'beyond the last address of the table'],
    [bits && point.type !== 'bool', 'type', `a ${point.table} holds a bool`],
    [(point.type === 'bit') !== (point.bit !== undefined), 'bit', 'type bit needs bit: 0 to 15, other types none'],
    [(point.type === 'string') !== (point.length !== undefined), 'length', 'type string needs length, in registers'],
    [plain && (point.scale !== 1 || point.offset !== 0), 'scale', `a ${point.type} has no scale or offset`],
    [point.enum !== undefined && !enumerable(point), 'enum', 'words are for bool, bit and whole numbers without scale'],
    [
      new Set(Object.values(point.enum ?? {})).size < Object.keys(point.enum ?? {}).length,
      'enum',
      'a word stands twice',
    ],
    [point.type === 'string' && /^(CDAB|DCBA)$/.test(point.word_order), 'word_order', 'a string is ABCD or BADC'],
    [wide && point.write_function === 'single', 'write_function', 'more than one register needs FC 16'],
  ];
  return found.filter(([wrong]) => wrong).map(([, key, message]) => [key, message]);
}

function enumerable(point: Fields): boolean {
  return !/^(float|string)/.test(point.type) && point.scale === 1 && point.offset === 0;
}

export const pointOptions = fields.superRefine((point, context) => {
  for (const [key, message] of contradictions(point)) context.addIssue({ code: 'custom', path: [key], message });
});

export type ConnectionOptions = z.output<typeof connectionOptions>;
export type DeviceOptions = z.output<typeof deviceOptions>;
export type PointOptions = Fields;

function registersOf(point: Fields): number {
  return point.type === 'string' ? (point.length ?? 1) : REGISTERS[point.type];
}

/** Cells of its table that a point takes: bits of a bit table, registers of the others. */
export function cellsOf(point: PointOptions): number {
  return point.table === 'coil' || point.table === 'discrete' ? 1 : registersOf(point);
}

/** The address on the wire, counted from 0. */
export function wireAddress(point: PointOptions): number {
  return point.address - point.base;
}

export function endpointOf(options: ConnectionOptions): { readonly host: string; readonly port: number } {
  const match = URL_PATTERN.exec(options.url);
  const host = (match?.[1] ?? '').replace(/^\[|\]$/g, '').toLowerCase();
  return { host, port: match?.[2] === undefined ? DEFAULT_PORT : Number(match[2]) };
}
