/** What the tests of this folder share: a line with faults in front of the air handler, and a driver on top of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionSpec, Driver, DriverContext, World } from '@fibric/sdk';
import { AIR_HANDLER_NAMESPACE, AIR_HANDLER_OBJECT, type AirHandlerPoint } from '@fibric/simulators/opcua/air-handler';
import { CountingClock, RecordingSink, testContext } from '../../test/contract/harness.ts';
import { connection, device, point } from './options.ts';

/** A TCP line to `targetPort` that can be silenced (answers wait), cut and closed. */
export class Line {
  readonly #targetPort: number;
  readonly #pairs = new Set<readonly [near: Socket, far: Socket]>();
  #server: Server | null = null;
  #silent = false;
  port = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  get links(): number {
    return this.#pairs.size;
  }

  async open(): Promise<void> {
    const server = createServer((near) => this.#join(near));
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
    this.#server = server;
  }

  silence(on: boolean): void {
    this.#silent = on;
    for (const [, far] of this.#pairs) {
      if (on) far.pause();
      else far.resume();
    }
  }

  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.cut();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }

  #join(near: Socket): void {
    const far = connect(this.#targetPort, '127.0.0.1');
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => near.write(bytes));
    for (const socket of pair) socket.on('error', end).on('close', end);
    if (this.#silent) far.pause();
  }
}

export function portOf(url: string): number {
  return Number(url.split(':').at(-1));
}

/** A folder that the caller removes with what is below it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'fibric-opcua-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const DEVICE = 'ahu-1';

/** A point of the test's profile: its node below the unit, and how it is treated. */
export interface TestPoint {
  readonly name: AirHandlerPoint | string;
  readonly node: string;
  readonly access?: 'read' | 'read_write';
  readonly poll_ms?: number | null;
  readonly deadband?: number;
  readonly namespace?: string;
}

export function connectionSpec(port: number, points: readonly TestPoint[], options: object = {}): ConnectionSpec {
  return {
    id: 'plant',
    options: connection.parse({
      url: `opc.tcp://127.0.0.1:${port}`,
      timeout: '2s',
      subscribe: { publishing: '50ms' },
      ...options,
    }),
    devices: [
      {
        id: DEVICE,
        options: device.parse({ prefix: `${AIR_HANDLER_OBJECT}.` }),
        points: points.map((p) => ({
          name: p.name,
          access: p.access ?? 'read',
          poll_ms: p.poll_ms === undefined ? 50 : p.poll_ms,
          deadband: p.deadband ?? null,
          address: point.parse({ namespace: p.namespace ?? AIR_HANDLER_NAMESPACE, node: `s=${p.node}` }),
        })),
      },
    ],
  };
}

export interface Running {
  readonly driver: Driver;
  readonly sink: RecordingSink;
  readonly clock: CountingClock;
  readonly context: DriverContext;
}

/** Starts a driver in the world of the tests. */
export async function startDriver(
  spec: ConnectionSpec,
  stateDir: string,
  more: { readonly world?: World; readonly secret?: (slot: string) => string | null } = {},
): Promise<Running> {
  const clock = new CountingClock();
  const base = testContext(more.world ?? { kind: 'simulated', id: 'plant-world' }, clock, stateDir);
  const context = { ...base, secret: more.secret ?? base.secret };
  const { createOpcUaDriver } = await import('./driver.ts');
  const driver = createOpcUaDriver(spec, context);
  const sink = new RecordingSink();
  driver.start(sink);
  return { driver, sink, clock, context };
}
