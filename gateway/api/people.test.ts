import type { FastifyInstance } from 'fastify';
import { FibricError } from '@fibric/sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../system.ts';
import { type FakeGateway, fakeGateway } from './fixture.ts';
import { planOf } from './people-fixture.ts';
import { buildApi } from './server.ts';

const TOKEN = 'a'.repeat(64);
const headers = { authorization: `Bearer ${TOKEN}` };
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let view: FakeGateway;
let app: FastifyInstance;

beforeEach(() => {
  view = fakeGateway();
  view.journal.planRows.push(planOf(3));
  app = buildApi({ view, token: TOKEN, log, clock: systemClock() });
});
afterEach(() => app.close());

async function post(url: string, payload?: object) {
  const response = await app.inject({ method: 'POST', url, headers, ...(payload ? { payload } : {}) });
  return { status: response.statusCode, body: response.json() };
}

describe('a plan that waits', () => {
  test('is said yes or no to in the name of a person', async () => {
    const { status, body } = await post('/v1/plans/pl_3/approve', { who: 'anna', action: 1, reason: 'as agreed' });
    expect([status, body]).toMatchObject([200, { object: 'approval', decision: 'approve', who: 'anna' }]);
    await post('/v1/plans/pl_3/veto', { who: 'bert', plan_hash: 'f'.repeat(64) });
    expect(view.said).toEqual([
      { plan_id: 'pl_3', decision: 'approve', who: 'anna', action: 1, plan_hash: null, reason: 'as agreed' },
      { plan_id: 'pl_3', decision: 'veto', who: 'bert', action: null, plan_hash: 'f'.repeat(64), reason: null },
    ]);
  });

  test('answers what is wrong with a request, and what came too late', async () => {
    for (const body of [undefined, {}, { who: '' }, { who: 'person:local' }, { who: 'anna', action: 0 }])
      expect((await post('/v1/plans/pl_3/approve', body)).status).toBe(400);
    expect((await post('/v1/plans/pl_9/approve', { who: 'anna' })).status).toBe(404);
    for (const [code, status] of [
      ['forbidden', 403],
      ['approval_expired', 409],
      ['plan_hash_mismatch', 409],
      ['too_late', 409],
    ] as const) {
      view.say = () => Promise.reject(new FibricError(code, 'so it is'));
      const answer = await post('/v1/plans/pl_3/veto', { who: 'anna' });
      expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    }
  });

  test('is listed apart from all the others, and a cursor of the one list is none of the other', async () => {
    const get = async (url: string) => (await app.inject({ method: 'GET', url, headers })).json();
    for (const seq of [5, 7]) view.journal.planRows.push(planOf(seq, 'comfort', { status: 'proposed' }));
    const page = await get('/v1/plans?waiting=true&limit=1');
    expect(page.data.map(({ plan_id }: { plan_id: string }) => plan_id)).toEqual(['pl_7']);
    const next = await get(`/v1/plans?waiting=true&cursor=${page.next_cursor}`);
    expect(next.data.map(({ plan_id }: { plan_id: string }) => plan_id)).toEqual(['pl_5']);
    expect((await get(`/v1/plans?cursor=${page.next_cursor}`)).error.code).toBe('invalid_cursor');
  });
});
