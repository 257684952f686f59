import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock, Log } from '@fibric/sdk';
import { Upstream } from '@fibric/simulators/upstream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryEvents } from '../api/events-fixture.ts';
import { MemoryJournal } from '../api/fixture.ts';
import type { Witnessing } from '../proof/witness.ts';
import { systemClock } from '../system.ts';
import { openSyncStore, type SyncStore } from './store.ts';
import { createSync, type Sync } from './sync.ts';

const SECRET = 'sk_test_very_secret';

let journal: MemoryJournal;
let events: MemoryEvents;
let upstream: Upstream;
let store: SyncStore;
let file: string;
let sync: Sync;
let token: string | null;
let logged: string[];

const log: Log = { info: line, warn: line, error: line };
function line(fields: Readonly<Record<string, unknown>>, message: string): void {
  logged.push(`${message} ${JSON.stringify(fields)}`);
}

/** Pauses pass at once but in order: an outage of a week is over in a test's time. */
const hasty: Clock = (() => {
  const real = systemClock();
  return { ...real, after: (delayMs, fn) => real.after(delayMs >= 15_000 ? delayMs : Math.min(delayMs, 2), fn) };
})();

beforeEach(async () => {
  journal = new MemoryJournal();
  events = new MemoryEvents();
  token = SECRET;
  logged = [];
  upstream = new Upstream({ port: 0, token: SECRET });
  await upstream.start();
  file = join(mkdtempSync(join(tmpdir(), 'fibric-sync-')), 'sync.db');
  store = openSyncStore(file);
});
afterEach(async () => {
  await sync.stop();
  await upstream.stop();
  store.close();
});

function begin(
  options: {
    readonly url?: string;
    readonly globs?: readonly string[];
    readonly secret?: string | null;
    readonly witness?: Witnessing;
  } = {},
): void {
  sync = createSync({
    source: () => 'gw1',
    witness: options.witness ?? null,
    upstream: {
      url: options.url ?? upstream.url,
      secret: options.secret === undefined ? 'UPSTREAM_TOKEN' : options.secret,
      events: options.globs ?? [],
    },
    journal,
    events,
    store,
    clock: hasty,
    random: { next: () => 0 },
    secret: () => token,
    log,
  });
  sync.start();
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 4_000; i += 1) {
    if (holds()) return;
    await wait(2);
  }
  throw new Error(`did not come: ${what}; ${JSON.stringify(sync.status())}`);
}

const keys = () => upstream.received.map((event) => event.key);
const expectedKeys = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `gw1:rc_${2 * (from + i)}`);

describe('what is sent', () => {
  test('every receipt is a receipt.written: the four-word outcome beside the receipt in full, and no tenancy beside it', async () => {
    journal.write(1, { outcome: 'noop' });
    begin();
    await until('stored', () => upstream.stored === 1);
    expect(upstream.received[0]).toEqual({
      position: 1,
      key: 'gw1:rc_2',
      body: {
        source: 'gateway',
        event_type: 'receipt.written',
        payload: { outcome: 'deduplicated', receipt: journal.rows[0] },
        correlation_id: 'co_2',
      },
    });
  });

  test('receipts go first, oldest first; then the events that the site wants to send, in the order of the log', async () => {
    for (let i = 0; i < 450; i += 1) events.write(i % 3 === 0 ? 'zone.temperature' : 'cron.tick');
    journal.write(250);
    begin({ globs: ['zone.*', 'dock.*'] });
    await until('all stored', () => upstream.stored === 400);
    const wanted = events.rows.filter((row) => row.envelope.event_type === 'zone.temperature');
    expect(keys()).toEqual([...expectedKeys(1, 250), ...wanted.map((row) => `gw1:${row.envelope.event_id}`)]);
    await until('idle', () => sync.status().state === 'idle');
    expect(sync.status()).toMatchObject({
      receipts: { cursor: 500, backlog: 0 },
      events: { cursor: 450, backlog: 0 },
      dead_letters: { count: 0 },
      last_error: null,
    });
  });

  test('a receipt that is written while events are being sent goes before the rest of them', async () => {
    for (let i = 0; i < 100; i += 1) events.write('zone.temperature');
    upstream.trouble({ kind: 'stall' });
    begin({ globs: ['zone.*'] });
    await until('first request', () => upstream.requests === 1);
    journal.write(1);
    upstream.release();
    await until('all stored', () => upstream.stored === 101);
    expect(keys().indexOf('gw1:rc_2')).toBe(1);
  });

  test('a receipt is counted once upstream, also when the site sends every event', async () => {
    journal.write(1);
    events.write('receipt.written');
    events.write('dock.door');
    begin({ globs: ['*.*'] });
    await until('caught up', () => sync.status().events.cursor === 2);
    expect(keys()).toEqual(['gw1:rc_2', 'gw1:ev-2']);
  });

  test('without globs no event is sent and none is owed', async () => {
    events.write('zone.temperature');
    journal.write(1);
    begin();
    await until('idle', () => upstream.stored === 1 && sync.status().state === 'idle');
    expect(sync.status().events).toEqual({ cursor: 0, backlog: 0 });
  });
});

