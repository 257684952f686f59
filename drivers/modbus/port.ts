/**
 * A port of ours for modbus-serial, in place of its TCP port: it does the framing of MODBUS Messaging on TCP/IP V1.0b §3 on a socket.
 * The library's own port cannot say whether bytes left, keeps silent about replies to foreign transactions, counts transactions in
 * eight bits, and leaves a request pending for ever when the peer closes; what a write is worth hangs on exactly these.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import crc16 from 'modbus-serial/utils/crc16.js';

/** What ended a request other than its reply. */
export type Fault =
  | { readonly kind: 'closed'; readonly message: string /** Closed by us, not lost. */; readonly ours: boolean }
  /** A frame that does not answer what was asked: nothing on this link can be trusted any more. */
  | { readonly kind: 'foreign'; readonly reason_code: string; readonly message: string };

interface Pending {
  readonly transaction: number;
  readonly unit: number;
  readonly code: number;
}

const HEADER = 7;
const LONGEST = 254;

export class FramingPort extends EventEmitter {
  /** The library's book of transactions. One request is in flight at a time, so that it needs one page; the wire has ids of ours. */
  readonly _transactionIdRead = 1;
  readonly _transactionIdWrite = 1;
  isOpen = true;
  /** The last request and its reply, as they were on the wire. */
  request: Buffer | null = null;
  reply: Buffer | null = null;
  readonly #socket: Socket;
  readonly #onFault: (fault: Fault) => void;
  #received: Buffer = Buffer.alloc(0);
  #pending: Pending | null = null;
  #transaction = 0;
  /** Requests given up on: their replies may still come, and are then dropped without harm. */
  readonly #abandoned = new Set<number>();

  constructor(socket: Socket, onFault: (fault: Fault) => void) {
    super();
    this.#socket = socket;
    this.#onFault = onFault;
  }

  /** Called by the library: from now on frames are taken in. */
  open(done: () => void): void {
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.once('close', () => this.#closed());
    done();
  }

  /** Called by the library with a frame as on a serial line: unit, PDU, checksum. It leaves within this call. */
  write(serial: Buffer): void {
    const body = serial.subarray(0, -2);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#abandoned.delete(this.#transaction);
    this.#pending = { transaction: this.#transaction, unit: body.readUInt8(0), code: body.readUInt8(1) };
    const frame = Buffer.alloc(6 + body.length);
    frame.writeUInt16BE(this.#transaction, 0);
    frame.writeUInt16BE(body.length, 4);
    body.copy(frame, 6);
    this.request = frame;
    this.reply = null;
    this.#socket.write(frame);
  }

  /** Gives up on the request in flight. Returns how many bytes of an unfinished frame had come. */
  abandon(): number {
    if (this.#pending !== null) this.#abandoned.add(this.#pending.transaction);
    this.#pending = null;
    return this.#received.length;
  }

  #closed(): void {
    const bytes = this.#received.length;
    const when = bytes > 0 ? ` after ${bytes} bytes of the answer` : this.#pending === null ? '' : ' before the answer';
    this.isOpen = false;
    this.#pending = null;
    this.#onFault({ kind: 'closed', message: `the other side closed the link${when}`, ours: false });
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.isOpen && this.#received.length >= HEADER) {
      const length = this.#received.readUInt16BE(4);
      if (this.#received.readUInt16BE(2) !== 0 || length < 2 || length > LONGEST) {
        this.#foreign('malformed', 'the answer is not a Modbus frame');
        return;
      }
      if (this.#received.length < 6 + length) return;
      const frame = this.#received.subarray(0, 6 + length);
      this.#received = this.#received.subarray(6 + length);
      this.#dispatch(frame);
    }
  }

  #dispatch(frame: Buffer): void {
    const transaction = frame.readUInt16BE(0);
    if (this.#abandoned.delete(transaction)) return;
    const asked = this.#pending;
    this.reply = frame;
    if (asked === null) return this.#foreign('wrong_transaction', `an answer to transaction ${transaction}, unasked`);
    if (transaction !== asked.transaction) {
      const message = `the answer is to transaction ${transaction} instead of ${asked.transaction}`;
      return this.#foreign('wrong_transaction', message);
    }
    const unit = frame.readUInt8(6);
    if (unit !== asked.unit) return this.#foreign('wrong_unit', `unit ${unit} answered instead of unit ${asked.unit}`);
    const code = frame.readUInt8(7);
    if ((code & 0x7f) !== asked.code) {
      return this.#foreign('wrong_function', `the answer is to function ${code} instead of ${asked.code}`);
    }
    this.#pending = null;
    this.#hand(frame.subarray(6));
  }

  /** The library takes frames as from a serial line, and may throw over one that is cut short. */
  #hand(body: Buffer): void {
    const serial = Buffer.alloc(body.length + 2);
    body.copy(serial);
    serial.writeUInt16LE(crc16(body), body.length);
    try {
      this.emit('data', serial);
    } catch {
      this.#foreign('malformed', 'the answer is cut short');
    }
  }

  #foreign(reason_code: string, message: string): void {
    this.isOpen = false;
    this.#pending = null;
    this.#onFault({ kind: 'foreign', reason_code, message });
  }
}
