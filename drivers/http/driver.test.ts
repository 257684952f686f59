/** The HTTP driver and its booking connector, against a server on a real socket. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type Driver, LIMITS, type World } from '@fibric/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { CountingClock, RecordingLog, RecordingSink, until } from '../../test/contract/harness.ts';
import { createHttpDriver } from './driver.ts';
import { http } from './index.ts';

const RECORD = {
  booking_id: 'BK-7741',
  room: '412',
  guest_ref: 'g-1',
  arrives_at: '2026-07-02T14:00:00Z',
  departs_at: '2026-07-05T10:00:00+02:00',
  status: 'booked',
};

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

interface Rig {
  serve: Serve;
  readonly url: string;
  readonly server: Server;
  readonly driver: Driver;
  readonly sink: RecordingSink;
  readonly clock: CountingClock;
  readonly log: RecordingLog;
  readonly requests: { readonly url: string | undefined; readonly headers: IncomingMessage['headers'] }[];
  ask(args?: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<unknown>;
}

interface Setup {
  readonly world?: World;
  readonly connection?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly path?: string;
}

const answer =
  (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Serve =>
  (_request, response) => {
    response.writeHead(status, headers);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

const rigs: Rig[] = [];

async function open(serve: Serve = answer([RECORD]), setup: Setup = {}): Promise<Rig> {
  const requests: Rig['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url, headers: request.headers });
    rig.serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}${setup.path ?? ''}`;
  const [clock, log, sink] = [new CountingClock(), new RecordingLog(), new RecordingSink()];
  const driver = createHttpDriver(
    { id: 'pms', options: http.connection.parse({ connector: 'pms-http', url, ...setup.connection }), devices: [] },
    {
      clock,
      random: { next: () => 0.5 },
      log,
      world: setup.world ?? { kind: 'live' },
      secret: (slot) => setup.secrets?.[slot] ?? null,
      stateDir: '/nonexistent',
    },
  );
  const ask: Rig['ask'] = (args = {}, timeoutMs = 5_000) =>
    driver.query?.('bookings.read', args, timeoutMs) ?? Promise.reject();
  const rig: Rig = { serve, url, server, driver, sink, clock, log, requests, ask };
  rigs.push(rig);
  driver.start(sink);
  await until('the first answer', () => sink.statuses.length > 0);
  return rig;
}

afterEach(async () => {
  for (const { driver, server } of rigs.splice(0)) {
    await driver.stop();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

describe('bookings.read', () => {
  it('asks for the bookings of a time below the URL of the connection', async () => {
    const rig = await open(answer([RECORD]), { path: '/pms/' });
    const from = '2026-07-02T00:00:00+02:00';
    expect(await rig.ask({ from, to: '2026-07-03T00:00:00+02:00' })).toEqual({ bookings: [RECORD] });
    expect(rig.requests.at(-1)?.url).toBe(
      '/pms/v1/bookings?from=2026-07-02T00%3A00%3A00%2B02%3A00&to=2026-07-03T00%3A00%3A00%2B02%3A00',
    );
  });

  it.each([
    ['booked', 'booked'],
    ['in_house', 'checked_in'],
    ['checked_in', 'checked_in'],
    ['departed', 'checked_out'],
    ['checked_out', 'checked_out'],
  ])('puts the word %s into ours: %s', async (word, status) => {
    const rig = await open(answer([{ ...RECORD, status: word, colour: 'red' }]));
    expect(await rig.ask()).toEqual({ bookings: [{ ...RECORD, status }] });
  });

  it('leaves out what was cancelled', async () => {
    const rig = await open(answer([{ ...RECORD, status: 'cancelled' }]));
    expect(await rig.ask()).toEqual({ bookings: [] });
  });

  it.each([
    [{ from: 'today' }, 'bookings.read: from: Invalid ISO datetime'],
    [{ room: '412' }, 'bookings.read: input: Unrecognized key: "room"'],
  ])('refuses arguments that it does not know: %j', async (args, message) => {
    const rig = await open();
    await expect(rig.ask(args)).rejects.toMatchObject({ code: 'invalid_parameter', message });
    expect(rig.sink.statuses).toHaveLength(1);
  });

  it('is the only thing that is answered', async () => {
    const rig = await open();
    expect(http.queries).toEqual(['bookings.read']);
    await expect(rig.driver.query?.('orders.read', {}, 100)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('an answer that is none', () => {
  it.each([
    ['not JSON', answer('<html>'), 'bad_payload', 'degraded', / answered something that is not JSON$/],
    ['of another shape', answer({ bookings: [] }), 'bad_payload', 'degraded', /expected array/],
    ['a booking without a room', answer([{ ...RECORD, room: undefined }]), 'bad_payload', 'degraded', /: 0\.room: /],
    [
      'too long',
      answer(' '.repeat(LIMITS.replyBytes + 1)),
      'bad_payload',
      'degraded',
      /^an answer of more than \d+ bytes$/,
    ],
    ['an error of the system', answer('', 503), 'device_refused', 'degraded', /\/v1\/bookings answered 503$/],
    ['a no to the credentials', answer('', 401), 'unauthorized', 'pending_auth', /\/v1\/bookings answered 401$/],
    [
      'a redirect',
      answer('', 302, { location: '/elsewhere' }),
      'device_refused',
      'degraded',
      /\/v1\/bookings answered 302$/,
    ],
    [
      'a broken connection',
      (request: IncomingMessage) => void request.socket.destroy(),
      'connection_failed',
      'error',
      /^127\.0\.0\.1:\d+: /,
    ],
  ])('(%s) is told apart, and recovery is told too', async (_name, serve, code, status, message) => {
    const rig = await open();
    rig.serve = serve;
    await expect(rig.ask()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(rig.ask()).rejects.toMatchObject({ code });
    rig.serve = answer([]);
    await rig.ask();
    expect(rig.sink.statuses.map((told) => told.status)).toEqual(['connected', status, 'connected']);
  });

  it('(a request at fault) says nothing of the connection', async () => {
    const rig = await open();
    rig.serve = answer('', 404);
    await expect(rig.ask()).rejects.toMatchObject({ code: 'device_refused' });
    expect(rig.sink.statuses).toHaveLength(1);
  });

  it('(a request at fault) is all that there is to tell of a system that never answered otherwise', async () => {
    const rig = await open(answer('', 404));
    expect(rig.sink.now).toMatchObject({ status: 'degraded', detail: expect.stringContaining(' answered 404') });
  });

  it('D3 (silence) ends in time', async () => {
    const rig = await open();
    rig.serve = () => {};
    await expect(rig.ask({}, 30)).rejects.toMatchObject({
      code: 'timeout',
      message: `no answer from ${rig.url} within 30 ms`,
    });
    expect(rig.sink.now?.status).toBe('error');
  });

  it('D3 (a body that never ends) ends in time', async () => {
    const rig = await open();
    rig.serve = (_request, response) => void response.write('[');
    await expect(rig.ask({}, 30)).rejects.toMatchObject({ code: 'timeout' });
  });
});

describe('credentials', () => {
  const connection = { auth: { secret: 'PMS_KEY' } };

  it('go along as the connector carries them, from their slot at each question', async () => {
    const secrets: Record<string, string> = { PMS_KEY: 'first' };
    const rig = await open(answer([]), { connection, secrets });
    secrets['PMS_KEY'] = 'second';
    await rig.ask();
    expect(rig.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second']);
  });

  it('are not sent where none are configured', async () => {
    const rig = await open(answer([]), { secrets: { PMS_KEY: 'first' } });
    expect(rig.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('that are missing ask nothing', async () => {
    const rig = await open(answer([]), { connection });
    expect(rig.sink.now).toEqual({ status: 'pending_auth', detail: 'the secret slot PMS_KEY is empty' });
    await expect(rig.ask()).rejects.toMatchObject({ code: 'secret_missing' });
    expect(rig.requests).toEqual([]);
  });

  it.each(['top\nsecret', 'tøp-secret'])('never show, whatever goes wrong: %j', async (secret) => {
    const rig = await open(answer('', 500), { connection, secrets: { PMS_KEY: secret } });
    const error: unknown = await rig.ask().catch((thrown: unknown) => thrown);
    const said = JSON.stringify([String(error), error, rig.sink.statuses, rig.log.lines, await rig.driver.probe()]);
    expect(said).toContain('PMS_KEY');
    expect(said).not.toContain('secret"');
    expect(said).not.toMatch(/top|tøp/);
  });

  it('are refused inside a URL', () => {
    const parsed = http.connection.safeParse({ connector: 'pms-http', url: 'http://u:p@127.0.0.1/' });
    expect(parsed.error?.issues[0]?.message).toBe('secrets do not stand in a URL: name their slot in `auth`');
  });
});

describe('D7 worlds', () => {
  const simulated = { kind: 'simulated', id: 'w1' } as const;

  it.each([
    ['a simulated site', simulated, null, "is no simulator, and this site is world 'w1'"],
    ['a simulated site', simulated, 'w2', "is the simulator of world 'w2', and this site is world 'w1'"],
    ['a live site', { kind: 'live' } as const, 'w1', "is the simulator of world 'w1', and this site is live"],
  ])('%s (%j) refuses the world %j', async (_name, world, shown, detail) => {
    const rig = await open(answer([RECORD], 200, shown === null ? {} : { 'fibric-world': shown }), { world });
    expect(rig.sink.now).toEqual({ status: 'error', detail: expect.stringContaining(detail) });
    await expect(rig.ask()).rejects.toMatchObject({ code: 'world_mismatch' });
  });

  it('a simulated site hears its own simulator', async () => {
    const rig = await open(answer([RECORD], 200, { 'fibric-world': 'w1' }), { world: simulated });
    expect(await rig.ask()).toEqual({ bookings: [RECORD] });
  });
});

describe('as a driver', () => {
  it('has no points: it reads bad and writes nothing', async () => {
    const rig = await open();
    const ref = { device: 'd', point: 'p' };
    expect(await rig.driver.read([ref], 100)).toMatchObject([
      { ...ref, value: null, quality: 'bad', quality_reason: 'device_error' },
    ]);
    const command = {
      device: 'd',
      writes: [{ point: 'p', value: 1 }],
      timeoutMs: 100,
      idempotencyKey: 'k',
      mayStillSend: () => true,
    };
    expect(await rig.driver.write(command)).toMatchObject({ kind: 'not_sent' });
  });

  it('says what a probe found', async () => {
    const rig = await open();
    expect(await rig.driver.probe()).toEqual({
      status: 'connected',
      detail: 'bookings.read answered',
      latency_ms: expect.any(Number),
    });
    rig.serve = answer('', 500);
    expect(await rig.driver.probe()).toMatchObject({
      status: 'degraded',
      detail: expect.stringMatching(/answered 500$/),
      latency_ms: null,
    });
  });

  it('hangs up on an answer that it does not want to hear to its end (row 68)', async () => {
    const rig = await open();
    rig.serve = (_request, response) => void response.writeHead(500).write('and on and on');
    await expect(rig.ask()).rejects.toMatchObject({ code: 'device_refused' });
    await until('the socket to be gone', async () => (await connections(rig.server)) === 0);
  });

  it('D5 after stop says nothing and leaves no timer and no socket', async () => {
    const rig = await open();
    rig.serve = () => {};
    const open_ = rig.ask({}, 120_000).catch((error: unknown) => error);
    await until('the question', () => rig.requests.length === 2);
    await rig.driver.stop();
    expect(await open_).toMatchObject({ code: 'connection_failed', message: 'the connection was stopped' });
    await expect(rig.ask()).rejects.toMatchObject({ code: 'connection_failed' });
    await until('the sockets to be gone', async () => (await connections(rig.server)) === 0);
    expect([rig.clock.live, rig.sink.statuses.length]).toEqual([0, 1]);
  });
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}
