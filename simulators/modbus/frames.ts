/**
 * Modbus TCP frames as the simulated devices see them: requests in, answers out.
 * Written from MODBUS Application Protocol V1.1b3 and MODBUS Messaging on TCP/IP V1.0b, and sharing nothing with the driver:
 * a simulator with the driver's codec would agree with its mistakes.
 */

export type Table = 'coil' | 'discrete' | 'input' | 'holding';

/** Exception codes, Application Protocol §7. */
export const EXCEPTION = {
  illegal_function: 1,
  illegal_address: 2,
  illegal_value: 3,
  device_failure: 4,
  acknowledge: 5,
  busy: 6,
  gateway_path: 0x0a,
  gateway_target: 0x0b,
} as const;

/** One frame off the wire: the MBAP header (Messaging §3.1.3) and the PDU behind it. */
export interface Frame {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Buffer;
}

/** What a request asks for. Bits are 0 or 1; `values` is null for a read. */
export interface Request {
  readonly unit: number;
  readonly function: number;
  readonly table: Table | null;
  readonly address: number;
  readonly count: number;
  readonly values: readonly number[] | null;
}

const HEADER = 7;
/** The longest PDU is 253 bytes (Application Protocol §4.1); the length field also counts the unit. */
const LONGEST = 254;

/** Takes whole frames off the front of `buffer`. `broken`: what follows cannot be Modbus, and the link is to be closed. */
export function takeFrames(buffer: Buffer): { frames: Frame[]; rest: Buffer; broken: boolean } {
  const frames: Frame[] = [];
  let rest = buffer;
  while (rest.length >= HEADER) {
    const length = rest.readUInt16BE(4);
    if (rest.readUInt16BE(2) !== 0 || length < 2 || length > LONGEST) return { frames, rest, broken: true };
    if (rest.length < 6 + length) break;
    frames.push({
      transaction: rest.readUInt16BE(0),
      unit: rest.readUInt8(6),
      pdu: rest.subarray(HEADER, 6 + length),
    });
    rest = rest.subarray(6 + length);
  }
  return { frames, rest, broken: false };
}

/** The bytes of one frame. */
export function putFrame(frame: Frame): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(frame.transaction, 0);
  header.writeUInt16BE(frame.pdu.length + 1, 4);
  header.writeUInt8(frame.unit, 6);
  return Buffer.concat([header, frame.pdu]);
}

const TABLES: Readonly<Record<number, Table>> = {
  1: 'coil',
  2: 'discrete',
  3: 'holding',
  4: 'input',
  5: 'coil',
  6: 'holding',
  15: 'coil',
  16: 'holding',
};

/** Reads a request's PDU, or says with which exception it is to be refused. */
export function parseRequest(frame: Frame): Request | { readonly exception: number } {
  const pdu = frame.pdu;
  const code = pdu.readUInt8(0);
  if (code === 43) return { unit: frame.unit, function: 43, table: null, address: 0, count: 0, values: null };
  const table = TABLES[code];
  if (table === undefined) return { exception: EXCEPTION.illegal_function };
  if (pdu.length < 5) return { exception: EXCEPTION.illegal_value };
  const head = { unit: frame.unit, function: code, table, address: pdu.readUInt16BE(1) };
  const second = pdu.readUInt16BE(3);
  switch (code) {
    case 1:
    case 2:
      return bounded({ ...head, count: second, values: null }, 2000);
    case 3:
    case 4:
      return bounded({ ...head, count: second, values: null }, 125);
    case 5:
      if (second !== 0xff00 && second !== 0) return { exception: EXCEPTION.illegal_value };
      return { ...head, count: 1, values: [second === 0 ? 0 : 1] };
    case 6:
      return { ...head, count: 1, values: [second] };
    default:
      return parseMultiple(head, second, pdu);
  }
}

function parseMultiple(
  head: { unit: number; function: number; table: Table; address: number },
  count: number,
  pdu: Buffer,
): Request | { readonly exception: number } {
  const bytes = head.table === 'coil' ? Math.ceil(count / 8) : count * 2;
  if (pdu.length !== 6 + bytes || pdu.readUInt8(5) !== bytes) return { exception: EXCEPTION.illegal_value };
  const values = Array.from({ length: count }, (_, i) =>
    head.table === 'coil' ? (pdu.readUInt8(6 + (i >> 3)) >> (i & 7)) & 1 : pdu.readUInt16BE(6 + 2 * i),
  );
  return bounded({ ...head, count, values }, head.table === 'coil' ? 1968 : 123);
}

function bounded(request: Request, most: number): Request | { readonly exception: number } {
  if (request.count < 1 || request.count > most) return { exception: EXCEPTION.illegal_value };
  if (request.address + request.count > 0x10000) return { exception: EXCEPTION.illegal_address };
  return request;
}

/** The answer to a read: bits packed low bit first (§6.1), registers high byte first (§6.3). */
export function readAnswer(request: Request, values: readonly number[]): Buffer {
  const bits = request.table === 'coil' || request.table === 'discrete';
  const body = Buffer.alloc(bits ? Math.ceil(values.length / 8) : values.length * 2);
  values.forEach((value, i) => {
    if (!bits) body.writeUInt16BE(value, 2 * i);
    else if (value !== 0) body.writeUInt8(body.readUInt8(i >> 3) | (1 << (i & 7)), i >> 3);
  });
  return Buffer.concat([Buffer.from([request.function, body.length]), body]);
}

/** The answer to a write: the request again (FC 5, 6), or address and count (FC 15, 16). */
export function writeAnswer(request: Request): Buffer {
  const pdu = Buffer.alloc(5);
  const single = request.values?.[0] ?? 0;
  pdu.writeUInt8(request.function, 0);
  pdu.writeUInt16BE(request.address, 1);
  if (request.function === 5) pdu.writeUInt16BE(single === 0 ? 0 : 0xff00, 3);
  else pdu.writeUInt16BE(request.function === 6 ? single : request.count, 3);
  return pdu;
}

export function exceptionAnswer(code: number, exception: number): Buffer {
  return Buffer.from([code | 0x80, exception]);
}

/** The answer to FC 43/14, basic identification (§6.21): vendor name, product code, revision, in one go. */
export function identityAnswer(objects: readonly string[]): Buffer {
  const list = objects.map((text, id) => {
    const bytes = Buffer.from(text, 'ascii');
    return Buffer.concat([Buffer.from([id, bytes.length]), bytes]);
  });
  return Buffer.concat([Buffer.from([43, 14, 1, 1, 0, 0, objects.length]), ...list]);
}
