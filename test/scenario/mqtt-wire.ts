/** An MQTT 3.1.1 publisher written by hand, so that it can also say what no library would. */
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { waitFor } from '../support/wait.ts';

/** MQTT 3.1.1 §2.2.1 */
const CONNECT = 0x10;
const PUBLISH_QOS_1 = 0x32;

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Fixed header with the remaining length, seven bits a byte (§2.2.3), and the body. */
function frame(head: number, body: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7)
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.from([head, ...length]), body]);
}

export class Publisher {
  readonly #socket: Socket;
  #answers = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (chunk: Buffer) => void (this.#answers = Buffer.concat([this.#answers, chunk])));
    this.#socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<Publisher> {
    const publisher = new Publisher(port);
    const clean = 2;
    publisher.send(
      frame(CONNECT, Buffer.concat([text('MQTT'), Buffer.from([4, clean, 0, 60]), text(`test-${randomUUID()}`)])),
    );
    await publisher.#answered(4, 'CONNACK');
    return publisher;
  }

  /** Publishes with QoS 1. Resolves with whether the broker took it; false: it closed the connection instead. */
  async publish(topic: string, payload: Buffer | string): Promise<boolean> {
    this.send(frame(PUBLISH_QOS_1, Buffer.concat([text(topic), Buffer.from([0, 1]), Buffer.from(payload)])));
    return this.#answered(4, 'PUBACK');
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #answered(bytes: number, what: string): Promise<boolean> {
    await waitFor(what, () => this.#answers.length >= bytes || this.closed);
    const answered = this.#answers.length >= bytes;
    this.#answers = this.#answers.subarray(bytes);
    return answered;
  }
}
