import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../system.ts';
import { ensureToken } from './auth.ts';
import { type FakeGateway, fakeGateway } from './fixture.ts';
import { planOf } from './people-fixture.ts';
import { buildApi, startApi } from './server.ts';

const TOKEN = 'a'.repeat(64);
const headers = { authorization: `Bearer ${TOKEN}` };
const logged: string[] = [];
const log: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: (fields) => void logged.push(JSON.stringify(fields)),
};

let view: FakeGateway;
let app: FastifyInstance;

beforeEach(() => {
  view = fakeGateway();
  app = buildApi({ view, token: TOKEN, log, clock: systemClock() });
  logged.length = 0;
});
afterEach(() => app.close());

async function get(url: string) {
  const response = await app.inject({ method: 'GET', url, headers });
  return { status: response.statusCode, body: response.json() };
}

async function post(url: string, payload?: object) {
  const response = await app.inject({ method: 'POST', url, headers, ...(payload ? { payload } : {}) });
  return { status: response.statusCode, body: response.json() };
}

function errorOf(status: number, type: string, code: string) {
  return {
    status,
    body: {
      error: {
        type,
        code,
        message: expect.any(String),
        doc_url: `docs/ERRORS.md#${code}`,
        request_id: expect.stringMatching(/^req_[0-9a-f]{24}$/),
      },
    },
  };
}

describe('A2 the token', () => {
  test('is asked for everywhere but on the health routes (row 116)', async () => {
    for (const url of ['/v1/status', '/v1/receipts', '/v1/events/stream', '/no/such/route']) {
      const response = await app.inject({ method: 'GET', url });
      expect([url, response.statusCode, response.json().error.code]).toEqual([url, 401, 'unauthorized']);
    }
    expect((await app.inject({ method: 'GET', url: '/healthz' })).statusCode).toBe(200);
    expect((await app.inject({ method: 'GET', url: '/readyz' })).statusCode).toBe(200);
  });

  test('is refused when it is another, a part, or of another scheme (row 116)', async () => {
    for (const authorization of [
      `Bearer ${'b'.repeat(64)}`,
      `Bearer ${TOKEN.slice(1)}`,
      `Basic ${TOKEN}`,
      'Bearer',
      TOKEN,
    ]) {
      const response = await app.inject({ method: 'GET', url: '/v1/status', headers: { authorization } });
      expect([authorization, response.statusCode]).toEqual([authorization, 401]);
    }
  });

  test('is 64 digits in a file that only its owner reads, and stays the same', () => {
    const data = mkdtempSync(join(tmpdir(), 'fibric-token-'));
    const token = ensureToken(data);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(join(data, 'token')).mode & 0o777).toBe(0o600);
    expect(ensureToken(data)).toBe(token);
  });

  test('is made anew when its file holds something else', () => {
    const data = mkdtempSync(join(tmpdir(), 'fibric-token-'));
    writeFileSync(join(data, 'token'), 'short', { mode: 0o644 });
    expect(ensureToken(data)).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(join(data, 'token')).mode & 0o777).toBe(0o600);
  });
});

