/**
 * One operator host process and its pipes.
 *
 * H1 A line longer than the cap is cut off before it is parsed (`lines.ts`), and the process with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable, Writable } from 'node:stream';
import { type Clock, LIMITS, type Log } from '@fibric/sdk';
import { createLineReader } from './lines.ts';
import { createOutput } from './output.ts';
import type { HostCommand } from './sandbox.ts';
import type { ToHost } from './wire.ts';

/** Why a host is no more. */
export interface End {
  readonly reason_code: string;
  readonly reason: string;
}

export interface LinkOptions {
  readonly operator: string;
  readonly folder: string;
  readonly command: HostCommand;
  readonly log: Log;
  readonly clock: Clock;
  readonly onLine: (line: string) => void;
  /** Once, when the process has ended or is as good as ended. */
  readonly onEnd: (end: End) => void;
}

export interface Link {
  /** Frames of one turn of the event loop leave in one write. */
  send(frame: ToHost): void;
  kill(): void;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
}

function start({ command, folder }: LinkOptions): ChildProcess {
  return spawn(command.file, command.args, {
    cwd: folder,
    env: {},
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    ...(command.uid === null ? {} : { uid: command.uid, gid: command.uid }),
  });
}

function endOf(code: number | null, signal: string | null, tail: string): End {
  if (/out of memory|allocation failed/i.test(tail)) {
    return {
      reason_code: 'out_of_memory',
      reason: `it used more memory than an operator may (${LIMITS.hostHeapMib} MiB of heap)`,
    };
  }
  const last = tail
    .trim()
    .split('\n')
    .find((line) => /error/i.test(line))
    ?.trim()
    .slice(0, 200);
  return {
    reason_code: 'crashed',
    reason: `its host ended with ${signal ?? `exit code ${code}`}${last ? `: ${last}` : ''}`,
  };
}

export function openLink(options: LinkOptions): Link {
  const child = start(options);
  const output = createOutput(options.operator, options.log, options.clock);
  const stdin = child.stdin as Writable;
  const frames = child.stdio[3] as Duplex;
  let ended = false;
  let queued = '';

  function end(why: End): void {
    if (ended) return;
    ended = true;
    child.kill('SIGKILL');
    options.onEnd(why);
  }

  const reader = createLineReader({
    maxBytes: LIMITS.hostFrameBytes,
    onLine: (line) => {
      if (!ended) options.onLine(line);
    },
    onOverflow: () =>
      end({ reason_code: 'plan_too_large', reason: `more than ${LIMITS.hostFrameBytes} bytes in one answer` }),
  });
  frames.on('data', (chunk: Buffer) => reader.push(chunk));
  for (const printed of [child.stdout, child.stderr] as Readable[])
    printed.on('data', (chunk: Buffer) => output.push(chunk));
  // A process that dies takes its pipes with it; the exit says all there is to say.
  for (const pipe of [stdin, frames]) pipe.on('error', () => {});

  const gone = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      end({ reason_code: 'crashed', reason: `its host cannot be started: ${error.message}` });
      resolve();
    });
    // 'close' comes after the pipes have been read to their end: the last words are in.
    child.on('close', (code, signal) => {
      end(endOf(code, signal, output.tail()));
      resolve();
    });
  });

  function flush(): void {
    stdin.write(queued);
    queued = '';
  }

  return {
    send(frame) {
      if (ended) return;
      if (queued === '') setImmediate(flush);
      queued += `${JSON.stringify(frame)}\n`;
    },
    kill: () => void child.kill('SIGKILL'),
    gone,
  };
}
