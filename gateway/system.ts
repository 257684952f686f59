/**
 * The one file of the gateway that touches the real clock, timers, randomness and the environment. Everything else takes them as
 * arguments.
 *
 * S1 A timer never keeps the process alive; a gateway does as long as it runs, whatever it waits for.
 * S2 Monotonic time never goes back, also in an accelerated world.
 * S3 A secret is read at each call, so that rotation needs no restart, and is never cached.
 * S4 Time that the machine slept counts as passed, for timers too.
 */
import { randomFillSync, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, LIMITS, type Random } from '@fibric/sdk';
import type { ClockSigns } from './clock-trust.ts';
import type { Simulation } from './config/site.ts';

/** Bytes that nobody can guess, drawn in pools: asking the system costs more than the row that they salt. */
export function randomBytes(bytes: number): Buffer {
  if (drawn + bytes > pool.length) {
    pool = randomFillSync(Buffer.alloc(Math.max(bytes, POOL_BYTES)));
    drawn = 0;
  }
  drawn += bytes;
  return pool.subarray(drawn - bytes, drawn);
}

const POOL_BYTES = 4_096;
let pool = Buffer.alloc(0);
let drawn = 0;

/** The longest delay `setTimeout` takes; beyond it, it fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Real time, and what only the machine knows of it. */
export interface SystemClock extends Clock {
  /** Moves monotonic time on by what the machine slept; timers that are due by then fire at once (S4). */
  slept(ms: number): void;
}

interface Armed {
  readonly dueMs: number;
  readonly fn: () => void;
  handle: NodeJS.Timeout;
}

/** Real time. */
export function systemClock(): SystemClock {
  const armed = new Set<Armed>();
  let sleptMs = 0;
  const monoMs = (): number => performance.now() + sleptMs;

  function arm(timer: Omit<Armed, 'handle'> & Partial<Armed>): Armed {
    const stepMs = Math.min(Math.max(timer.dueMs - monoMs(), 0), LONGEST_TIMEOUT_MS);
    const handle = setTimeout(() => {
      if (stepMs === LONGEST_TIMEOUT_MS) arm(one);
      else if (armed.delete(one)) one.fn();
    }, stepMs).unref();
    const one = Object.assign(timer, { handle });
    armed.add(one);
    return one;
  }

  return {
    wallMs: () => Date.now(),
    monoMs,
    after(delayMs, fn) {
      const timer = arm({ dueMs: monoMs() + delayMs, fn });
      return {
        cancel() {
          clearTimeout(timer.handle);
          armed.delete(timer);
        },
      };
    },
    slept(ms) {
      sleptMs += ms;
      for (const timer of [...armed]) {
        clearTimeout(timer.handle);
        arm(timer);
      }
    },
  };
}

/** Where something that keeps the clock right says that it does: its time is that of the last synchronisation. */
const SYNC_MARKS = ['/run/systemd/timesync/synchronized', '/run/fibric/clock-synchronized'];

/** What this machine says of its clocks (Linux; elsewhere it says nothing). */
export function clockSigns(): ClockSigns {
  const marks = SYNC_MARKS.flatMap((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? []);
  return {
    synced_ms: marks.length === 0 ? null : Math.max(...marks),
    has_rtc: statSync('/sys/class/rtc/rtc0', { throwIfNoEntry: false }) !== undefined,
    up_ms: upMs(),
  };
}

/** CLOCK_BOOTTIME, which goes on while the machine sleeps (proc(5), /proc/uptime). */
function upMs(): number | null {
  try {
    const seconds = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
    return Number.isFinite(seconds) ? seconds * 1_000 : null;
  } catch {
    return null;
  }
}

/** Site time of an accelerated world: `epoch_ms` at wall time `started_ms`, `speed` times as fast as `base`. */
export function simulatedClock(simulation: Simulation, base: Clock): Clock {
  const { speed, epoch_ms, started_ms } = simulation;
  return {
    wallMs: () => Math.floor(epoch_ms + (base.wallMs() - started_ms) * speed),
    monoMs: () => base.monoMs() * speed,
    after: (delayMs, fn) => base.after(delayMs / speed, fn),
  };
}

/** Randomness of the operating system, drawn in pools: ids must differ between two boots in the same millisecond. */
export function systemRandom(): Random {
  const pool = new Uint32Array(256);
  let used = pool.length;
  return {
    next() {
      if (used + 2 > pool.length) {
        randomFillSync(pool);
        used = 0;
      }
      const high = (pool[used++] ?? 0) >>> 6;
      const low = (pool[used++] ?? 0) >>> 5;
      // 26 + 27 bits: every multiple of 2^-53 in [0, 1) is equally likely.
      return (high * 2 ** 27 + low) / 2 ** 53;
    },
  };
}

/** Keeps the process alive until it is let go: with every device out of reach there may be nothing else that does. */
export function keepAlive(): () => void {
  const handle = setInterval(() => undefined, LONGEST_TIMEOUT_MS);
  return () => clearInterval(handle);
}

/** Gives back what starting took: files that were parsed and code that ran once are a seventh of a gateway at rest. Tens of ms. */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: Readonly<Record<string, string>>) => void;
  // The usual way keeps the young generation as large as starting has made it.
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Names this run of the process: monotonic times compare only within one boot. */
export function newBootId(): string {
  return randomUUID();
}

/** Milliseconds since the epoch of an RFC 3339 time, or null when `text` is not one. */
export function parseTime(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** What the process was started with. */
export interface Environment {
  /** The value of a plain variable; null when it is unset or empty. */
  variable(name: string): string | null;
  /** A secret slot: the variable `NAME`, else the file that `NAME_FILE` names, else `$CREDENTIALS_DIRECTORY/NAME`. */
  secret(slot: string): string | null;
}

export function environment(variables: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const variable = (name: string): string | null => variables[name] || null;
  return {
    variable,
    secret(slot) {
      const direct = variable(slot);
      if (direct !== null) return direct;
      const named = variable(`${slot}_FILE`);
      if (named !== null) return secretFile(named);
      const folder = variable('CREDENTIALS_DIRECTORY');
      return folder === null ? null : secretFile(join(folder, slot));
    },
  };
}

/** The text of a secret's file without its last line break; null when there is none. Only regular files: a pipe would block. */
function secretFile(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile() || found.size > LIMITS.secretBytes) return null;
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '') || null;
}
