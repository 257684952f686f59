/**
 * What goes to the gateway, and what has already been said (D5, D6): a point that is bad is not called bad again for the same
 * reason until it was good, and after `close` nothing is said at all. Readings that arrive together leave together.
 */
import { badReading, type Clock, type DriverSink, type Provenance, type Reading } from '@fibric/sdk';
import { keyOf, type PlannedPoint } from './plan.ts';

export class Outbox {
  readonly #sink: DriverSink;
  readonly #clock: Clock;
  /** Reason of the last reading if that was bad, and when it was given. */
  readonly #last = new Map<string, { readonly bad: string | null; readonly atMs: number }>();
  #waiting: Reading[] = [];
  #closed = false;

  constructor(sink: DriverSink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  push(readings: readonly Reading[]): void {
    const fresh = readings.filter((reading) => this.#isNews(reading));
    if (fresh.length === 0 || this.#closed) return;
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push(...fresh);
  }

  /** Every point that is polled or subscribed is bad for now: the link is lost. */
  disconnected(points: readonly PlannedPoint[], provenance: Provenance): void {
    this.push(points.map(({ ref }) => badReading(ref, 'disconnected', provenance)));
  }

  /** Milliseconds since something was heard of the point; infinite when nothing ever was. */
  silentMs(key: string): number {
    const last = this.#last.get(key);
    return last === undefined ? Number.POSITIVE_INFINITY : this.#clock.monoMs() - last.atMs;
  }

  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #isNews(reading: Reading): boolean {
    const key = keyOf(reading);
    const bad = reading.quality === 'bad' ? reading.quality_reason : null;
    const before = this.#last.get(key);
    this.#last.set(key, { bad, atMs: this.#clock.monoMs() });
    return bad === null || before?.bad !== bad;
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (!this.#closed && batch.length > 0) this.#sink.readings(batch);
  }
}
