/** The session over time, on a clock that is moved by hand: M7, M8, and when it connects again. */
import { createServer } from 'node:net';
import type { Timer } from '@fibric/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@fibric/simulators/clock';
import * as sim from '@fibric/simulators/modbus/server';
import { until } from '../../test/contract/harness.ts';
import { openModbus } from '../../test/contract/modbus-bench.ts';
import { NEVER, RANK, Session, type SessionOptions, type State, type Unavailable } from './session.ts';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.stop();
});

/** Remembers for how long it was asked to wait. */
class DelayClock extends VirtualClock {
  readonly delays: number[] = [];

  override after(delayMs: number, fn: () => void): Timer {
    this.delays.push(delayMs);
    return super.after(delayMs, fn);
  }
}

const TIMEOUT_MS = 200;

function session(
  port: number,
  clock: VirtualClock,
  more: Partial<SessionOptions> = {},
): { session: Session; states: State[] } {
  const states: State[] = [];
  const made = new Session({
    target: { host: '127.0.0.1', port },
    timeoutMs: TIMEOUT_MS,
    pauseMs: 0,
    clock,
    random: { next: () => 0.5 },
    greet: async () => null,
    onState: (state) => states.push(state),
    ...more,
  });
  open.push(made);
  made.start();
  return { session: made, states };
}

interface Far {
  readonly port: number;
  readonly server: sim.ModbusServer;
  readonly unit: sim.ModbusUnit;
  /** Addresses asked for. */
  readonly seen: number[];
}

async function server(): Promise<Far> {
  const seen: number[] = [];
  const unit = new sim.ModbusUnit({
    id: 1,
    holding: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [i, i])),
  });
  const clock = new VirtualClock();
  const made = sim.createModbusServer({ world: null, units: [unit], clock, onRequest: (r) => seen.push(r.address) });
  open.push(made);
  return { ...(await made.start()), server: made, unit, seen };
}

/** Reads one register; what a job may answer is the register, or why it never had the link. */
function ask(of: Session, rank: 0 | 1 | 2, address: number, endMs = NEVER): Promise<number | Unavailable> {
  return of.submit<number | Unavailable>(
    rank,
    endMs,
    async (link, leftMs) => {
      const { outcome } = await link.exchange(1, { function: 3, address, count: 1 }, leftMs());
      return outcome.kind === 'cells' ? (outcome.cells[0] ?? -1) : -1;
    },
    (why) => why,
  );
}

describe('the order of things', () => {
  it('M7 writes go first, then reads, then polls, each in the order they came', async () => {
    const { port, seen } = await server();
    const made = session(port, new VirtualClock());
    const jobs = [
      ask(made.session, RANK.poll, 1),
      ask(made.session, RANK.read, 11),
      ask(made.session, RANK.poll, 2),
      ask(made.session, RANK.write, 21),
      ask(made.session, RANK.read, 12),
      ask(made.session, RANK.write, 22),
    ];
    expect(await Promise.all(jobs)).toEqual([1, 11, 2, 21, 12, 22]);
    expect(seen).toEqual([21, 22, 11, 12, 1, 2]);
  });

  it('a pause lies between an answer and the next request', async () => {
    const { port, seen } = await server();
    const clock = new VirtualClock();
    const made = session(port, clock, { pauseMs: 50 });
    const second = [ask(made.session, RANK.read, 1), ask(made.session, RANK.read, 2)][1];
    await until('the first', () => seen.length === 1);
    const answered = { second: false };
    void second?.then(() => {
      answered.second = true;
    });
    await until('the second', () => {
      clock.advance(10);
      return answered.second;
    });
    expect(clock.monoMs()).toBeGreaterThanOrEqual(50);
    expect(seen).toEqual([1, 2]);
  });
});

