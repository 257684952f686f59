import { setImmediate } from 'node:timers/promises';
import type { Clock, Log } from '@fibric/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../system.ts';
import { type FakeGateway, fakeGateway } from './fixture.ts';
import { type Api, startApi } from './server.ts';

const TOKEN = 'a'.repeat(64);
const log: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const authorization = `Bearer ${TOKEN}`;

let view: FakeGateway;
let api: Api;

beforeEach(async () => {
  view = fakeGateway();
  api = await startApi({ view, token: TOKEN, log, clock: systemClock(), host: '127.0.0.1', port: 0 });
});
afterEach(() => api.close());

interface Frame {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly cursor: number; readonly event_type: string };
}

/** Reads frames until `count` have come, then hangs up. */
async function frames(
  path: string,
  count: number,
  headers: Record<string, string> = {},
  opened: () => void = () => undefined,
): Promise<Frame[]> {
  const hangUp = new AbortController();
  const response = await fetch(`${api.url}${path}`, { headers: { authorization, ...headers }, signal: hangUp.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  opened();
  const found: Frame[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    found.push(...blocks.filter((block) => !block.startsWith(':')).map(parse));
    if (found.length >= count) break;
  }
  hangUp.abort();
  return found;
}

function parse(block: string): Frame {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
  return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) };
}

test('a stream carries the ten keys of the envelope, its cursor and when it was appended', async () => {
  const { envelope, at } = view.events.write('zone.temperature', { value: 21 });
  expect(await frames('/v1/events/stream?cursor=0', 1)).toEqual([
    { id: envelope.event_id, event: 'envelope', data: { ...envelope, cursor: 1, at } },
  ]);
});

test('A6 from a cursor on every event comes once and in order, written before or while the stream runs', async () => {
  for (let i = 0; i < 500; i += 1) view.events.write('zone.temperature');
  const reading = frames('/v1/events/stream?cursor=100', 700);
  for (let i = 0; i < 300; i += 1) {
    view.events.write('zone.temperature');
    if (i % 50 === 0) await setImmediate();
  }
  const cursors = (await reading).map((frame) => frame.data.cursor);
  expect(cursors).toEqual(Array.from({ length: 700 }, (_, i) => 101 + i));
});

test('A6 a client that comes back with the id of the last event goes on behind it', async () => {
  for (let i = 0; i < 5; i += 1) view.events.write('zone.temperature');
  const rest = await frames('/v1/events/stream', 2, { 'last-event-id': 'ev-3' });
  expect(rest.map((frame) => frame.data.cursor)).toEqual([4, 5]);
});

test('A6 a client whose last event is no longer in the log is told so', async () => {
  const response = await fetch(`${api.url}/v1/events/stream`, {
    headers: { authorization, 'last-event-id': 'ev-gone' },
  });
  expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'invalid_cursor' } }]);
});

test('a glob lets one type through, also behind many of others', async () => {
  for (let i = 0; i < 450; i += 1) view.events.write('zone.temperature');
  view.events.write('dock.door');
  const [frame] = await frames('/v1/events/stream?cursor=0&event_type=dock.*', 1);
  expect(frame?.data.cursor).toBe(451);
});

test('without a cursor only what comes from now on is sent', async () => {
  view.events.write('zone.old');
  const [frame] = await frames('/v1/events/stream', 1, {}, () => view.events.write('zone.new'));
  expect(frame?.data.event_type).toBe('zone.new');
});

test('A5 closing ends open streams instead of waiting for them', async () => {
  const response = await fetch(`${api.url}/v1/events/stream`, { headers: { authorization } });
  const ended = response.text();
  await api.close();
  expect(await ended).toBe(': open\n\n');
});

test('a quiet stream says now and then that it is alive', async () => {
  // Real pacing, but a clock that shows twenty seconds more at each look.
  const real = systemClock();
  let shownMs = 0;
  const clock: Clock = { ...real, monoMs: () => (shownMs += 20_000) };
  const quick = await startApi({ view, token: TOKEN, log, clock, host: '127.0.0.1', port: 0 });
  const response = await fetch(`${quick.url}/v1/events/stream`, { headers: { authorization } });
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes(': keep-alive\n\n')) break;
  }
  await quick.close();
  expect(text).toBe(': open\n\n: keep-alive\n\n');
});
