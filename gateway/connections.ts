/** The site's connections: each driver loaded, started, asked, and stopped. Knows no protocol by name. */
import { join } from 'node:path';
import {
  badReading,
  type Clock,
  type Driver,
  type DriverContext,
  FibricError,
  type Log,
  messageOf,
  type PointRef,
  type Probe,
  type Random,
  type Reading,
} from '@fibric/sdk';
import type { Connection, Site } from './config/site.ts';
import type { Observer } from './observe/observer.ts';

export interface ConnectionsOptions {
  readonly site: Site;
  readonly observer: Observer;
  /** Real time, also in an accelerated world: a device answers when it answers. */
  readonly ioClock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly secret: (slot: string) => string | null;
}

export interface Connections {
  /** Loads the drivers that the site needs, and begins to connect. */
  start(): Promise<void>;
  stop(): Promise<void>;
  driver(connection: string): Driver;
  /** Reads points of any device of the site from the device, in the order asked. */
  read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]>;
  probe(connection: string): Promise<Probe | null>;
  /** Answers a read capability that a connection answers as a whole; null when none of `bound` does. */
  query(capability: string, bound: readonly string[], args: Readonly<Record<string, unknown>>): Promise<unknown>;
}

const QUERY_TIMEOUT_MS = 5_000;

export function createConnections(options: ConnectionsOptions): Connections {
  const { site, observer, log } = options;
  const drivers = new Map<string, Driver>();

  async function open(connection: Connection): Promise<void> {
    const create = await connection.driver.load();
    const context: DriverContext = {
      clock: options.ioClock,
      random: options.random,
      log,
      world: site.simulation ? { kind: 'simulated', id: site.simulation.world } : { kind: 'live' },
      secret: options.secret,
      stateDir: join(site.data, 'connections', connection.id),
    };
    const { id, options: parsed, devices } = connection;
    const driver = create({ id, options: parsed, devices: devices.map((device) => device.spec) }, context);
    drivers.set(id, driver);
    driver.start({
      readings: (batch) => observer.readings(batch),
      status: (status, detail) => {
        log[status === 'connected' ? 'info' : 'warn']({ connection: id, status }, detail);
        observer.status(id, status, detail);
      },
    });
  }

  function driver(connection: string): Driver {
    const found = drivers.get(connection);
    if (!found) throw new Error(`no driver for connection ${connection}`);
    return found;
  }

  async function read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]> {
    const real = site.simulation ? 'simulated' : 'live';
    const byConnection = Map.groupBy(refs, (ref) => site.devices.get(ref.device)?.connection ?? null);
    const found = new Map<string, Reading>();
    await Promise.all(
      [...byConnection].map(async ([connection, wanted]) => {
        if (connection === null) return;
        for (const reading of await driver(connection).read(wanted, timeoutMs))
          found.set(`${reading.device}/${reading.point}`, reading);
      }),
    );
    return refs.map((ref) => found.get(`${ref.device}/${ref.point}`) ?? badReading(ref, 'device_error', real));
  }

  return {
    async start() {
      await Promise.all([...site.connections.values()].map(open));
    },
    async stop() {
      const ends = await Promise.allSettled([...drivers.values()].map((one) => one.stop()));
      for (const end of ends)
        if (end.status === 'rejected') log.error({}, `a driver did not stop cleanly: ${messageOf(end.reason)}`);
    },
    driver,
    read,
    probe: async (connection) => drivers.get(connection)?.probe() ?? null,
    async query(capability, bound, args) {
      for (const id of bound) {
        if (!site.connections.get(id)?.driver.queries?.includes(capability)) continue;
        const answer = driver(id).query?.(capability, args, QUERY_TIMEOUT_MS);
        if (answer) return answer;
      }
      throw new FibricError('not_found', `no connection answers ${capability}`);
    },
  };
}
