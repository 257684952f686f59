/**
 * Keeps a link to the server: opens one, waits for its end, opens the next. The pause between attempts doubles from a tenth of a
 * second to half a minute; half of it is chance, so that the gateways of a site do not come back as one.
 */
import { type ConnectionStatus, type DriverContext, sleep } from '@fibric/sdk';
import type { Link, Opened } from './link.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** A link that held for so long was a good one: the next loss starts with the first pause again. */
const HELD_MS = 10_000;

export interface SupervisorEvents {
  /** Opens a link; ends early when `stop` aborts. Never rejects. */
  open(stop: AbortSignal): Promise<Opened>;
  /** A link was opened and is to be used; resolves to a sentence about it. Never rejects. */
  up(link: Link): Promise<string>;
  /** There is no link now. */
  down(): void;
  status(status: ConnectionStatus, detail: string): void;
}

export interface State {
  readonly status: ConnectionStatus;
  readonly detail: string;
}

export class Supervisor {
  readonly #context: DriverContext;
  readonly #events: SupervisorEvents;
  readonly #stop = new AbortController();
  #state: State = { status: 'error', detail: 'not yet connected' };
  #attempt: Promise<Opened> | null = null;
  #link: Link | null = null;
  #running: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(context: DriverContext, events: SupervisorEvents) {
    this.#context = context;
    this.#events = events;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** The link, if there is one that has not been lost. */
  get link(): Link | null {
    return this.#link?.lost.aborted ? null : this.#link;
  }

  /** What was told last. */
  get state(): State {
    return this.#state;
  }

  /** The link, waiting for the attempt under way, if there is one. */
  async soon(): Promise<Link | null> {
    await this.#attempt;
    return this.link;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      this.#attempt = this.#events.open(stop);
      const opened = await this.#attempt;
      if (opened.kind === 'open') this.#link = opened.link;
      this.#attempt = null;
      if (opened.kind === 'open') await this.#use(opened.link);
      else this.#down(opened.status, opened.detail);
      await sleep(this.#context.clock, this.#pauseMs(), stop);
    }
  }

  async #use(link: Link): Promise<void> {
    const { clock } = this.#context;
    const stop = this.#stop.signal;
    const sinceMs = clock.monoMs();
    void this.#events.up(link).then((detail) => {
      if (!stop.aborted && !link.lost.aborted) this.#tell('connected', detail);
    });
    await either(link.lost, stop);
    const why = link.lost.aborted ? String(link.lost.reason) : 'stopped';
    await link.close();
    this.#link = null;
    this.#failures = clock.monoMs() - sinceMs > HELD_MS ? 0 : this.#failures;
    this.#down('error', `the link was lost: ${why}`);
  }

  #down(status: ConnectionStatus, detail: string): void {
    if (this.#stop.signal.aborted) return;
    this.#failures += 1;
    this.#events.down();
    this.#tell(status, detail);
  }

  #tell(status: ConnectionStatus, detail: string): void {
    if (this.#state.status === status && this.#state.detail === detail) return;
    this.#state = { status, detail };
    this.#events.status(status, detail);
  }

  #pauseMs(): number {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 10));
    return longest * (0.5 + this.#context.random.next() / 2);
  }
}

/** Resolves when one of the two aborts. */
function either(a: AbortSignal, b: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      a.removeEventListener('abort', end);
      b.removeEventListener('abort', end);
      resolve();
    };
    a.addEventListener('abort', end);
    b.addEventListener('abort', end);
    if (a.aborted || b.aborted) end();
  });
}
