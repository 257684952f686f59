/** The real gateway as a child process: started on a site file, waited for, stopped so that it drains. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '@fibric/sdk';
import { z } from 'zod';

export interface GatewayOptions {
  /** The `fibric` launcher and the site file it is to run. */
  readonly launcher: string;
  readonly siteFile: string;
  readonly data: string;
  /** Real time. */
  readonly clock: Clock;
}

export type Started =
  | { readonly kind: 'ready'; readonly url: string; readonly token: string }
  | { readonly kind: 'died' }
  | { readonly kind: 'too_slow'; readonly reasons: string };

const READY_WITHIN_MS = 60_000;
const DRAIN_WITHIN_MS = 45_000;
const LOOK_EVERY_MS = 50;

const runFile = z.object({ url: z.string(), pid: z.number() });
const readiness = z.object({ ready: z.boolean(), reasons: z.array(z.string()).default([]) });

/** Where the gateway of a data folder says that it listens, and as which process; null when it says nothing. */
export function gatewayOn(data: string): z.infer<typeof runFile> | null {
  try {
    return runFile.parse(JSON.parse(readFileSync(join(data, 'run.json'), 'utf8')));
  } catch {
    return null;
  }
}

/** Null when nobody answers. */
export async function askReady(url: string): Promise<z.infer<typeof readiness> | null> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
    return readiness.parse(await response.json());
  } catch {
    return null;
  }
}

export class GatewayProcess {
  readonly #options: GatewayOptions;
  #child: ChildProcess | null = null;
  #exited: Promise<number | null> = Promise.resolve(null);
  #running = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  get logFile(): string {
    return join(this.#options.data, 'gateway.log');
  }

  /** Resolves with the exit code when the process has ended, for whatever reason; null: it was ended by a signal. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  get running(): boolean {
    return this.#running;
  }

  start(): void {
    const { launcher, siteFile, data } = this.#options;
    rmSync(join(data, 'run.json'), { force: true });
    const log = openSync(this.logFile, 'a');
    // A group of its own: Ctrl-C in the terminal reaches us alone, and we stop it in our own time.
    const child = spawn(process.execPath, [launcher, 'up', siteFile], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#running = true;
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null): void => {
        this.#running = false;
        resolve(code);
      };
      child.once('error', () => ended(null));
      child.once('exit', ended);
    });
  }

  /** Waits until it is ready to work. */
  async ready(): Promise<Started> {
    const { clock, data } = this.#options;
    const untilMs = clock.monoMs() + READY_WITHIN_MS;
    let reasons = 'it does not answer yet';
    while (clock.monoMs() < untilMs) {
      if (!this.#running) return { kind: 'died' };
      const url = gatewayOn(data)?.url ?? null;
      const state = url === null ? null : await askReady(url);
      if (url !== null && state?.ready === true) {
        return { kind: 'ready', url, token: readFileSync(join(data, 'token'), 'utf8').trim() };
      }
      if (state !== null) reasons = state.reasons.join('; ');
      await sleep(clock, LOOK_EVERY_MS);
    }
    return { kind: 'too_slow', reasons };
  }

  /** Asks it to stop and waits while it drains; ends it the hard way only when it does not. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#child?.kill('SIGTERM');
    const timer = this.#options.clock.after(DRAIN_WITHIN_MS, () => this.#child?.kill('SIGKILL'));
    await this.#exited;
    timer.cancel();
  }

  /** Without waiting, for the moment when this process itself goes down. */
  stopNow(): void {
    if (this.#running) this.#child?.kill('SIGTERM');
  }

  /** The end of its log. */
  lastLines(count: number): readonly string[] {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-count);
    } catch {
      return [];
    }
  }
}