describe('A3 errors have one form', () => {
  test('for a route that is not there, a thing that is not there and a parameter that is wrong', async () => {
    expect(await get('/v1/nothing')).toEqual(errorOf(404, 'not_found_error', 'not_found'));
    expect(await get('/v1/receipts/rc_none')).toEqual(errorOf(404, 'not_found_error', 'not_found'));
    expect(await get('/v1/receipts?colour=red')).toEqual(errorOf(400, 'invalid_request_error', 'invalid_parameter'));
    expect(await get('/v1/events?event_type=zone.**x!')).toEqual(
      errorOf(400, 'invalid_request_error', 'invalid_parameter'),
    );
    expect(await get('/v1/%zz')).toEqual(errorOf(400, 'invalid_request_error', 'invalid_parameter'));
  });

  test('for bodies that are broken, missing or too long (row 116)', async () => {
    const url = '/v1/operators/comfort/mode';
    const wrong = errorOf(400, 'invalid_request_error', 'invalid_parameter');
    const json = { ...headers, 'content-type': 'application/json' };
    const broken = await app.inject({ method: 'POST', url, headers: json, payload: '{"mode":' });
    expect({ status: broken.statusCode, body: broken.json() }).toEqual(wrong);
    expect(await post(url)).toEqual(wrong);
    expect(await post(url, { mode: 'turbo' })).toEqual(wrong);
    expect(await post(url, { mode: 'live', colour: 'red' })).toEqual(wrong);
    expect(await post(url, { mode: 'x'.repeat(300_000) })).toEqual(wrong);
  });

  test('for a defect, which tells nothing of the inside and is found in the log by its request id', async () => {
    view.status = () => {
      throw new Error('secret inner detail');
    };
    const answer = await get('/v1/status');
    expect(answer).toEqual(errorOf(500, 'api_error', 'internal'));
    expect(JSON.stringify(answer.body)).not.toContain('secret inner detail');
    expect(logged[0]).toContain(answer.body.error.request_id);
    expect(logged[0]).toContain('secret inner detail');
  });

  test('for bytes that are not HTTP', async () => {
    const api = await startApi({ view, token: TOKEN, log, clock: systemClock(), host: '127.0.0.1', port: 0 });
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1', () =>
        socket.write('\u0001\u0002garbage\r\n\r\n'),
      );
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('close', () => resolve(text));
    });
    await api.close();
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual(
      errorOf(400, 'invalid_request_error', 'invalid_parameter').body,
    );
  });

  test('an address that is taken is said as such', async () => {
    const options = { view, token: TOKEN, log, clock: systemClock(), host: '127.0.0.1' };
    const first = await startApi({ ...options, port: 0 });
    const port = Number(new URL(first.url).port);
    await expect(startApi({ ...options, port })).rejects.toMatchObject({
      code: 'port_in_use',
      message: `127.0.0.1:${port} is taken by another program`,
    });
    await first.close();
  });
});

describe('A4 pages', () => {
  test('limits outside 1 to 100 are refused, not clamped', async () => {
    for (const limit of ['0', '101', '-1', '1.5', 'ten', '']) {
      expect([limit, (await get(`/v1/receipts?limit=${limit}`)).status]).toEqual([limit, 400]);
    }
    for (const limit of [1, 100]) expect((await get(`/v1/receipts?limit=${limit}`)).status).toBe(200);
  });

  test('receipts come newest first, and the cursor leads through all of them once, also while more are written', async () => {
    view.journal.write(45);
    const seen: number[] = [];
    let query = '?limit=20';
    for (;;) {
      const { body } = await get(`/v1/receipts${query}`);
      expect(body.object).toBe('list');
      seen.push(...body.data.map((receipt: { seq: number }) => receipt.seq));
      view.journal.write(1);
      if (!body.has_more) {
        expect(body.next_cursor).toBeNull();
        break;
      }
      query = `?limit=20&cursor=${body.next_cursor}`;
    }
    expect(seen).toEqual(Array.from({ length: 45 }, (_, i) => 90 - 2 * i));
  });

  test('a cursor is refused with other filters, on another list, or when made up', async () => {
    view.journal.write(3);
    const { body } = await get('/v1/receipts?limit=1&operator=comfort');
    const refused = errorOf(400, 'invalid_request_error', 'invalid_cursor');
    expect((await get(`/v1/receipts?limit=1&operator=comfort&cursor=${body.next_cursor}`)).status).toBe(200);
    expect(await get(`/v1/receipts?cursor=${body.next_cursor}`)).toEqual(refused);
    expect(await get(`/v1/plans?cursor=${body.next_cursor}`)).toEqual(refused);
    expect(await get('/v1/receipts?cursor=cur_nonsense')).toEqual(refused);
  });

  test('receipts after a seq come in the order they were written', async () => {
    view.journal.write(5);
    const first = (await get('/v1/receipts?after=2&limit=3')).body;
    expect(first.data.map((receipt: { seq: number }) => receipt.seq)).toEqual([4, 6, 8]);
    const second = (await get(`/v1/receipts?after=2&limit=3&cursor=${first.next_cursor}`)).body;
    expect(second.data.map((receipt: { seq: number }) => receipt.seq)).toEqual([10]);
    expect(second.has_more).toBe(false);
  });

  test('what is held in memory is listed by key, page by page', async () => {
    const first = (await get('/v1/devices?limit=2')).body;
    expect(first.data.map((device: { id: string }) => device.id)).toEqual(['fcu-412', 'room-411']);
    const second = (await get(`/v1/devices?limit=2&cursor=${first.next_cursor}`)).body;
    expect(second.data.map((device: { id: string }) => device.id)).toEqual(['room-412']);
    expect(second.has_more).toBe(false);
  });

  test('events come newest first through the whole log, by type as well, also when the oldest are gone', async () => {
    for (let i = 0; i < 230; i += 1) view.events.write(i % 50 === 0 ? 'dock.door' : 'zone.temperature');
    view.events.drop(40);
    const doors = (await get('/v1/events?event_type=dock.*&limit=3')).body;
    expect(doors.data.map((event: { cursor: number }) => event.cursor)).toEqual([201, 151, 101]);
    const rest = (await get(`/v1/events?event_type=dock.*&limit=3&cursor=${doors.next_cursor}`)).body;
    expect(rest.data.map((event: { cursor: number }) => event.cursor)).toEqual([51]);
    expect(rest.has_more).toBe(false);
    const { body } = await get('/v1/events?limit=100');
    expect(body.data.map((event: { cursor: number }) => event.cursor)).toEqual(
      Array.from({ length: 100 }, (_, i) => 230 - i),
    );
  });
});

