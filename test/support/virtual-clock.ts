/** Virtual time for tests: nothing happens until `advance`, and then everything that was due, in order. */
import type { Clock, Timer } from '@fibric/sdk';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #due: Due[] = [];
  readonly #epochMs: number;

  constructor(epochMs = Date.parse('2026-07-01T08:00:00Z')) {
    this.#epochMs = epochMs;
  }

  wallMs(): number {
    return this.#epochMs + this.#now;
  }

  monoMs(): number {
    return this.#now;
  }

  get waiting(): number {
    return this.#due.length;
  }

  after(delayMs: number, fn: () => void): Timer {
    const due: Due = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fn };
    this.#due.push(due);
    return { cancel: () => void (this.#due = this.#due.filter((other) => other !== due)) };
  }

  /** Moves time by `ms`, firing what is due on the way and letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#due.filter((d) => d.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!next) break;
      this.#due = this.#due.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = until;
    await settled();
  }

  /** Advances in steps until `work` is done; gives up after `limitMs` of virtual time. */
  async until<T>(work: Promise<T>, limitMs = 3_600_000): Promise<T> {
    const state = { done: false };
    const mark = () => void (state.done = true);
    work.then(mark, mark);
    await settled();
    for (let waited = 0; !state.done; waited += 100) {
      if (waited > limitMs) throw new Error(`not done after ${limitMs} ms of virtual time`);
      await this.advance(100);
    }
    return work;
  }
}

/** Lets every promise and immediate that is ready run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
