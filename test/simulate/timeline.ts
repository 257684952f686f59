/**
 * One virtual time for the whole world: devices, network and people on it directly, each process through a clock of its own that
 * dies with it, stands still while it is stopped, and does not count the machine's sleep.
 */
import type { Clock, Timer } from '@fibric/sdk';

interface Due {
  readonly at: number;
  readonly order: number;
  fn: (() => void) | null;
}

/** A commit begins one turn after it was asked for, and may wait one more for what shares it. */
const IDLE_TURNS = 3;

export class Timeline {
  now = 0;
  /** Timers set and commits asked for and done: as long as it rises, something is going on. */
  begun = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  after(delayMs: number, fn: () => void): Timer {
    // Whole milliseconds: sums of fractions do not come out even, and what is due would never be.
    const due: Due = { at: this.now + Math.max(0, Math.ceil(delayMs)), order: this.#order++, fn };
    this.begun++;
    this.#push(due);
    return { cancel: () => void (due.fn = null) };
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Lets everything happen that is due until then, in order, or until `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await this.settled();
    while (!done()) {
      const next = this.#heap[0];
      if (!next || next.at > untilMs) {
        this.now = untilMs;
        return;
      }
      this.#pop();
      if (!next.fn) continue;
      this.now = next.at;
      next.fn();
      await this.settled();
    }
  }

  /** Lets every promise and immediate that is ready run: until nothing was begun for a few turns of the loop. */
  async settled(): Promise<void> {
    for (let idle = 0, begun = -1; idle < IDLE_TURNS; idle++) {
      if (begun !== this.begun) idle = 0;
      ({ begun } = this);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let i = heap.push(due) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i] as Due, heap[parent] as Due)) break;
      [heap[i], heap[parent]] = [heap[parent] as Due, heap[i] as Due];
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Due;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && before(heap[child] as Due, heap[least] as Due)) least = child;
      }
      if (least === i) return;
      [heap[i], heap[least]] = [heap[least] as Due, heap[i] as Due];
      i = least;
    }
  }
}

const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** The wall clock of the machine: runs on through every crash, and jumps when somebody sets it. */
export class WallClock {
  skewMs = 0;
  readonly #timeline: Timeline;
  readonly #epochMs: number;

  constructor(timeline: Timeline, epochMs: number) {
    this.#timeline = timeline;
    this.#epochMs = epochMs;
  }

  get ms(): number {
    return Math.floor(this.#epochMs + this.#timeline.now + this.skewMs);
  }
}

/** Time as one process sees it. */
export class ProcessClock implements Clock {
  dead = false;
  readonly #timeline: Timeline;
  readonly #wall: WallClock;
  readonly #startedAt: number;
  #frozenUntil = 0;
  #sleptMs = 0;

  constructor(timeline: Timeline, wall: WallClock) {
    this.#timeline = timeline;
    this.#wall = wall;
    this.#startedAt = timeline.now;
  }

  wallMs(): number {
    return this.#wall.ms;
  }

  monoMs(): number {
    return this.#timeline.now - this.#startedAt - this.#sleptMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const due = this.monoMs() + Math.max(0, Math.ceil(delayMs));
    let timer: Timer;
    const arm = (ms: number): Timer =>
      this.#timeline.after(ms, () => {
        if (this.dead) return;
        const frozenMs = this.#frozenUntil - this.#timeline.now;
        const leftMs = due - this.monoMs();
        if (frozenMs > 0 || leftMs > 0) timer = arm(Math.max(frozenMs, leftMs));
        else fn();
      });
    timer = arm(delayMs);
    return { cancel: () => timer.cancel() };
  }

  /** The process stands still; asleep (the machine suspended) its monotonic time stands still too. */
  freeze(ms: number, asleep: boolean): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#timeline.now + ms);
    if (asleep) this.#timeline.after(ms, () => void (this.#sleptMs += ms));
  }

  /** Runs `fn` as soon as the process can take it in: at once, or when it wakes. Never, once it is dead. */
  deliver(fn: () => void): void {
    if (this.dead) return;
    const frozenMs = this.#frozenUntil - this.#timeline.now;
    if (frozenMs > 0) this.#timeline.after(frozenMs, () => this.deliver(fn));
    else fn();
  }
}