test('a type that is rare in a long log takes several pages to find, and none of them takes long', async () => {
  view.events.write('dock.door');
  for (let i = 0; i < 45_000; i += 1) view.events.write('zone.temperature');
  for (const order of ['', '&after=0']) {
    const found: number[] = [];
    let pages = 0;
    let cursor = '';
    do {
      const { body } = await get(`/v1/events?event_type=dock.*${order}${cursor && `&cursor=${cursor}`}`);
      found.push(...body.data.map((event: { cursor: number }) => event.cursor));
      cursor = body.next_cursor ?? '';
      pages += 1;
    } while (cursor !== '');
    expect([order, found, pages]).toEqual([order, [1], 3]);
  }
});

test('A1 the routes are these: all that is posted is a read, a probe, a run, a mode, a proposal, a yes or no, a release, a stop, an acknowledgement, a verification, a checkpoint, an erasure, a question, a policy read again, or what a person says of an action or a breaker', () => {
  const routes = app.printRoutes({ commonPrefix: false, includeHooks: false });
  const posted = new Set([...routes.matchAll(/([a-z]+) \(POST\)/g)].map((match) => match[1]));
  const control = ['acknowledge', 'clear', 'close', 'correct', 'evaluate', 'mode', 'release', 'reload', 'run', 'stop'];
  const wishes = ['actions', 'approve', 'veto'];
  expect(posted).toEqual(new Set([...control, ...wishes, 'read', 'test', 'verify', 'checkpoint', 'erase']));
  expect(routes).not.toMatch(/PUT|PATCH|DELETE/);
});

