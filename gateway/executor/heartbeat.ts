/**
 * A register that goes on changing for as long as somebody is there who would take back what was written. When it stands still, the
 * device goes back by itself: the only release that works when the gateway is dead.
 *
 * K6 It stops when the journal failed, while everything is stopped, and when the process stood still for longer than two periods.
 */
import { type Clock, type Driver, type Log, messageOf, type Provenance, type Timer } from '@fibric/sdk';
import { raise } from '../alerts/raise.ts';
import type { Heartbeat } from '../config/site.ts';
import type { Journal } from '../journal/journal.ts';
import { beat } from './act.ts';
import { stopped } from './stop.ts';

export interface HeartbeatDeps {
  readonly heartbeat: Heartbeat;
  readonly driver: () => Driver;
  readonly journal: Pick<Journal, 'append' | 'failure' | 'projection'>;
  /** Provenance that counts as real in this site. */
  readonly real: Provenance;
  /** Real time: it is the device's patience. */
  readonly ioClock: Clock;
  readonly log: Log;
}

/** Counts up to the largest value that a signed register of 16 bits holds, then from 0. */
const WRAP = 2 ** 15;

class RegisterHeartbeat {
  readonly #deps: HeartbeatDeps;
  #timer: Timer | null = null;
  #last: number | boolean | null = null;
  #beatMs = 0;
  #quiet: string | null = null;
  #work: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#beatMs = this.#deps.ioClock.monoMs();
    this.#next();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#work;
  }

  #next(): void {
    const { ioClock, heartbeat } = this.#deps;
    this.#timer = ioClock.after(heartbeat.period_ms, () => {
      this.#next();
      const nowMs = ioClock.monoMs();
      const stalled = nowMs - this.#beatMs > 2 * heartbeat.period_ms;
      this.#beatMs = nowMs;
      if (this.#say(this.#reason() ?? (stalled ? 'the process stood still' : null)) || this.#busy) return;
      this.#busy = true;
      this.#work = this.#beat()
        .catch((error: unknown) => this.#deps.log.error({}, `heartbeat: ${messageOf(error)}`))
        .finally(() => (this.#busy = false));
    });
  }

  /** Why there is no beat now; null when there is one. */
  #reason(): string | null {
    const { journal } = this.#deps;
    if (journal.failure) return 'the journal failed';
    return stopped(journal.projection) ? 'everything is stopped' : null;
  }

  /** Told once for as long as it is so. */
  #say(quiet: string | null): boolean {
    const { log, heartbeat, journal } = this.#deps;
    const { device, point } = heartbeat;
    if (quiet !== null && quiet !== this.#quiet)
      raise({ journal, log }, 'heartbeat', `the heartbeat pauses: ${quiet}; ${device} will go back by itself`);
    else if (quiet === null && this.#quiet !== null) log.warn({ device, point }, 'the heartbeat goes on');
    this.#quiet = quiet;
    return quiet !== null;
  }

  async #beat(): Promise<void> {
    const { heartbeat, real } = this.#deps;
    const { device, point, period_ms } = heartbeat;
    const driver = this.#deps.driver();
    if (this.#last === null) {
      const [now] = await driver.read([{ device, point }], period_ms);
      if (now?.quality !== 'good' || now.provenance !== real || typeof now.value === 'string') return;
      this.#last = now.value;
    }
    if (this.#last === null) return;
    const value = typeof this.#last === 'boolean' ? !this.#last : (Math.trunc(this.#last) + 1) % WRAP;
    const result = await beat(driver, { device, point }, value, period_ms, () => this.#reason() === null);
    // What the register holds after anything but a yes is read again.
    this.#last = result.kind === 'acknowledged' ? value : null;
  }
}

/** Makes the heartbeat of a site; it begins with `start`, after one period. */
export function createHeartbeat(deps: HeartbeatDeps): { start(): void; stop(): Promise<void> } {
  return new RegisterHeartbeat(deps);
}
