/** For tests: runs the real command against a real server on an invented gateway. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureToken } from '@fibric/gateway/api/auth';
import { type FakeGateway, fakeGateway } from '@fibric/gateway/api/fixture';
import { writeRunFile } from '@fibric/gateway/api/run-file';
import { startApi } from '@fibric/gateway/api/server';
import { systemClock } from '@fibric/gateway/system';

export const LAUNCHER = join(import.meta.dirname, 'fibric.cjs');
export const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Place {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command to its end. */
export function fibric(args: readonly string[], place: Place = {}): Promise<Ended> {
  const options = { cwd: place.cwd ?? tmpdir(), env: { ...place.env } };
  return new Promise((resolve) => {
    execFile(process.execPath, [LAUNCHER, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

export const emptyFolder = (): string => mkdtempSync(join(tmpdir(), 'fibric-cli-'));

export const ndjson = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** A gateway that answers, and the command spoken to it. */
export interface Bench {
  readonly view: FakeGateway;
  readonly url: string;
  readonly data: string;
  here(...args: readonly string[]): Promise<Ended>;
  /** Runs a tail until `count` lines have come; `began` is told of each. */
  tail(args: readonly string[], count: number, began?: (line: string) => void): Promise<string[]>;
  /** Forgets what was written. */
  clear(): void;
  close(): Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const view = fakeGateway();
  const data = emptyFolder();
  const token = ensureToken(data);
  const api = await startApi({ view, token, log: QUIET, clock: systemClock(), host: '127.0.0.1', port: 0 });
  writeRunFile(data, { url: api.url, pid: process.pid });
  return {
    view,
    url: api.url,
    data,
    here: (...args) => fibric([...args, '--data', data]),
    tail: (args, count, began) => tail([...args, '--data', data], count, began ?? (() => undefined)),
    clear: () => {
      view.journal.rows.length = 0;
      view.journal.planRows.length = 0;
      view.events.rows.length = 0;
      view.nextReceipts = [];
      view.notReady = [];
      view.said.length = 0;
    },
    close: () => api.close(),
  };
}

async function tail(args: readonly string[], count: number, began: (line: string) => void): Promise<string[]> {
  const child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const found: string[] = [];
  let rest = '';
  for await (const chunk of child.stdout) {
    const parts = (rest + String(chunk)).split('\n');
    rest = parts.pop() ?? '';
    found.push(...parts);
    for (const line of parts) began(line);
    if (found.length >= count) break;
  }
  child.kill();
  return found;
}
