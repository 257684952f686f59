/**
 * The program of an operator host: one operator, in a process that can do nothing but think.
 *
 * Frames come in on standard input and go out on descriptor 3, one JSON document a line; what the operator prints goes to
 * standard output and error, and from there, bounded, to the gateway's log. When the gateway goes, its end of the pipe
 * closes, and so does this process.
 */
import { writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createLineReader } from './lines.ts';
import { lockDown } from './lockdown.ts';
import { Session } from './session.ts';
import type { FromHost } from './wire.ts';

/** Descriptor 3: the first beyond the standard ones. */
const FRAMES = 3;

/** Answers are written at once, so that the gateway always knows which run is at work. */
function send(frame: FromHost): void {
  let rest = Buffer.from(`${JSON.stringify(frame)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(FRAMES, rest));
}

function load(file: string): Promise<{ readonly default?: unknown }> {
  const url = pathToFileURL(file).href;
  lockDown({ folder: pathToFileURL(`${dirname(file)}/`).href, host: import.meta.url });
  return import(url) as Promise<{ readonly default?: unknown }>;
}

function main(): void {
  const { stdin, stdout } = process;
  const exit = process.exit.bind(process);
  const session = new Session({ send, load, log: (message) => void stdout.write(`${message}\n`) });
  const reader = createLineReader({
    maxBytes: Number.POSITIVE_INFINITY,
    onLine: (line) => session.receive(line),
    onOverflow: () => exit(1),
  });
  stdin.on('data', (chunk: Buffer) => reader.push(chunk));
  stdin.on('end', () => exit(0));
  // Ctrl-C and a service manager's stop reach the whole group: the gateway decides when a run is over.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
}

main();
