/**
 * One TCP link to a Modbus server, with one request in flight. The only file that knows modbus-serial.
 *
 * M5 Every request ends: with its answer, after its time, or at once when the link closes.
 * M6 What comes back is believed only if transaction, unit, function and length are those of the request.
 */
import { Socket } from 'node:net';
import type { Clock } from '@fibric/sdk';
import { messageOf } from '@fibric/sdk';
import modbusSerial from 'modbus-serial';
import { FramingPort, type Fault } from './port.ts';

export type Pdu =
  | { readonly function: 1 | 2 | 3 | 4; readonly address: number; readonly count: number }
  | { readonly function: 5 | 6 | 15 | 16; readonly address: number; readonly cells: readonly number[] }
  /** Read device identification, basic objects: Application Protocol V1.1b3 §6.21. */
  | { readonly function: 43 };

/** How a request ended. */
export type Outcome =
  | { readonly kind: 'cells'; readonly cells: readonly number[] }
  | { readonly kind: 'written' }
  | { readonly kind: 'identity'; readonly objects: Readonly<Record<number, string>> }
  | { readonly kind: 'exception'; readonly code: number }
  | { readonly kind: 'timeout'; readonly message: string }
  | Fault
  /** Nothing left the box. */
  | { readonly kind: 'not_sent'; readonly message: string };

/** A request with what was said on the wire. */
export interface Exchange {
  readonly outcome: Outcome;
  readonly request: Buffer | null;
  readonly reply: Buffer | null;
  readonly latencyMs: number;
}

/** The library's class; the call below is declared for its promise API only, which goes by a unit id that the client shares. */
type Client = InstanceType<typeof modbusSerial.default> & {
  writeFC43?(unit: number, code: number, object: number, done: (e: Error | null, r?: { data: object }) => void): void;
};

/** Requests in a row without a byte of answer, after which the link itself is taken for dead. */
const SILENT_LIMIT = 3;

/**
 * When does a silent unit cost the link? Behind a TCP-to-serial gateway live many units, and one that is dead must not take the
 * link of the others down: a request that times out with no byte of its answer is given up alone, and a late answer to it is known
 * by its transaction id and dropped. The link goes down when its bytes can no longer be told apart (an answer that stopped half-way, or
 * one that nobody asked for), and when three requests in a row, whoever they were for, brought nothing at all.
 */
export class Link {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onEnd: (why: string) => void;
  readonly #port: FramingPort;
  readonly #client: Client;
  #settle: ((outcome: Outcome) => void) | null = null;
  #silent = 0;
  #ended = false;
  /** Answers that made sense. */
  answers = 0;

  constructor(socket: Socket, clock: Clock, onEnd: (why: string) => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#port = new FramingPort(socket, (fault) => this.#fault(fault));
    this.#client = new modbusSerial.default(this.#port);
    this.#client.on('error', () => {});
  }

  open(): void {
    this.#client.open(() => {});
  }