describe('Y1 outages', () => {
  test('everything written while nobody answers is sent afterwards, once and in order (row 114)', async () => {
    const { port, url } = upstream;
    await upstream.stop();
    journal.write(20);
    begin({ url });
    await until('waiting', () => sync.status().state === 'waiting');
    expect(sync.status()).toMatchObject({
      receipts: { cursor: 0, backlog: 20 },
      last_error: { reason: 'ECONNREFUSED' },
    });
    journal.write(10);
    upstream = new Upstream({ port, token: SECRET });
    await upstream.start();
    await until('all stored', () => upstream.stored === 30);
    expect(keys()).toEqual(expectedKeys(1, 30));
    expect(logged.filter((text) => text.includes('ECONNREFUSED'))).toHaveLength(1);
  });

  test('an answer that is lost after storing leads to a repeat that the receiver knows: nothing is kept twice (row 111)', async () => {
    journal.write(10);
    upstream.trouble(...Array.from({ length: 5 }, () => ({ kind: 'lose_response' }) as const));
    begin();
    await until('caught up', () => sync.status().receipts.cursor === 20);
    expect(upstream.requests).toBeGreaterThan(upstream.stored);
    expect(keys()).toEqual(expectedKeys(1, 10));
  });

  test('a restart in the middle goes on where the upstream acknowledged', async () => {
    journal.write(50);
    begin();
    await until('some stored', () => upstream.stored >= 10);
    await sync.stop();
    store.close();
    const before = upstream.requests;
    const had = upstream.stored;
    store = openSyncStore(file);
    begin();
    await until('caught up', () => sync.status().receipts.cursor === 100);
    expect(keys()).toEqual(expectedKeys(1, 50));
    // One may have been stored whose answer the first run did not live to see.
    expect(upstream.requests - before).toBeLessThanOrEqual(50 - had + 1);
  });

  test('an upstream that was put back to an older state gets what it has lost once more (row 113)', async () => {
    let rows: number | null = null;
    const witness: Witnessing = {
      due: () => rows !== null,
      async ask() {
        const known = rows;
        rows = null;
        return known;
      },
    };
    journal.write(50);
    begin({ witness });
    await until('stored', () => upstream.stored === 50);
    const { port } = upstream;
    await upstream.stop();
    upstream = new Upstream({ port, token: SECRET });
    await upstream.start();
    rows = 40;
    await until('what was lost to be there again', () => upstream.stored === 30);
    expect(keys()).toEqual(expectedKeys(21, 50));
    await until('idle', () => sync.status().state === 'idle');
    expect(sync.status()).toMatchObject({ receipts: { cursor: 100, backlog: 0 } });
    expect(logged.filter((text) => text.startsWith('the upstream was put back'))).toHaveLength(1);
  });

  test('a cursor ahead of the journal belongs to one that is gone: the new one is sent from its start', async () => {
    store.save({ receipts: 9_000, events: 9_000 });
    journal.write(3);
    begin();
    await until('all stored', () => upstream.stored === 3);
    expect(logged[0]).toContain('sending it from the start');
  });

  test('stopping does not wait for an upstream that says nothing', async () => {
    journal.write(1);
    upstream.trouble({ kind: 'stall' });
    begin();
    await until('asked', () => upstream.requests === 1);
    await sync.stop();
    expect(store.load()).toEqual({ receipts: 0, events: 0 });
  });
});

