import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Envelope, LIMITS, type Log, makeEnvelope } from '@fibric/sdk';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { waitFor } from '../../test/support/wait.ts';
import { createIds } from '../ids.ts';
import { type EventLog, openEventLog } from './log.ts';
import { openEventReader } from './reader.ts';

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const identity = { tenant_id: 't', reseller_id: null, workspace_id: null };

interface Opened {
  readonly dir: string;
  readonly clock: VirtualClock;
  readonly events: EventLog;
  /** Appends an envelope of the type; returns it. */
  add(type?: string, payload?: Record<string, unknown>): Envelope;
}

function open(
  options: { readonly dir?: string; readonly bytes?: number; readonly log?: Log; readonly seed?: number } = {},
): Opened {
  const dir = options.dir ?? scratchDir();
  const clock = new VirtualClock();
  const { bytes, log = silent, seed = 0.5 } = options;
  const events = openEventLog({ dir, clock, siteClock: clock, log, ...(bytes === undefined ? {} : { bytes }) });
  const ids = createIds(clock, { next: () => seed });
  return {
    dir,
    clock,
    events,
    add(type = 'zone.temperature', payload = {}) {
      const envelope = makeEnvelope(identity, { event_id: ids.uuid(), source: 'fixture', event_type: type, payload });
      events.append(envelope);
      return envelope;
    },
  };
}

const cursors = (found: readonly { readonly cursor: number }[]): readonly number[] => found.map(({ cursor }) => cursor);
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

describe('what was appended', () => {
  it('is there at once, in order, as it was, also before it is durable', async () => {
    const { events, add } = open();
    const sent = range(1, 5).map((i) => add('zone.co2', { i, nested: { text: 'a\nb "c" é' } }));
    const found = events.eventsAfter(0, 100);
    expect(cursors(found)).toEqual([1, 2, 3, 4, 5]);
    expect(found.map((event) => event.envelope)).toEqual(sent);
    expect(found[0]?.at).toBe('2026-07-01T08:00:00.000Z');
    await events.close();
  });

  it('L2 is there after a restart, from the next cursor on, and for a reader of the folder', async () => {
    const first = open();
    const sent = range(1, 3).map((i) => first.add('zone.co2', { i }));
    await first.events.close();
    const reader = openEventReader(first.dir);
    expect(reader.eventsAfter(0, 10).map((event) => event.envelope)).toEqual(sent);
    expect(reader.head()).toBe(3);
    reader.close();
    const second = open({ dir: first.dir });
    second.add();
    expect(cursors(second.events.eventsAfter(0, 10))).toEqual([1, 2, 3, 4]);
    expect(second.events.gaps()).toEqual([]);
    await second.events.close();
  });

  it('L1 becomes durable by itself within the time of a block', async () => {
    const { events, add, clock } = open();
    add();
    expect(events.stats().durable).toBe(0);
    await clock.advance(LIMITS.eventBlockMs);
    await waitFor('the block', () => events.stats().durable === 1);
    await events.close();
  });

  it('is read the same whatever the sizes of the blocks were', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 0, max: 3_000 }),
        fc.integer({ min: 1, max: 1_500 }),
        async (bursts, after, limit) => {
          const { events, add, dir } = open();
          const total = bursts.reduce((sum, size) => sum + size, 0);
          const types = ['zone.co2', 'zone.temperature', 'dock.door'];
          for (const size of bursts) {
            for (let i = 0; i < size; i++) add(types[i % 3]);
            await events.flush();
          }
          const expected = range(after + 1, Math.min(total, after + limit));
          expect(cursors(events.eventsAfter(after, limit))).toEqual(expected);
          expect(cursors(events.eventsLast(limit))).toEqual(range(Math.max(1, total - limit + 1), total));
          const all = events.eventsAfter(0, total);
          const zones = all.filter((event) => event.envelope.event_type.startsWith('zone.'));
          expect(cursors(events.eventsAfter(0, limit, 'zone.*'))).toEqual(cursors(zones).slice(0, limit));
          expect(cursors(events.eventsLast(limit, 'zone.*'))).toEqual(cursors(zones).slice(-limit));
          await events.close();
          const reader = openEventReader(dir);
          expect(reader.eventsAfter(0, total)).toEqual(all);
          reader.close();
        },
      ),
      { numRuns: 15 },
    );
  });

  it('is found by its id, on the disk and before it is there, and not by an id that only stands in a payload', async () => {
    const { events, add, clock } = open();
    const early = add();
    await events.flush();
    await clock.advance(5_000);
    const middle = add('zone.co2', { about: early.event_id });
    await events.flush();
    const late = add();
    expect(events.event(early.event_id)).toMatchObject({ cursor: 1, envelope: early });
    expect(events.event(middle.event_id)).toMatchObject({ cursor: 2 });
    expect(events.event(late.event_id)).toMatchObject({ cursor: 3 });
    expect(events.event('0190a1b2-c3d4-7abc-8def-123456789abc')).toBe(null);
    expect(events.event('EV-1')).toBe(null);
    await events.close();
  });

  it('lies in few rows, however slowly it came', async () => {
    const { events, add, dir } = open();
    for (let i = 0; i < 2_500; i++) {
      add();
      if (i % 50 === 0) await events.flush();
    }
    await events.close();
    const db = new Database(`${dir}/events.db`, { readonly: true });
    const sizes = db.prepare<[], number>('select last_seq - first_seq + 1 from blocks order by last_seq').pluck().all();
    db.close();
    expect(sizes.filter((size) => size >= LIMITS.eventBlock).length).toBeGreaterThanOrEqual(2);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2_500);
  });
});

