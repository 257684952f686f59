/** The real gateway as a process of its own and the real command line, as a site has them: for tests that look from outside. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { OperatorView, PointView, RunReport } from '@fibric/gateway/api/view';
import type { Envelope, Receipt } from '@fibric/sdk';
import type { Ends } from './ends.ts';
import { waitFor } from './wait.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
/** How long it may take to stop. */
const STOP_MS = 20_000;
const LAUNCHER = join(ROOT, 'cli', 'fibric.cjs');

export type Env = Readonly<Record<string, string>>;
/** Path to text, below the folder of the site. */
export type Files = Readonly<Record<string, string>>;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command to its end, with an environment that holds nothing but what is given. */
export function fibric(args: readonly string[], env: Env = {}): Promise<Ended> {
  const options = {
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', ...env },
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [LAUNCHER, ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
    });
  });
}

/** The objects of NDJSON. */
export function rows<T>(text: string): T[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
}

/**
 * A port that nobody has, for programs that cannot choose one or must come back on theirs. Below the range from which the system
 * takes ports by itself: nobody is given it while its owner is away, not even the client that tries to connect to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
}

/** Writes files below a folder. */
export function writeFiles(dir: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** Head of a site file. Port 0: tests never fight over one. */
export const HEAD = `site: { tenant: t_local, workspace: ws_test, name: Test site, timezone: UTC }
gateway: { listen: 127.0.0.1:0, data: ./data }
`;

export type LogLine = { readonly level: string; readonly msg: string } & Readonly<Record<string, unknown>>;
/** An event as the list of events gives it. */
export type EventRow = Envelope & { readonly cursor: number };

export class RealGateway {
  readonly dir: string;
  readonly data: string;
  /** Everything that it printed, of all its lives. */
  text = '';
  readonly #env: Env;
  #child: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(dir: string, env: Env = {}) {
    this.dir = dir;
    this.data = join(dir, 'data');
    this.#env = env;
  }

  /** Starts it on `site.yaml` of its folder and waits until it is ready. */
  async start(): Promise<void> {
    const from = this.text.length;
    const child = spawn(process.execPath, [LAUNCHER, 'up', join(this.dir, 'site.yaml')], {
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const pipe of [child.stdout, child.stderr])
      pipe.on('data', (chunk: Buffer) => void (this.text += chunk.toString()));
    this.#ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    await waitFor(
      'the gateway to be ready',
      () => {
        if (child.exitCode !== null)
          throw new Error(`the gateway ended with ${child.exitCode}:\n${this.text.slice(from)}`);
        return this.text.includes('"msg":"ready"', from);
      },
      30_000,
    );
  }

  /** Ends it and says with which code it ended; null: it was killed, or had to be. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.running) this.#child?.kill(signal);
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS);
    const code = await this.#ended;
    clearTimeout(late);
    return code;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get log(): readonly LogLine[] {
    return rows<LogLine>(this.text.slice(0, this.text.lastIndexOf('\n') + 1).replaceAll(/^[^{].*\n/gm, ''));
  }

  /** Runs the command on its data folder. */
  fibric(...args: readonly string[]): Promise<Ended> {
    return fibric([...args, '--data', this.data]);
  }

  get url(): string {
    return (JSON.parse(readFileSync(join(this.data, 'run.json'), 'utf8')) as { url: string }).url;
  }

  async request(path: string, body?: unknown): Promise<{ readonly status: number; readonly text: string }> {
    const token = readFileSync(join(this.data, 'token'), 'utf8').trim();
    const response = await fetch(new URL(path, this.url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse((await this.request(path)).text) as T;
  }

  async #all<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    for (let cursor = ''; ; ) {
      const page = await this.get<{ data: T[]; next_cursor: string | null }>(
        `${path}${path.includes('?') ? '&' : '?'}limit=100${cursor}`,
      );
      found.push(...page.data);
      if (page.next_cursor === null) return found;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }

  /** Every receipt, oldest first. */
  receipts(): Promise<Receipt[]> {
    return this.#all('/v1/receipts?after=0');
  }

  /** Every event of a type, oldest first. */
  events(type: string): Promise<EventRow[]> {
    return this.#all(`/v1/events?after=0&event_type=${type}`);
  }

  points(): Promise<PointView[]> {
    return this.#all('/v1/points');
  }

  /** A point by `device/point`, as it was last heard of. */
  async point(name: string): Promise<PointView> {
    const found = (await this.points()).find(({ device, point }) => `${device}/${point}` === name);
    if (found === undefined) throw new Error(`the site has no point ${name}`);
    return found;
  }

  async connection(id: string): Promise<{ readonly status: string; readonly detail: string }> {
    const found = (await this.#all<{ id: string; status: string; detail: string }>('/v1/connectors')).find(
      (one) => one.id === id,
    );
    if (found === undefined) throw new Error(`the site has no connection ${id}`);
    return found;
  }

  async operator(name: string): Promise<OperatorView> {
    const found = (await this.#all<OperatorView>('/v1/operators')).find((one) => one.name === name);
    if (found === undefined) throw new Error(`the site has no operator ${name}`);
    return found;
  }

  /** One run of an operator, now. */
  async run(operator: string): Promise<RunReport> {
    return JSON.parse((await this.request(`/v1/operators/${operator}/run`, {})).text) as RunReport;
  }
}

/** A gateway on a site of its own; ended, and its folder removed, when the tests of the file are over. */
export async function startGateway(end: Ends, files: Files, env: Env = {}): Promise<RealGateway> {
  const dir = end.folder();
  writeFiles(dir, files);
  const gateway = end.add(new RealGateway(dir, env), (one) => one.stop());
  await gateway.start();
  return gateway;
}
