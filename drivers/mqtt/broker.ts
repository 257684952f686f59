/**
 * A broker for sites that have none: aedes, wrapped here and nowhere else. It speaks MQTT 3.1 and 3.1.1; a client of MQTT 5
 * is refused by aedes 1.2. Retained messages and sessions live in memory: after a restart they are gone.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Server, type Socket, createServer } from 'node:net';
import { type Clock, FibricError, LIMITS, type Log, messageOf } from '@fibric/sdk';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { Sampler } from './sampler.ts';

export interface BrokerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Slots of user name and password; null lets anybody in, and then only from this machine. */
  readonly auth: { readonly user: string; readonly pass: string } | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly secret: (slot: string) => string | null;
}

export interface Broker {
  /** Listens; the port that was taken. Throws `FibricError`. */
  start(): Promise<number>;
  stop(): Promise<void>;
}

/** MQTT 3.1.1 §3.2.2.3: bad user name or password. */
const BAD_CREDENTIALS = 4;

export function createBroker(options: BrokerOptions): Broker {
  return new EmbeddedBroker(options);
}

class EmbeddedBroker implements Broker {
  readonly #options: BrokerOptions;
  readonly #closed: Sampler;
  readonly #sockets = new Set<Socket>();
  #running: { readonly aedes: Aedes; readonly server: Server } | null = null;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#closed = new Sampler(options.clock, options.log, 'the broker closed a connection');
  }

  async start(): Promise<number> {
    const { auth, host, port, secret } = this.#options;
    if (auth === null && !isLoopback(host)) {
      throw new FibricError(
        'config_invalid',
        `the broker would listen on ${host} for anybody: give it auth, or a loopback address`,
      );
    }
    for (const slot of auth ? [auth.user, auth.pass] : []) {
      if (!secret(slot)) throw new FibricError('secret_missing', `the broker's secret slot ${slot} is empty`);
    }
    const aedes = await Aedes.createBroker({
      authenticate: (_client, username, password, done) => this.#authenticate(username, password, done),
      authorizePublish: (_client, packet, done) => this.#authorizePublish(packet, done),
    });
    aedes.on('clientError', (client, error) => this.#trouble(client, error));
    aedes.on('connectionError', (client, error) => this.#trouble(client, error));
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      aedes.handle(socket);
    });
    this.#running = { aedes, server };
    try {
      return await listening(server, host, port);
    } catch (error) {
      await this.stop();
      throw new FibricError('port_in_use', `the broker cannot listen on ${host}:${port}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    const closed = new Promise<void>((resolve) => running.server.close(() => resolve()));
    await new Promise<void>((resolve) => running.aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #authenticate(
    username: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): void {
    const { auth, secret } = this.#options;
    if (auth === null) return done(null, true);
    // Both are always compared, each in the same time whatever is wrong with it.
    const right = [same(username, secret(auth.user)), same(password?.toString(), secret(auth.pass))];
    if (right.every(Boolean)) return done(null, true);
    done(Object.assign(new Error('bad user name or password'), { returnCode: BAD_CREDENTIALS }), false);
  }

  #authorizePublish({ topic, payload }: PublishPacket, done: (error?: Error | null) => void): void {
    if (topic.startsWith('$')) return done(new Error(`${topic} belongs to the broker`));
    if (payload.length > LIMITS.messageBytes) {
      return done(new Error(`${payload.length} bytes on ${topic}, more than ${LIMITS.messageBytes}`));
    }
    done(null);
  }

  #trouble(client: Client | undefined, error: Error): void {
    this.#closed.note(error.message, () => ({ client: client?.id ?? null, reason: error.message }));
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Compares without telling by its duration how much was right. */
function same(given: string | undefined, wanted: string | null): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return (
    timingSafeEqual(digest(given ?? ''), digest(wanted ?? '')) &&
    given !== undefined &&
    wanted !== null &&
    wanted !== ''
  );
}

function listening(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