describe('the routes', () => {
  test('readiness says why not', async () => {
    view.notReady = ['the journal is locked'];
    const response = await app.inject({ method: 'GET', url: '/readyz' });
    expect([response.statusCode, response.json()]).toEqual([503, { ready: false, reasons: ['the journal is locked'] }]);
  });

  test('status, connectors, capabilities, operators and sync show the view', async () => {
    expect((await get('/v1/status')).body).toEqual(view.status());
    expect((await get('/v1/connectors')).body.data).toEqual(view.connectors());
    expect((await get('/v1/capabilities')).body.data).toEqual(view.capabilities().toReversed());
    expect((await get('/v1/operators')).body.data).toEqual(view.operators());
    expect((await get('/v1/sync')).body).toEqual({ object: 'sync', state: 'off' });
  });

  test('points are read from the device on demand, and an unknown one is named', async () => {
    const { body } = await post('/v1/points/read', { points: [{ device: 'room-412', point: 'temperature' }] });
    expect(body.data).toMatchObject([{ object: 'point', device: 'room-412', value: 21.4 }]);
    const unknown = await post('/v1/points/read', { points: [{ device: 'room-412', point: 'colour' }] });
    expect(unknown.status).toBe(404);
    expect(unknown.body.error.message).toBe("no point 'room-412/colour'");
  });

  test('a connector is tested', async () => {
    expect((await post('/v1/connectors/fcu/test')).body).toEqual({
      object: 'probe',
      connector: 'fcu',
      status: 'connected',
      detail: 'unit 12 answered',
      latency_ms: 3,
    });
    expect((await post('/v1/connectors/none/test')).status).toBe(404);
  });

  test('what holds operators back is acknowledged in the name of a person, once', async () => {
    view.notReady = ['the journal failed 3 times within ten minutes'];
    const held = [{ hold: 'journal_failing', reason: view.notReady[0] }];
    expect((await post('/v1/acknowledge')).body.data).toEqual(held);
    expect(view.modeChanges.at(-1)).toBe('person:local acknowledged');
    expect((await post('/v1/acknowledge')).body.data).toEqual([]);
    view.modeChanges.length = 0;
  });

  test('a receipt says why', async () => {
    view.journal.write(1);
    const newest = view.journal.rows.at(-1);
    const { status, body } = await get(`/v1/receipts/${newest?.receipt_id}/why`);
    expect([status, body.object, body.receipt, body.sync]).toEqual([
      200,
      'why',
      newest,
      { state: 'waiting', behind: 3 },
    ]);
    expect((await get('/v1/receipts/rc_none/why')).status).toBe(404);
  });

  test('an operator runs once and changes its mode in the name of a person', async () => {
    expect((await post('/v1/operators/comfort/run')).body).toMatchObject({ object: 'run', run_id: 'run_7' });
    expect((await post('/v1/operators/nobody/run')).status).toBe(404);
    expect((await post('/v1/operators/comfort/mode', { mode: 'shadow' })).body.mode).toBe('shadow');
    await post('/v1/operators/comfort/mode', { mode: 'live', who: 'anna', reason: 'two weeks in shadow' });
    expect(view.modeChanges).toEqual(['person:local comfort shadow', 'anna comfort live two weeks in shadow']);
    // Nobody takes the name that stands for whoever holds the token.
    expect((await post('/v1/operators/comfort/mode', { mode: 'live', who: 'person:local' })).status).toBe(400);
  });

  test('alerts are listed newest first, page by page, or in order from one on', async () => {
    for (let i = 1; i <= 5; i++) view.journal.alerts.add(`alert ${i}`);
    const texts = ({ body }: Awaited<ReturnType<typeof get>>) => body.data.map((one: { text: string }) => one.text);
    const first = await get('/v1/alerts?limit=2');
    expect(texts(first)).toEqual(['alert 5', 'alert 4']);
    expect(texts(await get(`/v1/alerts?limit=2&cursor=${first.body.next_cursor}`))).toEqual(['alert 3', 'alert 2']);
    const next = await get('/v1/alerts?after=2&limit=2');
    expect(texts(next)).toEqual(['alert 3', 'alert 4']);
    expect(texts(await get(`/v1/alerts?after=2&limit=2&cursor=${next.body.next_cursor}`))).toEqual(['alert 5']);
    expect((await get(`/v1/alerts?cursor=${next.body.next_cursor}`)).body.error.code).toBe('invalid_cursor');
  });

  test('breakers are listed, and one is closed in the name of a person', async () => {
    expect((await get('/v1/breakers')).body.data).toEqual(view.breakers());
    const order = { who: 'duty-engineer', reason: 'mended' };
    expect((await post('/v1/breakers/br_0000001b/close', order)).body).toEqual(view.breakers()[0]);
    expect((await post('/v1/breakers/br_none/close', order)).status).toBe(404);
    expect((await post('/v1/breakers/br_0000001b/close', {})).body.error.code).toBe('invalid_parameter');
    expect(view.control.orders[0]).toEqual({ close: 'br_0000001b', ...order });
  });

  test('what became of an action is said by a person who gives a reason', async () => {
    const said = { who: 'duty-engineer', reason: 'looked at the gate', applied: false };
    expect((await post('/v1/receipts/rc_7/correct', said)).body).toMatchObject({ object: 'correction', who: said.who });
    expect(view.control.orders).toEqual([{ receipt_id: 'rc_7', ...said }]);
    expect((await post('/v1/receipts/rc_none/correct', said)).status).toBe(404);
    for (const missing of ['who', 'reason', 'applied'])
      expect((await post('/v1/receipts/rc_7/correct', { ...said, [missing]: undefined })).status).toBe(400);
  });

  test('leases are listed, and one is released in the name of a person', async () => {
    expect((await get('/v1/leases')).body.data).toEqual(view.leases());
    expect((await post('/v1/leases/ls_0000001a/release', { who: 'duty-engineer' })).body).toMatchObject({
      result: 'released',
    });
    expect((await post('/v1/leases/ls_none/release', { who: 'duty-engineer' })).status).toBe(404);
    expect((await post('/v1/leases/ls_0000001a/release', {})).body.error.code).toBe('invalid_parameter');
    expect(view.control.orders[0]).toEqual({ release: 'ls_0000001a', who: 'duty-engineer' });
  });

  test('everything is stopped and released again in the name of a person only', async () => {
    for (const who of [undefined, '', '  ', 'a\u0000b', 'x'.repeat(101)])
      for (const path of ['/v1/stop', '/v1/stop/clear'])
        expect([who, (await post(path, { who })).body.error?.code]).toEqual([who, 'invalid_parameter']);
    expect(view.control.orders).toEqual([]);
    expect((await post('/v1/stop/clear', { who: 'duty-engineer' })).body.error.code).toBe('conflict');
    const { body } = await post('/v1/stop', { who: 'duty-engineer', reason: 'smoke', release: true });
    expect(body).toMatchObject({ object: 'stop', who: 'duty-engineer', reason: 'smoke', release: true });
    expect((await get('/v1/status')).body.stop).toMatchObject({ who: 'duty-engineer', reason: 'smoke' });
    expect((await post('/v1/stop/clear', { who: 'duty-engineer' })).body).toEqual({ object: 'stop', cleared: true });
    expect((await get('/v1/status')).body.stop).toBeNull();
  });

  test('plans, receipts and events are found by id', async () => {
    view.journal.write(1);
    view.journal.planRows.push(planOf(9));
    const event = view.events.write('zone.temperature', { value: 21 });
    expect((await get('/v1/receipts/rc_2')).body).toEqual(view.journal.rows[0]);
    expect((await get('/v1/plans/pl_9')).body).toEqual(planOf(9));
    expect((await get(`/v1/events/${event.envelope.event_id}`)).body).toEqual({
      object: 'event',
      ...event.envelope,
      cursor: 1,
      at: event.at,
    });
  });

  test('verification answers with what was proved or where it fails', async () => {
    expect((await post('/v1/receipts/verify')).body).toMatchObject({
      object: 'verification',
      kind: 'proved',
      receipts: 2,
    });
    view.journal.verification = { kind: 'tampered', seq: 17, reason: 'hash differs' };
    expect((await post('/v1/receipts/verify')).body).toMatchObject({ kind: 'tampered', seq: 17 });
  });
});
