import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../system.ts';
import { createBackoff } from './backoff.ts';
import { post, readAnswer } from './uplink.ts';

const NOW = 1_782_979_200_000;
const error = (code: string) => JSON.stringify({ error: { type: 't', code, message: 'said so' } });
const read = (status: number, text: string, headers: Record<string, string> = {}) =>
  readAnswer(status, new Headers(headers), text, NOW);

describe('Y3 the answer decides', () => {
  test.each([
    [200, '{"object":"event"}', 'stored'],
    [201, '{"object":"event","new_field":1}', 'stored'],
    [429, error('rate_limited'), 'retry'],
    [409, error('entity_locked'), 'retry'],
    [409, error('idempotency_conflict'), 'refused'],
    [409, error('some_new_code'), 'refused'],
    [400, error('invalid_parameter'), 'refused'],
    [403, error('forbidden'), 'refused'],
    [404, error('not_found'), 'refused'],
    [413, '<html>too large</html>', 'refused'],
    [422, error('invalid_parameter'), 'refused'],
    [403, error('tenant_mismatch'), 'wrong_tenant'],
    [409, error('tenant_mismatch'), 'wrong_tenant'],
    [401, error('key_revoked'), 'locked_out'],
    [403, error('insufficient_scope'), 'locked_out'],
    [500, error('internal'), 'retry'],
    [503, 'busy', 'retry'],
  ])('%i %s is %s', (status, text, kind) => {
    expect(read(status, text).kind).toBe(kind);
  });

  test.each([
    [200, '<html>Please log in to the hotel network</html>'],
    [200, ''],
    [204, ''],
    [200, '[]'],
    [302, ''],
    [301, '{"object":"event"}'],
  ])('%i %j is not the upstream: the item is kept and tried again (row 112)', (status, text) => {
    expect(read(status, text).kind).toBe('retry');
  });

  test('Retry-After is honoured, in seconds and as a date', () => {
    const afterMs = (value: string) => read(429, error('rate_limited'), { 'retry-after': value });
    expect(afterMs('7')).toMatchObject({ afterMs: 7_000 });
    expect(afterMs(new Date(NOW + 90_000).toUTCString())).toMatchObject({ afterMs: 90_000 });
    expect(afterMs(new Date(NOW - 90_000).toUTCString())).toMatchObject({ afterMs: 0 });
    expect(afterMs('soon')).toMatchObject({ afterMs: null });
    expect(afterMs('99999999999')).toMatchObject({ afterMs: 3_600_000 });
  });

  test('a rate that is used up is waited out before the next item', () => {
    const pause = (headers: Record<string, string>) => read(200, '{}', headers);
    expect(pause({ 'x-ratelimit-remaining': '12' })).toMatchObject({ pauseMs: 0 });
    expect(pause({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1_000 + 5) })).toMatchObject({
      pauseMs: 5_000,
    });
    expect(pause({ 'x-ratelimit-remaining': '0' })).toMatchObject({ pauseMs: 1_000 });
  });

  test('Y5 what else the upstream says is not acted on', () => {
    const text = JSON.stringify({ object: 'event', commands: [{ capability: 'hvac.setpoint', args: {} }] });
    expect(read(200, text)).toEqual({ kind: 'stored', pauseMs: 0 });
  });

  test('no answer whatsoever makes it throw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 599 }),
        fc.oneof(fc.string(), fc.json()),
        fc.string(),
        (status, text, after) => {
          const headers = new Headers();
          headers.set('retry-after', encodeURIComponent(after));
          expect(readAnswer(status, headers, text, NOW).kind).toMatch(
            /^(stored|retry|refused|locked_out|wrong_tenant)$/,
          );
        },
      ),
    );
  });
});

test('Y4 a redirect is not followed: the token goes to the upstream only (row 112)', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = await post(
    { key: 'k', body: '{}' },
    { url, token: 'tok', clock: systemClock() },
    new AbortController().signal,
  );
  server.close();
  expect(answer.kind).toBe('retry');
  expect(asked).toEqual(['/v1/events Bearer tok']);
});

test('Y4 an upstream that repeats the token in its error does not get it into our words', async () => {
  const server = createServer((request, response) => {
    const message = `unknown: ${request.headers.authorization}`;
    response.writeHead(401).end(JSON.stringify({ error: { code: 'key_invalid', message } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, token: 'tok"4711', clock: systemClock() };
  const answer = await post({ key: 'k', body: '{}' }, options, new AbortController().signal);
  server.close();
  expect(answer).toEqual({ kind: 'locked_out', reason: 'key_invalid: unknown: Bearer [redacted]' });
});

test.each(['tok\n4711', 'tok 4711', 'töken', ''])(
  'Y4 a token that no header can hold (%j) is not sent, nor shown',
  async (token) => {
    const options = { url: 'http://127.0.0.1:1', token, clock: systemClock() };
    const answer = await post({ key: 'k', body: '{}' }, options, new AbortController().signal);
    expect(answer).toEqual({ kind: 'locked_out', reason: 'it holds characters that no header can' });
  },
);

test('nobody there is worth another try, and the reason names what the system said', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<unknown>((resolve) => server.close(resolve));
  const options = { url: `http://127.0.0.1:${port}`, token: null, clock: systemClock() };
  const answer = await post({ key: 'k', body: '{}' }, options, new AbortController().signal);
  expect(answer).toEqual({ kind: 'retry', reason: 'ECONNREFUSED', afterMs: null });
});

describe('backoff', () => {
  test('doubles from half a second to a minute and begins again after a success', () => {
    const backoff = createBackoff({ next: () => 1 });
    const waits = Array.from({ length: 10 }, () => backoff.next());
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    backoff.reset();
    expect(backoff.next()).toBe(500);
  });

  test('is spread over the second half of its span', () => {
    expect(createBackoff({ next: () => 0 }).next()).toBe(250);
    expect(createBackoff({ next: () => 0.5 }).next()).toBe(375);
  });
});
