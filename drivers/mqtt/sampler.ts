/** Counts what keeps happening and writes it to the log now and then: at once, then at most once a minute for each subject. */
import { type Clock, LIMITS, type Log } from '@fibric/sdk';

const PERIOD_MS = 60_000;

interface Silence {
  untilMs: number;
  count: number;
}

export class Sampler {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #message: string;
  readonly #silences = new Map<string, Silence>();
  #total = 0;

  constructor(clock: Clock, log: Log, message: string) {
    this.#clock = clock;
    this.#log = log;
    this.#message = message;
  }

  get total(): number {
    return this.#total;
  }

  /** `fields` are asked for only when a line is due. */
  note(subject: string, fields: () => Readonly<Record<string, unknown>>): void {
    this.#total++;
    const silence = this.#silenceOf(subject);
    silence.count++;
    const nowMs = this.#clock.monoMs();
    if (nowMs < silence.untilMs) return;
    this.#log.warn({ ...fields(), count: silence.count }, this.#message);
    silence.untilMs = nowMs + PERIOD_MS;
    silence.count = 0;
  }

  #silenceOf(subject: string): Silence {
    const known = this.#silences.get(subject);
    if (known) return known;
    // Strangers invent subjects without end: beyond the bound they share one entry.
    const key = this.#silences.size < LIMITS.knownTopics ? subject : '';
    const silence = this.#silences.get(key) ?? { untilMs: Number.NEGATIVE_INFINITY, count: 0 };
    this.#silences.set(key, silence);
    return silence;
  }
}
