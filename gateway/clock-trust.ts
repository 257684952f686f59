/**
 * Whether the wall clock may be believed (execution §2.15). Order is by number and durations are monotonic whatever it says; what
 * needs the wall clock asks here first.
 *
 * T1 Trusted: synchronised within a day. Holdover: it was, or the box has a clock of its own, and may be off by 50 ppm since.
 *    Everything else is untrusted, and so is a clock that shows less than it showed before, or than when this program was made.
 * T2 A jump against monotonic time is journaled; unless the clock was just synchronised it is not believed any more.
 * T3 Time that the machine slept has passed: monotonic time is moved on by it.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type ClockState, isoTime, LIMITS, type Log, messageOf, parseTime, type Timer } from '@fibric/sdk';
import type { ClockEntry } from './journal/entries.ts';

/** What the machine says of its clocks. */
export interface ClockSigns {
  /** When the wall clock was last synchronised in this boot of the machine; null: not, or nobody knows. */
  readonly synced_ms: number | null;
  /** The machine has a clock that runs while it is off. */
  readonly has_rtc: boolean;
  /** Milliseconds since the machine was started, sleep included; null where that is not known. */
  readonly up_ms: number | null;
}

export interface ClockTrust {
  readonly state: ClockState;
  /** By how much the wall clock may be off; null when nobody knows. */
  readonly uncertainty_ms: number | null;
}

export interface ClockWatch {
  trust(): ClockTrust;
  /** Looks now: before something is done for which it matters that the machine has not slept. */
  look(): void;
  start(): void;
  stop(): void;
}

export interface ClockWatchOptions {
  readonly dataDir: string;
  /** Real time. */
  readonly clock: Clock;
  readonly signs: () => ClockSigns;
  /** Moves monotonic time on by what the machine slept (T3). */
  readonly slept: (ms: number) => void;
  readonly log: Log;
  readonly onEvent: (entry: ClockEntry) => void;
  /** Something that a person is to hear of. */
  readonly alert: (words: string) => void;
}

/** When this was written: no clock that is right shows less. */
const MADE_MS = Date.UTC(2026, 0, 1);
const CLOCK_FILE = 'clock';
const LOOK_MS = 1_000;
/** A look holds for so long, far below the sleep that matters. */
const LOOKED_MS = 100;
const SAVE_MS = 60_000;
const SYNC_HOLDS_MS = 24 * 3_600_000;
/** Of a clock that was just synchronised. */
const SYNCED_UNCERTAINTY_MS = 1_000;
/** What a crystal drifts at the most: 50 parts in a million. */
const DRIFT = 50e-6;

interface Mark {
  readonly wall: number;
  readonly mono: number;
  readonly up: number | null;
}

class Watch implements ClockWatch {
  readonly #options: ClockWatchOptions;
  readonly #file: string;
  #timer: Timer | null = null;
  #mark: Mark;
  #savedAt = Number.NEGATIVE_INFINITY;
  /** Monotonic time since which the uncertainty grows; null: there is nothing to start from. */
  #goodAt: number | null;
  /** Wall time of the last synchronisation that was taken into account. */
  #syncedMs: number | null = null;
  #doubted: string | null;
  #last: ClockState;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    this.#file = join(options.dataDir, CLOCK_FILE);
    this.#mark = this.#now(options.signs());
    const seen = Math.max(MADE_MS, this.#saved());
    this.#doubted =
      this.#mark.wall < seen ? `the clock shows ${isoTime(this.#mark.wall)}, this box has seen ${isoTime(seen)}` : null;
    this.#goodAt = options.signs().has_rtc ? this.#mark.mono : null;
    this.#heedSync(options.signs());
    this.#last = this.trust().state;
  }

