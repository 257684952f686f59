/** The far ends of the wire, as cheap as can be, so that what is measured is the subject: an MQTT publisher and a Modbus memory. */
import { createServer, connect, type Server, type Socket } from 'node:net';

/** QoS 0 publisher of MQTT 3.1.1. What is published in one turn of the loop leaves in one write. */
export class Publisher {
  readonly #socket: Socket;
  #queued: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static connect(port: number): Promise<Publisher> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        const id = Buffer.from(`bench-${process.pid}-${socket.localPort}`);
        // CONNECT, protocol level 4, clean session, no keep-alive: MQTT 3.1.1 §3.1.
        const head = Buffer.from([0x10, 12 + id.length, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length]);
        socket.write(Buffer.concat([head, id]));
      });
      socket.once('data', () => resolve(new Publisher(socket)));
    });
  }

  publish(topic: string, payload: string): void {
    if (this.#queued.length === 0) setImmediate(() => this.#flush());
    this.#queued.push(packet(topic, payload));
  }

  /** Sends packets made beforehand, no faster than the socket takes them. */
  async pour(packets: readonly Buffer[]): Promise<void> {
    for (const chunk of packets) {
      if (!this.#socket.write(chunk)) await new Promise((resolve) => this.#socket.once('drain', resolve));
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    this.#socket.write(Buffer.concat(this.#queued));
    this.#queued = [];
  }
}

/** PUBLISH with QoS 0: MQTT 3.1.1 §3.3. */
export function packet(topic: string, payload: string): Buffer {
  const body = Buffer.from(`\0\0${topic}${payload}`);
  body.writeUInt16BE(Buffer.byteLength(topic), 0);
  const length: number[] = [];
  for (let rest = body.length; rest > 0 || length.length === 0; rest >>= 7)
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
  return Buffer.concat([Buffer.from([0x30, ...length]), body]);
}

const REGISTERS = 1_000;

/**
 * A Modbus TCP server whose units hold their registers: what is written is read back. It answers a chunk of requests with one write,
 * and knows FC 3, 6 and 16; to anything else it says exception 1, as a device without identification does.
 */
export class ModbusMemory {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #units = new Map<number, Uint16Array>();
  readonly #onWrite: (value: number) => void;

  /** `onWrite` is told of every value as it takes effect. */
  constructor(onWrite: (value: number) => void) {
    this.#onWrite = onWrite;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    let rest: Buffer = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const answers: Buffer[] = [];
      let at = 0;
      while (at + 8 <= bytes.length && at + 6 + bytes.readUInt16BE(at + 4) <= bytes.length) {
        const end = at + 6 + bytes.readUInt16BE(at + 4);
        answers.push(this.#answer(bytes.subarray(at, end)));
        at = end;
      }
      rest = Buffer.from(bytes.subarray(at));
      if (answers.length > 0) socket.write(answers.length === 1 ? (answers[0] as Buffer) : Buffer.concat(answers));
    });
  }

  #answer(request: Buffer): Buffer {
    const unit = request.readUInt8(6);
    const code = request.readUInt8(7);
    if (code !== 3 && code !== 6 && code !== 16) return exception(request);
    const registers = this.#units.get(unit) ?? new Uint16Array(REGISTERS);
    this.#units.set(unit, registers);
    const address = request.readUInt16BE(8);
    if (code === 3) return readAnswer(request, registers.subarray(address, address + request.readUInt16BE(10)));
    const value = request.readUInt16BE(code === 6 ? 10 : 13);
    registers[address] = value;
    this.#onWrite(value);
    const answer = Buffer.from(request.subarray(0, 12));
    answer.writeUInt16BE(6, 4);
    return answer;
  }
}

function readAnswer(request: Buffer, registers: Uint16Array): Buffer {
  const answer = Buffer.alloc(9 + 2 * registers.length);
  request.copy(answer, 0, 0, 8);
  answer.writeUInt16BE(3 + 2 * registers.length, 4);
  answer.writeUInt8(2 * registers.length, 8);
  registers.forEach((value, i) => answer.writeUInt16BE(value, 9 + 2 * i));
  return answer;
}

function exception(request: Buffer): Buffer {
  const answer = Buffer.alloc(9);
  request.copy(answer, 0, 0, 8);
  answer.writeUInt16BE(3, 4);
  answer.writeUInt8(request.readUInt8(7) | 0x80, 7);
  answer.writeUInt8(1, 8);
  return answer;
}
