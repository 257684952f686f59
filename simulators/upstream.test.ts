import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Upstream } from './upstream.ts';

let upstream: Upstream;

beforeEach(async () => {
  upstream = new Upstream({ port: 0 });
  await upstream.start();
});
afterEach(() => upstream.stop());

const EVENT = { source: 'gateway', event_type: 'receipt.written', payload: { seq: 1 } };

async function post(key: string | null, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${upstream.url}/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === null ? {} : { 'idempotency-key': key }), ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

describe('the upstream receiver', () => {
  it('U1 answers a repeated key and body with the first answer and stores it once', async () => {
    const first = await post('k1', EVENT);
    const again = await post('k1', EVENT);
    expect(first.status).toBe(200);
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect(upstream.received).toHaveLength(1);
    expect(upstream.requests).toBe(2);
  });

  it('U1 refuses another body under a known key', async () => {
    await post('k1', EVENT);
    const other = await post('k1', { ...EVENT, payload: { seq: 2 } });
    expect(other.status).toBe(409);
    expect(other.body).toMatchObject({ error: { type: 'conflict_error', code: 'idempotency_conflict' } });
    expect(upstream.received).toHaveLength(1);
  });

  it('U2 keeps what it stored in the order in which it came', async () => {
    for (const seq of [1, 2, 3]) await post(`k${seq}`, { ...EVENT, payload: { seq } });
    expect(upstream.received.map(({ position, body }) => [position, body.payload['seq']])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it.each([
    [400, 'invalid_parameter', null, EVENT],
    [400, 'invalid_parameter', 'k'.repeat(256), EVENT],
    [422, 'invalid_parameter', 'k', 'not json'],
    [422, 'invalid_parameter', 'k', { source: 'x' }],
    [413, 'invalid_parameter', 'k', { ...EVENT, payload: { text: 'x'.repeat(1024 * 1024) } }],
  ])('U3 answers what is wrong with %i %s', async (status, code, key, body) => {
    const answer = await post(key, body);
    expect(answer.status).toBe(status);
    const { error } = answer.body as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(['type', 'code', 'message', 'doc_url', 'request_id']);
    expect(error['code']).toBe(code);
    expect(upstream.received).toHaveLength(0);
  });

  it('wants its token when it has one', async () => {
    const strict = new Upstream({ port: 0, token: 'right' });
    await strict.start();
    const ask = (authorization: string) =>
      fetch(`${strict.url}/v1/events`, {
        method: 'POST',
        headers: { 'idempotency-key': 'k', authorization },
        body: JSON.stringify(EVENT),
      });
    expect((await ask('Bearer wrong')).status).toBe(401);
    expect((await ask('Bearer right')).status).toBe(200);
    await strict.stop();
  });

  it('refuses as it is told, once each, with Retry-After', async () => {
    upstream.trouble({ kind: 'refuse', status: 500 }, { kind: 'refuse', status: 429, retryAfterS: 2 });
    expect((await post('k', EVENT)).status).toBe(500);
    const limited = await post('k', EVENT);
    expect(limited.status).toBe(429);
    expect(limited.headers.get('retry-after')).toBe('2');
    expect((await post('k', EVENT)).status).toBe(200);
    expect(upstream.received).toHaveLength(1);
  });

  it('can lose its answer after storing: the repeat is answered from the store', async () => {
    upstream.trouble({ kind: 'lose_response' });
    await expect(post('k', EVENT)).rejects.toThrow();
    expect(upstream.received).toHaveLength(1);
    expect((await post('k', EVENT)).status).toBe(200);
    expect(upstream.received).toHaveLength(1);
  });

  it('can stall until it is released', async () => {
    upstream.trouble({ kind: 'stall' });
    const waiting = post('k', EVENT);
    await expect.poll(() => upstream.requests).toBe(1);
    expect(upstream.received).toHaveLength(0);
    upstream.release();
    expect((await waiting).status).toBe(200);
  });

  it('keeps only the last of many when told to, and counts them all', async () => {
    const small = new Upstream({ port: 0, keep: 2 });
    await small.start();
    for (const key of ['a', 'b', 'c']) {
      await fetch(`${small.url}/v1/events`, {
        method: 'POST',
        headers: { 'idempotency-key': key },
        body: JSON.stringify(EVENT),
      });
    }
    expect(small.received.map(({ key }) => key)).toEqual(['b', 'c']);
    expect(small.stored).toBe(3);
    await small.stop();
  });
});