describe('Y2, Y3 refusals', () => {
  test.each([
    ['5xx', { kind: 'refuse', status: 503 }],
    ['429', { kind: 'refuse', status: 429, retryAfterS: 3 }],
    ['409 entity_locked', { kind: 'refuse', status: 409, code: 'entity_locked', retryAfterS: 1 }],
  ] as const)('%s: the same again, and nothing overtakes', async (_name, trouble) => {
    journal.write(3);
    upstream.trouble(trouble, trouble);
    begin();
    await until('caught up', () => sync.status().receipts.cursor === 6);
    expect(keys()).toEqual(expectedKeys(1, 3));
    expect(upstream.requests).toBe(5);
    expect(sync.status().dead_letters.count).toBe(0);
  });

  test.each([400, 403, 404, 409, 422])(
    '%i: not repeated, kept as a dead letter with the reason, and the next goes on',
    async (status) => {
      journal.write(3);
      upstream.trouble({ kind: 'refuse', status, code: 'some_reason' });
      begin();
      await until('caught up', () => sync.status().receipts.cursor === 6);
      expect(keys()).toEqual(expectedKeys(2, 3));
      expect(upstream.requests).toBe(3);
      expect(sync.status().dead_letters).toMatchObject({
        count: 1,
        newest: [{ key: 'gw1:rc_2', stream: 'receipts', position: 2, status, code: 'some_reason' }],
      });
      await sync.stop();
      store.close();
      store = openSyncStore(file);
      expect(store.deadLetters().count).toBe(1);
      expect(store.load().receipts).toBe(6);
    },
  );

  test('tenant_mismatch stops the uplink: nothing is sent any more and the state says why', async () => {
    journal.write(3);
    upstream.trouble({ kind: 'refuse', status: 403, code: 'tenant_mismatch' });
    begin();
    await until('stopped', () => sync.status().state === 'error');
    journal.write(3);
    await sync.stop();
    expect(upstream.requests).toBe(1);
    expect(sync.status()).toMatchObject({
      receipts: { cursor: 0, backlog: 6 },
      last_error: { reason: expect.stringContaining('tenant_mismatch') },
    });
  });

  test('a refused token is not tried again; a new one is, and nothing was lost meanwhile', async () => {
    token = 'sk_old';
    journal.write(5);
    begin();
    await until('locked out', () => sync.status().state === 'locked_out');
    const asked = upstream.requests;
    expect(asked).toBe(1);
    token = null;
    journal.write(1);
    await until('still locked out', () => sync.status().receipts.backlog === 6);
    token = SECRET;
    await until('caught up', () => sync.status().receipts.cursor === 12);
    expect(keys()).toEqual(expectedKeys(1, 6));
    expect(upstream.requests).toBe(asked + 6);
    expect(sync.status().dead_letters.count).toBe(0);
  });

  test('an empty secret slot sends nothing and says which slot', async () => {
    token = null;
    journal.write(1);
    begin();
    await until('locked out', () => sync.status().state === 'locked_out');
    expect(upstream.requests).toBe(0);
    expect(sync.status().last_error?.reason).toBe('secret slot UPSTREAM_TOKEN is empty');
  });
});

test('Y4 the token stands in no log line, status or record', async () => {
  journal.write(4);
  upstream.trouble(
    { kind: 'refuse', status: 500 },
    { kind: 'lose_response' },
    { kind: 'refuse', status: 400 },
    { kind: 'refuse', status: 401 },
  );
  begin();
  await until('locked out', () => sync.status().state === 'locked_out');
  expect(logged.length).toBeGreaterThan(0);
  expect(JSON.stringify([logged, sync.status(), store.deadLetters()])).not.toContain(SECRET);
});