  /** One request and its answer. Sends within this call or not at all; never rejects. */
  exchange(unit: number, pdu: Pdu, timeoutMs: number): Promise<Exchange> {
    if (this.#settle !== null) throw new Error('a request is in flight already');
    const startedMs = this.#clock.monoMs();
    if (this.#ended || !this.#socket.writable) return Promise.resolve(notSent('the link is closed'));
    if (timeoutMs <= 0) return Promise.resolve(notSent('no time was left to send it'));
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => this.#timeout(unit, timeoutMs));
      this.#settle = (outcome) => {
        timer.cancel();
        this.#settle = null;
        const { request, reply } = this.#port;
        resolve({ outcome, request, reply, latencyMs: this.#clock.monoMs() - startedMs });
      };
      this.#send(unit, pdu);
    });
  }

  /** Ends the link abortively, so that what is on its way is not delivered late. */
  close(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.resetAndDestroy();
    this.#settle?.({ kind: 'closed', message: why, ours: true });
    this.#onEnd(why);
  }

  get closed(): boolean {
    return this.#ended;
  }

  #send(unit: number, pdu: Pdu): void {
    const client = this.#client;
    const read = (error: Error | null, result?: { data: readonly (number | boolean)[] }): void => {
      this.#answer(error, () => cellsOf(result?.data ?? [], pdu));
    };
    const wrote = (error: Error | null, result?: { address: number }): void => {
      this.#answer(error, () => ('address' in pdu && result?.address === pdu.address ? { kind: 'written' } : null));
    };
    switch (pdu.function) {
      case 1:
        return client.writeFC1(unit, pdu.address, pdu.count, read);
      case 2:
        return client.writeFC2(unit, pdu.address, pdu.count, read);
      case 3:
        return client.writeFC3(unit, pdu.address, pdu.count, read);
      case 4:
        return client.writeFC4(unit, pdu.address, pdu.count, read);
      case 5:
        return client.writeFC5(unit, pdu.address, pdu.cells[0] === 1, wrote);
      case 6:
        return client.writeFC6(unit, pdu.address, pdu.cells[0] ?? 0, wrote);
      case 15:
        return client.writeFC15(unit, pdu.address, pdu.cells.map(Boolean), wrote);
      case 16:
        return client.writeFC16(unit, pdu.address, [...pdu.cells], wrote);
      case 43:
        return this.#identify(unit);
    }
  }

  #identify(unit: number): void {
    this.#client.writeFC43?.(unit, 1, 0, (error, result) => {
      this.#answer(error, () => ({ kind: 'identity', objects: { ...(result?.data as Record<number, string>) } }));
    });
  }

  #answer(error: Error | null, outcome: () => Outcome | null): void {
    const code = (error as { modbusCode?: number } | null)?.modbusCode;
    const result = error === null ? outcome() : code === undefined ? null : { kind: 'exception' as const, code };
    if (result === null) {
      const detail = error === null ? 'it is not about what was asked' : messageOf(error);
      return this.#fault({ kind: 'foreign', reason_code: 'malformed', message: `the answer does not fit: ${detail}` });
    }
    this.#silent = 0;
    this.answers += 1;
    this.#settle?.(result);
  }

  #timeout(unit: number, timeoutMs: number): void {
    const bytes = this.#port.abandon();
    this.#silent += 1;
    const message =
      bytes > 0
        ? `unit ${unit} sent only ${bytes} bytes of its answer within ${timeoutMs} ms`
        : `unit ${unit} did not answer within ${timeoutMs} ms`;
    this.#settle?.({ kind: 'timeout', message });
    if (bytes > 0) this.close('an answer stopped half-way');
    else if (this.#silent >= SILENT_LIMIT) this.close(`${SILENT_LIMIT} requests in a row went unanswered`);
  }

  #fault(fault: Fault): void {
    this.#settle?.(fault);
    this.close(fault.message);
  }
}

function notSent(message: string): Exchange {
  return { outcome: { kind: 'not_sent', message }, request: null, reply: null, latencyMs: 0 };
}

/** The library rounds bits up to whole bytes, and believes the byte count of the answer: ours is the last word. */
function cellsOf(data: readonly (number | boolean)[], pdu: Pdu): Outcome | null {
  if (!('count' in pdu)) return null;
  const bits = pdu.function === 1 || pdu.function === 2;
  if (bits ? data.length !== Math.ceil(pdu.count / 8) * 8 : data.length !== pdu.count) return null;
  return { kind: 'cells', cells: data.slice(0, pdu.count).map(Number) };
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Connects a fresh socket. Resolves with it, or with why there is none; `signal` gives up. */
export function connectSocket(
  target: Target,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = new Socket();
    const timer = clock.after(timeoutMs, () => done(`no connection to ${where(target)} within ${timeoutMs} ms`));
    const abort = (): void => done('stopped');
    const fail = (error: Error): void => done(`no connection to ${where(target)}: ${codeOf(error)}`);
    function done(result: Socket | string): void {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', fail);
      socket.on('error', () => {});
      if (typeof result === 'string') socket.destroy();
      resolve(result);
    }
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.connect(target, () => done(socket));
  });
}

export function where(target: Target): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
