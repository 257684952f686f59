/** What the benches share: children stopped by their own pid, accounts from /proc, rounds in turn, statistics, arguments. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');
/** Where peers are installed (see README); null: they are left out. */
export const PEERS: string | null = process.env['BENCH_WORK'] || null;
export const SCRATCH = join(PEERS ?? tmpdir(), `fibric-bench-${process.pid}`);

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
export const now = (): number => performance.now();

/** A fresh folder that goes when this process ends. */
export function scratch(name: string): string {
  const dir = join(SCRATCH, name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** `--name value` of the command line. */
export function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

export function text(name: string): string | null {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? null : (process.argv[at + 1] ?? null);
}

/** A child process with everything it printed. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  printed = '';

  constructor(file: string, args: readonly string[], options: SpawnOptions = {}) {
    this.process = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    children.add(this);
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on('data', (chunk) => (this.printed += String(chunk)));
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        children.delete(this);
        resolve();
      };
      this.process.once('exit', end);
      this.process.once('error', end);
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Resolves when it has printed `words`; rejects when it ends before. */
  async says(words: string, withinMs = 60_000): Promise<void> {
    await until(() => this.printed.includes(words) || !children.has(this), withinMs);
    if (!this.printed.includes(words))
      throw new Error(`it ended before it said '${words}':\n${this.printed.slice(-2_000)}`);
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM');
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
    await this.ended;
    clearTimeout(hard);
  }
}

const children = new Set<Child>();
process.on('exit', () => {
  for (const child of children) child.process.kill('SIGKILL');
  rmSync(SCRATCH, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export async function until(holds: () => boolean | Promise<boolean>, withinMs = 30_000, everyMs = 10): Promise<void> {
  const end = now() + withinMs;
  while (!(await holds())) {
    if (now() > end) throw new Error(`not within ${withinMs} ms`);
    await sleep(everyMs);
  }
}

export async function portOpens(port: number, withinMs = 60_000): Promise<void> {
  const opens = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
  await until(opens, withinMs, 20);
}

/** Ports of ours, one after the other: below those that the system gives out by itself. */
let lastPort = 21_000 + (process.pid % 400) * 20;
export const freshPort = (): number => ++lastPort;

/** Seconds of CPU of a living process, all its threads, from the scheduler's nanosecond counters. */
export function cpuSeconds(pid: number): number {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // The thread ended between the two looks.
    }
  }
  return ns / 1e9;
}

/** Resident memory in MiB. */
export function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
}

/** Processes below `pid`, all generations. */
export function descendants(pid: number): readonly number[] {
  const own = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  return own.flatMap((child) => [child, ...descendants(child)]);
}

/** Milliseconds for a fixed piece of CPU work: how disturbed the machine is. */
export function spin(): number {
  const block = Buffer.alloc(4_096, 7);
  const start = now();
  for (let i = 0; i < 4_000; i++) createHash('sha256').update(block).digest();
  return now() - start;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[half] ?? Number.NaN)
    : ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}

const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
const spread = (values: readonly number[]): string =>
  `${short(median(values))} (${short(Math.min(...values))}–${short(Math.max(...values))})`;

export type Figures = Readonly<Record<string, number>>;
export type Variant = () => Promise<Figures>;

/** A goal: the figure of `variant` over that of `base` must keep to `limit`. Without a base the figure itself must. */
export interface Goal {
  readonly name: string;
  readonly figure: string;
  readonly variant: string;
  readonly base?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/**
 * Runs every variant once a round, in an order that rotates, and prints median (min–max) of each figure and of the ratios of the
 * goals, which are taken round by round. `--n` rounds, `--only` variants that match, `--out` a file for one JSON line a run.
 */
export async function rounds(
  title: string,
  variants: ReadonlyMap<string, Variant>,
  goals: readonly Goal[],
  n = 3,
): Promise<void> {
  const only = new RegExp(text('only') ?? '');
  const names = [...variants.keys()].filter((name) => only.test(name));
  const found = new Map(names.map((name) => [name, [] as (Figures | null)[]]));
  const spins: number[] = [];
  for (let round = 0; round < option('n', n); round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length] ?? '';
      const spin_ms = spin();
      spins.push(spin_ms);
      const figures = await attempt(name, variants.get(name));
      found.get(name)?.push(figures);
      const out = text('out');
      if (out) appendFileSync(out, `${JSON.stringify({ bench: title, variant: name, round, spin_ms, ...figures })}\n`);
    }
  }
  report(title, found, goals, spins);
}

async function attempt(name: string, variant: Variant | undefined): Promise<Figures | null> {
  try {
    return (await variant?.()) ?? null;
  } catch (error) {
    process.stderr.write(`! ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return null;
  }
}

function report(
  title: string,
  found: ReadonlyMap<string, (Figures | null)[]>,
  goals: readonly Goal[],
  spins: readonly number[],
): void {
  const line = (words: string): void => void process.stdout.write(`${words}\n`);
  line(`\n## ${title}\nmedian (min–max); spin_ms ${spread(spins)}`);
  for (const [name, runs] of found) {
    const done = runs.filter((run) => run !== null);
    line(`\n${name} (n=${done.length})`);
    for (const figure of Object.keys(done[0] ?? {}))
      line(`  ${figure.padEnd(22)} ${spread(done.map((run) => run[figure] ?? Number.NaN))}`);
  }
  line('');
  for (const goal of goals) {
    const ratios = ratiosOf(goal, found);
    if (ratios.length === 0) continue;
    const value = median(ratios);
    const kept =
      (goal.atMost === undefined || value <= goal.atMost) && (goal.atLeast === undefined || value >= goal.atLeast);
    const limit = goal.atMost === undefined ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
    line(`${kept ? 'kept  ' : 'MISSED'} ${goal.name}: ${spread(ratios)}, goal ${limit}`);
  }
}

function ratiosOf({ figure, variant, base }: Goal, found: ReadonlyMap<string, (Figures | null)[]>): number[] {
  return (found.get(variant) ?? []).flatMap((run, round) => {
    const below = base === undefined ? 1 : found.get(base)?.[round]?.[figure];
    const above = run?.[figure];
    return above === undefined || below === undefined ? [] : [above / below];
  });
}