describe('the bound', () => {
  it('L4 holds: the oldest go first, and the gap says so (row 101)', async () => {
    const { events, add } = open({ bytes: 20_000 });
    for (let block = 0; block < 40; block++) {
      for (let i = 0; i < 1_000; i++) add('zone.co2', { i, block });
      await events.flush();
      expect(events.stats().bytes).toBeLessThanOrEqual(20_000);
    }
    const [oldest] = events.eventsAfter(0, 1);
    expect(oldest?.cursor).toBeGreaterThan(1);
    expect(events.gaps()).toEqual([{ first_seq: 1, last_seq: Number(oldest?.cursor) - 1, reason: 'trimmed' }]);
    expect(cursors(events.eventsLast(1))).toEqual([40_000]);
    expect(events.stats().lost).toBe(0);
    await events.close();
  });

  it('V3 gives the oldest up when the disk fills, and their pages go back to the file system (row 101)', async () => {
    const { events, add, dir } = open();
    for (let i = 0; i < 6_000; i++) add('zone.co2', { noise: randomBytes(600).toString('base64') });
    await events.flush();
    events.shrink(0);
    const before = [events.stats().bytes, statSync(`${dir}/events.db`).size] as const;
    expect(events.shrink(2_000_000)).toBeGreaterThan(1_500_000);
    expect(events.stats().bytes).toBeLessThan(before[0] - 1_500_000);
    expect(statSync(`${dir}/events.db`).size).toBeLessThan(before[1] - 1_500_000);
    expect(events.gaps()).toEqual([{ first_seq: 1, last_seq: expect.any(Number), reason: 'trimmed' }]);
    expect(cursors(events.eventsLast(1))).toEqual([6_000]);
    for (let i = 0; i < 10; i++) events.shrink(2_000_000);
    expect(events.stats().bytes).toBeGreaterThan(0);
    expect(cursors(events.eventsLast(1))).toEqual([6_000]);
    await events.close();
  });

  it('L4 in memory: blocks that a slow disk does not take are dropped, oldest first, counted and recorded', async () => {
    const { events, add } = open();
    const blocks = LIMITS.eventBlocksWaiting + 3;
    for (let i = 0; i < blocks * LIMITS.eventBlock; i++) add();
    await events.flush();
    expect(events.stats()).toMatchObject({ lost: 3_000, head: blocks * 1_000, durable: blocks * 1_000 });
    expect(events.gaps()).toEqual([
      { first_seq: 1_001, last_seq: 2_000, reason: 'dropped' },
      { first_seq: 2_001, last_seq: 3_000, reason: 'dropped' },
      { first_seq: 3_001, last_seq: 4_000, reason: 'dropped' },
    ]);
    expect(cursors(events.eventsAfter(999, 3))).toEqual([1_000, 4_001, 4_002]);
    await events.close();
  });

  it('L4 what a failing disk does not take is told to whoever waits, and the log goes on', async () => {
    const errors: string[] = [];
    const { events, add, dir } = open({ log: { ...silent, error: (_, message) => errors.push(message) } });
    const rude = new Database(`${dir}/events.db`);
    rude.exec(`create trigger refuse before insert on blocks begin select raise(abort, 'disk is full'); end`);
    add();
    await expect(events.flush()).rejects.toThrow('the event log could not be written: disk is full');
    expect(errors).toEqual(['event log: a block was lost']);
    rude.exec('drop trigger refuse');
    rude.close();
    add();
    await events.flush();
    expect(events.gaps()).toEqual([{ first_seq: 1, last_seq: 1, reason: 'dropped' }]);
    expect(cursors(events.eventsAfter(0, 10))).toEqual([2]);
    await events.close();
  });
});

describe('opening', () => {
  it('names the file when it is not an event log', async () => {
    const dir = scratchDir();
    const db = new Database(`${dir}/events.db`);
    db.pragma('user_version = 99');
    db.close();
    expect(() => open({ dir })).toThrow(
      `the event log ${dir}/events.db cannot be opened: it has format 99, and this program reads format 1`,
    );
    expect(() => openEventReader(scratchDir())).toThrow('cannot be opened');
  });

  it('V1 is in write-ahead mode', async () => {
    const { events, add, dir } = open();
    add();
    await events.flush();
    const db = new Database(`${dir}/events.db`, { readonly: true });
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    db.close();
    await events.close();
  });
});

describe('a process killed while it appends', () => {
  it('L2 L3 loses nothing it had flushed, leaves no torn block, and no cursor is used twice', {
    timeout: 60_000,
  }, async () => {
    const dir = scratchDir();
    let floor = 0;
    for (let round = 0; round < 5; round++) {
      const flushed = await killAfter(dir, 3 + round * 4);
      const reader = openEventReader(dir);
      const found = reader.eventsAfter(floor, 1_000_000);
      reader.close();
      expect(found.at(-1)?.cursor).toBeGreaterThanOrEqual(flushed);
      const first = found[0]?.cursor ?? 0;
      expect(first).toBeGreaterThan(floor);
      expect(cursors(found)).toEqual(range(first, first + found.length - 1));
      // What was given out and lost lies below this too: see the reserve of eventBlocksWaiting + 1 blocks.
      floor = (found.at(-1)?.cursor ?? 0) + LIMITS.eventBlock * LIMITS.eventBlocksWaiting;
    }
    const { events } = open({ dir });
    expect(events.gaps().map((gap) => gap.reason)).toEqual(Array.from({ length: 5 }, () => 'crash'));
    await events.close();
  });
});

/** Runs the child until it has flushed `flushes` times, kills it, and returns the last cursor it had said. */
async function killAfter(dir: string, flushes: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, [new URL('./crash-child.ts', import.meta.url).pathname, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let flushed = 0;
  let seen = 0;
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface(child.stdout)) {
    flushed = Number(line);
    if (++seen === flushes) child.kill('SIGKILL');
  }
  await exited;
  return flushed;
}
