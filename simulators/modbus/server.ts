/**
 * A Modbus TCP server of simulated units on node:net. It answers at once, without timers, but for the faults that are about time.
 * It identifies itself (FC 43/14) as the simulator of its world, so that a live site cannot take its values for real ones.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '@fibric/sdk';
import { EXCEPTION, exceptionAnswer, identityAnswer, parseRequest, putFrame, takeFrames } from './frames.ts';
import type { Frame, Request } from './frames.ts';
import { reply, type Answer, type ModbusUnit, type WriteHook } from './unit.ts';

export * from './behaviours.ts';
export { EXCEPTION, type Request, type Table } from './frames.ts';
export { ModbusUnit, type Answer, type Behaviour, type UnitOptions, type WriteHook } from './unit.ts';

export interface ModbusServerOptions {
  /** The world it belongs to; null: a device that has no identification and answers FC 43 with exception 1. */
  readonly world: string | null;
  readonly units: readonly ModbusUnit[];
  /** Real time, for answers that come late. */
  readonly clock: Clock;
  /** Sees every write that took effect, after it did. */
  readonly onWrite?: WriteHook;
  /** Sees every request as it arrives, before any behaviour. */
  readonly onRequest?: (request: Request) => void;
}

export interface ModbusServer {
  /** Listens; port 0 takes a free one. */
  start(port?: number, host?: string): Promise<{ readonly port: number }>;
  /** Closes every link and stops listening. Can be started again. */
  stop(): Promise<void>;
  /** Resets every open link and goes on listening. */
  drop(): void;
  /** How many links are open. */
  links(): number;
}

export function createModbusServer(options: ModbusServerOptions): ModbusServer {
  const units = new Map(options.units.map((unit) => [unit.id, unit]));
  const sockets = new Set<Socket>();
  let server: Server | null = null;

  function accept(socket: Socket): void {
    sockets.add(socket);
    let pending = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const taken = takeFrames(Buffer.concat([pending, chunk]));
      pending = Buffer.from(taken.rest);
      for (const frame of taken.frames) send(options.clock, socket, frame, answerTo(frame));
      if (taken.broken) socket.destroy();
    });
  }

  function answerTo(frame: Frame): Answer {
    const request = parseRequest(frame);
    const code = frame.pdu.readUInt8(0);
    if ('exception' in request) return reply(exceptionAnswer(code, request.exception));
    options.onRequest?.(request);
    const unit = units.get(frame.unit);
    // A gateway says so when there is nobody behind a unit id (Application Protocol §7, code 0x0B).
    if (!unit) return reply(exceptionAnswer(code, EXCEPTION.gateway_target));
    if (code !== 43) return unit.answer(request, options.onWrite ?? (() => {}));
    return identified(unit, request, frame.pdu);
  }

  /** Behaviours see FC 43 as well, so that a dead unit is dead for it too. */
  function identified(unit: ModbusUnit, request: Request, pdu: Buffer): Answer {
    const answer = unit.answer(request, () => {});
    const untouched = answer.kind === 'reply' && answer.pdu.equals(exceptionAnswer(43, EXCEPTION.illegal_function));
    if (!untouched || options.world === null) return answer;
    if (pdu.length < 4 || pdu.readUInt8(1) !== 14) return answer;
    return { ...answer, pdu: identityAnswer(['Fibric simulator', options.world, '1.0']) };
  }

  return {
    start: (port = 0, host = '127.0.0.1') =>
      new Promise((resolve, reject) => {
        const listening = createServer(accept);
        server = listening;
        listening.once('error', reject);
        listening.listen(port, host, () => {
          const address = listening.address();
          resolve({ port: typeof address === 'object' && address !== null ? address.port : port });
        });
      }),
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        if (server === null) resolve();
        else server.close(() => resolve());
        server = null;
      }),
    drop: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    links: () => sockets.size,
  };
}

function send(clock: Clock, socket: Socket, frame: Frame, answer: Answer): void {
  if (answer.kind === 'silent') return;
  const bytes = putFrame({
    transaction: (frame.transaction + (answer.transactionOffset ?? 0)) & 0xffff,
    unit: answer.unit ?? frame.unit,
    pdu: answer.pdu,
  });
  const now = (): void => {
    if (answer.cutAfter !== undefined) socket.end(bytes.subarray(0, answer.cutAfter));
    else if (answer.byteGapMs !== undefined) dribble(clock, socket, bytes, answer.byteGapMs);
    else if (!socket.destroyed) socket.write(bytes);
  };
  if (answer.afterMs === undefined) now();
  else clock.after(answer.afterMs, now);
}

function dribble(clock: Clock, socket: Socket, bytes: Buffer, gapMs: number): void {
  if (socket.destroyed || bytes.length === 0) return;
  socket.write(bytes.subarray(0, 1), () => clock.after(gapMs, () => dribble(clock, socket, bytes.subarray(1), gapMs)));
}
