/** The one file of the command that touches the terminal, the environment and timers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Io } from './call.ts';

export function systemIo(): Io {
  // `fibric … | head` closes the pipe when it has enough: that is not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const plain = (process.env.NO_COLOR ?? '') !== '';
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    color: process.stdout.isTTY && !plain,
    cwd: process.cwd(),
    variable: (name) => process.env[name],
    sleep: (ms) => delay(ms),
  };
}
