/**
 * The supervisor of a connection: opens a link, opens the next when it is gone, tells the state.
 *
 * D5 After `stop()` nothing is told and no timer or socket is left.
 */
import type { ConnectionStatus, DriverContext, Timer } from '@fibric/sdk';
import { type Link, type LinkOptions, openLink } from './client.ts';
import { type MqttConnection, brokerEndpoint } from './schema.ts';

/** First and longest pause between two attempts; half of each is chance, so that a site's gateways do not come back as one. */
const PAUSE_MS = { first: 100, longest: 5_000 } as const;

/** CONNACK codes that say: not with these credentials (MQTT 3.1.1 §3.2.2.3; MQTT 5 §3.2.2.2). */
const CREDENTIALS_REFUSED = [4, 5, 0x86, 0x87];
/** …and: not in this version of the protocol. */
const VERSION_REFUSED = [1, 0x84];

export interface SessionOptions {
  readonly connection: MqttConnection;
  readonly clientId: string;
  readonly filters: readonly string[];
  /** Points that cannot work as they are configured; the connection is never better than degraded with them. */
  readonly faults: readonly string[];
}

export interface SessionEvents {
  down(): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
  status(status: ConnectionStatus, detail: string): void;
}

interface State {
  readonly status: ConnectionStatus;
  readonly detail: string;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #context: DriverContext;
  readonly #events: SessionEvents;
  #link: Link | null = null;
  #isUp = false;
  #stopped = false;
  #retry: Timer | null = null;
  #attempt = 0;
  #upSinceMs = 0;
  #upState: State = { status: 'connected', detail: '' };
  #state: State | null = null;

  constructor(options: SessionOptions, context: DriverContext, events: SessionEvents) {
    this.#options = options;
    this.#context = context;
    this.#events = events;
  }

  /** The link while it carries messages, else null. */
  get link(): Link | null {
    return this.#isUp ? this.#link : null;
  }

  /** What was told last. */
  get state(): State {
    return this.#state ?? { status: 'error', detail: `not yet connected to ${this.#where()}` };
  }

  start(): void {
    this.#open();
  }

  /** Something is wrong with who speaks on the link; null: no longer. */
  object(objection: string | null): void {
    if (this.#isUp) this.#tell(objection === null ? this.#upState : { status: 'error', detail: objection });
  }

  /** Drops the link abruptly; the next is opened at once. */
  reset(): void {
    this.#attempt = -1;
    this.#link?.abort('the link was reset');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    const link = this.#link;
    this.#link = null;
    this.#isUp = false;
    await link?.close();
  }

  #open(): void {
    const credentials = this.#credentials();
    if (typeof credentials === 'string') {
      this.#down('pending_auth', `the secret slot ${credentials} is empty`);
      return;
    }
    const { connection, clientId, filters } = this.#options;
    const options: LinkOptions = {
      ...brokerEndpoint(connection),
      tls: connection.url.startsWith('mqtts:'),
      version: connection.version,
      clientId,
      credentials,
      keepaliveMs: connection.keepalive,
      timeoutMs: connection.timeout,
      filters,
    };
    this.#link = openLink(options, this.#context.clock, {
      up: (refused) => this.#up(refused),
      down: (detail, code) => this.#lost(detail, code),
      message: (topic, payload, retained) => {
        if (!this.#stopped) this.#events.message(topic, payload, retained);
      },
    });
  }

  #up(refused: readonly string[]): void {
    if (this.#stopped) return;
    this.#isUp = true;
    this.#upSinceMs = this.#context.clock.monoMs();
    const faults = [...this.#options.faults, ...refused.map((filter) => `the broker refused topic ${filter}`)];
    const where = `connected to ${this.#where()}`;
    this.#upState =
      faults.length === 0
        ? { status: 'connected', detail: where }
        : { status: 'degraded', detail: `${where}, but ${faults.join('; ')}` };
    this.#tell(this.#upState);
  }

  #lost(detail: string, code: number | null): void {
    if (code !== null && CREDENTIALS_REFUSED.includes(code)) {
      this.#down('pending_auth', `${this.#where()} refused the credentials: ${detail}`);
    } else if (code !== null && VERSION_REFUSED.includes(code)) {
      this.#down('error', `${this.#where()} does not speak this version of MQTT: ${detail}; try version: 4`);
    } else {
      this.#down('error', `${this.#where()}: ${detail}`);
    }
  }

  #down(status: ConnectionStatus, detail: string): void {
    if (this.#stopped) return;
    // A link that did not hold does not count as a recovery: two clients of one name would throw each other out for ever.
    const held = this.#isUp && this.#context.clock.monoMs() - this.#upSinceMs > PAUSE_MS.longest;
    this.#attempt = held ? 1 : this.#attempt + 1;
    this.#link = null;
    this.#isUp = false;
    this.#retry = this.#context.clock.after(this.#pauseMs(), () => this.#open());
    this.#tell({ status, detail });
    this.#events.down();
  }

  #pauseMs(): number {
    if (this.#attempt === 0) return 0;
    const fullMs = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** (this.#attempt - 1));
    return fullMs * (0.5 + this.#context.random.next() / 2);
  }

  #tell(state: State): void {
    const changed = this.#state?.status !== state.status;
    this.#state = state;
    if (changed) this.#events.status(state.status, state.detail);
  }

  /** The credentials, null when there are none, or the name of an empty slot. */
  #credentials(): LinkOptions['credentials'] | string {
    const { auth } = this.#options.connection;
    if (!auth) return null;
    const username = this.#context.secret(auth.user);
    const password = this.#context.secret(auth.pass);
    if (username === null) return auth.user;
    return password === null ? auth.pass : { username, password };
  }

  #where(): string {
    const { host, port } = brokerEndpoint(this.#options.connection);
    return `${host}:${port}`;
  }
}