  trust(): ClockTrust {
    const { clock } = this.#options;
    if (this.#doubted !== null || this.#goodAt === null) return { state: 'untrusted', uncertainty_ms: null };
    const uncertainty_ms = Math.round(SYNCED_UNCERTAINTY_MS + DRIFT * (clock.monoMs() - this.#goodAt));
    if (uncertainty_ms > LIMITS.clockUncertaintyMs) return { state: 'untrusted', uncertainty_ms };
    const synced = this.#syncedMs !== null && clock.monoMs() - this.#goodAt <= SYNC_HOLDS_MS;
    return { state: synced ? 'trusted' : 'holdover', uncertainty_ms };
  }

  start(): void {
    if (this.trust().state === 'untrusted') {
      const why = this.#doubted ?? 'it was not synchronised and there is no clock that ran while the box was off';
      this.#options.alert(`the clock is not trusted: ${why}; what needs the time of day is blocked`);
    }
    this.#tick();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#save();
  }

  look(): void {
    if (this.#justLooked()) return;
    const { signs, slept } = this.#options;
    const seen = signs();
    const before = this.#mark;
    let now = this.#now(seen);
    if (before.up !== null && now.up !== null) {
      const asleep = now.up - before.up - (now.mono - before.mono);
      if (asleep > LIMITS.clockJumpMs) {
        slept(asleep);
        this.#tell('suspend', asleep, 'the machine slept; that time has passed');
        now = this.#now(seen);
      }
    }
    this.#mark = now;
    const jump = now.wall - before.wall - (now.mono - before.mono);
    const jumped = Math.abs(jump) > LIMITS.clockJumpMs;
    const synced = this.#heedSync(seen);
    if (jumped && !synced) this.#doubted = 'it jumped, and nobody synchronised it';
    if (jumped) this.#tell('jump', jump, 'the wall clock jumped; order and durations do not depend on it');
    const { state } = this.trust();
    if (state !== this.#last) this.#tell('state', 0, `the clock is ${state}`);
  }

  /** Sleep moves the wall clock, and the monotonic one not: asking the machine costs more than a write does. */
  #justLooked(): boolean {
    const { wall, mono } = this.#now({ up_ms: null });
    const before = this.#mark;
    return Math.abs(wall - before.wall) < LOOKED_MS && mono - before.mono < LOOKED_MS;
  }

  #tick(): void {
    const { clock } = this.#options;
    this.look();
    if (clock.monoMs() - this.#savedAt >= SAVE_MS) this.#save();
    this.#timer = clock.after(LOOK_MS, () => this.#tick());
  }

  #now({ up_ms }: Pick<ClockSigns, 'up_ms'>): Mark {
    const { clock } = this.#options;
    return { wall: clock.wallMs(), mono: clock.monoMs(), up: up_ms };
  }

  /** A synchronisation that was not known yet makes everything good again. True when there was one. */
  #heedSync({ synced_ms }: ClockSigns): boolean {
    const { clock } = this.#options;
    if (synced_ms === null || synced_ms === this.#syncedMs) return false;
    const age = clock.wallMs() - synced_ms;
    if (age < -LIMITS.clockJumpMs || age > SYNC_HOLDS_MS) return false;
    this.#syncedMs = synced_ms;
    this.#doubted = null;
    this.#goodAt = clock.monoMs() - Math.max(0, age);
    return true;
  }

  #tell(event: ClockEntry['event'], byMs: number, words: string): void {
    const { state, uncertainty_ms } = this.trust();
    this.#last = state;
    const by_ms = Math.round(byMs);
    this.#options.onEvent({ type: 'clock/1', event, by_ms, state, uncertainty_ms });
    this.#options.alert(by_ms === 0 ? words : `${words} (${by_ms} ms)`);
  }

  #saved(): number {
    try {
      return parseTime(readFileSync(this.#file, 'utf8').trim()) ?? 0;
    } catch {
      return 0;
    }
  }

  /** A time that is not believed is not remembered: it would make the right one look wrong at the next start. */
  #save(): void {
    const { clock, log } = this.#options;
    this.#savedAt = clock.monoMs();
    if (this.trust().state === 'untrusted') return;
    try {
      writeFileSync(`${this.#file}.new`, `${isoTime(clock.wallMs())}\n`);
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      log.warn({ file: this.#file }, `the time could not be saved: ${messageOf(error)}`);
    }
  }
}

export function watchClock(options: ClockWatchOptions): ClockWatch {
  return new Watch(options);
}

/** The clock of a simulated site is what its file says: there is nothing to doubt. */
export function declaredClock(): ClockWatch {
  const trust: ClockTrust = { state: 'trusted', uncertainty_ms: 0 };
  return { trust: () => trust, look: () => undefined, start: () => undefined, stop: () => undefined };
}
