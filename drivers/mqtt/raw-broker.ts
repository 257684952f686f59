/**
 * For tests: a broker that says exactly what it is told to, also what no broker should. Frames by hand (MQTT 3.1.1 §2 and §3,
 * MQTT 5 §2 and §3), so that it shares no mistake with the client's library.
 */
import { type Server, type Socket, createServer } from 'node:net';

export interface RawPublish {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
}

const CONNECT = 1;
const PUBLISH = 3;
const SUBSCRIBE = 8;
const UNSUBSCRIBE = 10;
const PINGREQ = 12;

export class RawBroker {
  /** Reason codes that it answers with; null: it does not answer. */
  connack: number | null = 0;
  suback: number | null = 1;
  unsuback: number | null = 0;
  puback: (message: RawPublish) => number | null = () => 0;
  /** What arrived. */
  readonly published: RawPublish[] = [];
  /** The properties that came with it (MQTT 5), as bytes. */
  readonly properties: string[] = [];
  readonly filters: string[][] = [];
  readonly connects: Buffer[] = [];
  readonly sockets = new Set<Socket>();
  #server: Server | null = null;
  #level = 4;

  async start(): Promise<number> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.drop();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }

  drop(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  send(topic: string, payload: string | Buffer, { qos = 1, retain = false, dup = false } = {}): void {
    const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    const id = qos > 0 ? [Buffer.from([0, 7])] : [];
    const properties = this.#level === 5 ? [Buffer.from([0])] : [];
    this.sendRaw(frame(PUBLISH, flags, Buffer.concat([text(topic), ...id, ...properties, Buffer.from(payload)])));
  }

  sendRaw(bytes: Buffer): void {
    for (const socket of this.sockets) socket.write(bytes);
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.sockets.delete(socket));
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const length = varint(rest, 1);
        if (length === null || rest.length < length.next + length.value) return;
        const head = rest[0] ?? 0;
        const body = rest.subarray(length.next, length.next + length.value);
        rest = rest.subarray(length.next + length.value);
        this.#take(socket, head >> 4, head & 15, body);
      }
    });
  }

  #take(socket: Socket, type: number, flags: number, body: Buffer): void {
    const five = body[6] === 5;
    if (type === CONNECT) {
      this.connects.push(body);
      this.#level = body[6] ?? 4;
      if (this.connack !== null) socket.write(frame(2, 0, Buffer.from([0, this.connack, ...(five ? [0] : [])])));
    } else if (type === SUBSCRIBE) {
      this.#subscribe(socket, body);
    } else if (type === UNSUBSCRIBE && this.unsuback !== null) {
      socket.write(
        frame(11, 0, this.#level === 5 ? Buffer.from([...body.subarray(0, 2), 0, 0x11]) : body.subarray(0, 2)),
      );
    } else if (type === PUBLISH) {
      this.#published(socket, flags, body);
    } else if (type === PINGREQ) {
      socket.write(frame(13, 0, Buffer.alloc(0)));
    }
  }

  #subscribe(socket: Socket, body: Buffer): void {
    const filters: string[] = [];
    for (let at = this.#level === 5 ? 3 : 2; at < body.length; ) {
      const length = body.readUInt16BE(at);
      filters.push(body.toString('utf8', at + 2, at + 2 + length));
      at += 2 + length + 1;
    }
    this.filters.push(filters);
    if (this.suback === null) return;
    const properties = this.#level === 5 ? [0] : [];
    socket.write(
      frame(9, 0, Buffer.from([...body.subarray(0, 2), ...properties, ...filters.map(() => this.suback ?? 0)])),
    );
  }

  #published(socket: Socket, flags: number, body: Buffer): void {
    const qos = (flags >> 1) & 3;
    const topicEnd = 2 + body.readUInt16BE(0);
    const idEnd = qos > 0 ? topicEnd + 2 : topicEnd;
    const properties = this.#level === 5 ? varint(body, idEnd) : null;
    const start = properties === null ? idEnd : properties.next + properties.value;
    const message = {
      topic: body.toString('utf8', 2, topicEnd),
      payload: body.toString('utf8', start),
      qos,
      retain: (flags & 1) === 1,
      dup: (flags & 8) === 8,
    };
    this.published.push(message);
    this.properties.push(body.toString('latin1', idEnd, start));
    const code = this.puback(message);
    if (qos === 0 || code === null) return;
    const id = body.subarray(topicEnd, topicEnd + 2);
    socket.write(frame(4, 0, this.#level === 5 ? Buffer.from([...id, code, 0]) : id));
  }
}

function frame(type: number, flags: number, body: Buffer): Buffer {
  const length: number[] = [];
  let rest = body.length;
  do {
    const more = rest > 127;
    length.push((rest % 128) | (more ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([(type << 4) | flags, ...length]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

function varint(bytes: Buffer, at: number): { readonly value: number; readonly next: number } | null {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return null;
    value += (byte & 127) * 128 ** i;
    if (byte < 128) return { value, next: at + i + 1 };
  }
  return null;
}