describe('without a link', () => {
  it('M8 whatever waits is told when connecting fails, and polls are turned away after that', async () => {
    const { port, server: far } = await server();
    await far.stop();
    const made = session(port, new VirtualClock());
    const refused = { reason_code: 'disconnected', message: `no connection to 127.0.0.1:${port}: ECONNREFUSED` };
    expect(await Promise.all([ask(made.session, RANK.poll, 1), ask(made.session, RANK.write, 2)])).toEqual([
      refused,
      refused,
    ]);
    await until('it to be down', () => made.session.state.kind === 'down');
    expect(await ask(made.session, RANK.poll, 1)).toEqual(refused);
  });

  it('M8 a job whose time is up is answered, though nobody let it have the link', async () => {
    const { port } = await server();
    const clock = new VirtualClock();
    const made = session(port, clock, { greet: () => new Promise(() => {}) });
    const job = ask(made.session, RANK.write, 1, clock.monoMs() + 100);
    clock.advance(100);
    expect(await job).toEqual({ reason_code: 'timeout', message: 'its time was up while it waited for the link' });
    open.splice(open.indexOf(made.session), 1);
  });

  it('waits longer from one attempt to the next, up to 30 s, with jitter', async () => {
    const far = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
    open.push({ stop: () => new Promise((resolve) => far.close(() => resolve())) });
    const clock = new DelayClock();
    const { port } = far.address() as { port: number };
    session(port, clock);
    const waits = (): number[] => clock.delays.filter((delayMs) => delayMs !== TIMEOUT_MS);
    await until('ten attempts', () => {
      clock.advance(500);
      return waits().length >= 10;
    });
    const doubled = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    expect(waits().slice(0, 10)).toEqual(doubled.map((ms) => ms * 0.75));
  });

  it('a read on demand does not wait for the next attempt', async () => {
    const { port, server: far } = await server();
    await far.stop();
    const made = session(port, new VirtualClock());
    await until('it to be down', () => made.session.state.kind === 'down');
    await far.start(port);
    expect(await ask(made.session, RANK.read, 7)).toBe(7);
  });

  it('a link that was good is made anew at once, without being reported lost', async () => {
    const { port, server: far } = await server();
    const clock = new VirtualClock();
    const made = session(port, clock);
    expect(await ask(made.session, RANK.read, 7)).toBe(7);
    clock.advance(1_000);
    far.drop();
    await until('the second link', () => made.states.filter(({ kind }) => kind === 'up').length === 2);
    expect(made.states.map(({ kind }) => kind)).toEqual(['connecting', 'up', 'connecting', 'up']);
    expect(await ask(made.session, RANK.read, 8)).toBe(8);
  });

  it('a host that does not answer the attempt is given up after the timeout', async () => {
    // The clock runs out before the socket can have connected.
    const { port } = await server();
    const clock = new VirtualClock();
    const made = session(port, clock);
    const job = ask(made.session, RANK.read, 1);
    clock.advance(TIMEOUT_MS);
    expect(await job).toEqual({
      reason_code: 'disconnected',
      message: `no connection to 127.0.0.1:${port} within 200 ms`,
    });
  });
});

describe('stopping', () => {
  it('M8 ends what waits and what is under way', async () => {
    const { port, server: far, seen, unit } = await server();
    const made = session(port, new VirtualClock());
    unit.behaviours = [sim.silent()];
    const jobs = [ask(made.session, RANK.read, 1), ask(made.session, RANK.read, 2)];
    await until('the first to be under way', () => seen.length === 1);
    await made.session.stop();
    expect(await Promise.all(jobs)).toEqual([-1, { reason_code: 'stopped', message: 'the driver was stopped' }]);
    expect(await ask(made.session, RANK.write, 3)).toEqual({
      reason_code: 'stopped',
      message: 'the driver was stopped',
    });
    await until('the link to be gone', () => far.links() === 0);
    expect(seen).not.toContain(3);
  });
});

describe('a reset', () => {
  it('drops the link abortively: what was under way is in doubt, and what waits goes over the new one', async () => {
    const clock = new VirtualClock();
    const unit = new sim.ModbusUnit({ id: 3, holding: { 0: 1 } });
    const farClock = new VirtualClock();
    const made = await openModbus({
      units: [unit],
      points: [{ unit: 3, name: 'p', options: { address: 0 } }],
      clock,
      farClock,
    });
    open.push(made);
    unit.behaviours = [sim.answerLate(5_000, sim.writes)];
    const write = made.write(3, { p: 5 });
    await until('the write', () => made.requests.length === 1);
    const read = made.read(3, 'p');
    await made.driver.reset('u3');
    expect(await write).toMatchObject({ kind: 'doubt', reason_code: 'disconnected', message: 'the link was reset' });
    expect((await read)[0]?.value).toBe(5);
    farClock.advance(5_000);
    expect((await made.read(3, 'p'))[0]?.value).toBe(5);
  });
});
