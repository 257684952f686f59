/** Which units answer, and when to ask those again that do not: each backs off by itself, the others go on. */
import type { Clock, Random } from '@fibric/sdk';

interface Silence {
  readonly failures: number;
  readonly retryAtMs: number;
  readonly detail: string;
}

const FIRST_MS = 1_000;
const MOST_MS = 30_000;

export class UnitHealth {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #silent = new Map<number, Silence>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** True when the unit had been silent until now. */
  answered(unit: number): boolean {
    return this.#silent.delete(unit);
  }

  /** Waits 1 s, doubling to 30 s, with jitter so that dead units do not fall due together. */
  failed(unit: number, detail: string): void {
    const failures = (this.#silent.get(unit)?.failures ?? 0) + 1;
    const waitMs = Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1)) * (0.75 + 0.5 * this.#random.next());
    this.#silent.set(unit, { failures, retryAtMs: this.#clock.monoMs() + waitMs, detail });
  }

  /** Before this time polls leave the unit alone. */
  retryAtMs(unit: number): number {
    return this.#silent.get(unit)?.retryAtMs ?? 0;
  }

  /** What is known of each silent unit, for people. */
  details(): readonly string[] {
    return [...this.#silent.values()].map((silence) => silence.detail);
  }
}
