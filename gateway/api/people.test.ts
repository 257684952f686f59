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

describe('an action that a person proposes', () => {
  const wish = { who: 'anna', capability: 'hvac.setpoint', entity: 'zone:412', args: { celsius: '21' } };

  test('is handed on with its deadline, and with its key as the occasion', async () => {
    const key = { ...headers, 'idempotency-key': 'BMS-0815' };
    const payload = { ...wish, reason: 'a guest is cold', deadline: '2026-07-02T08:05:00Z', wait: false };
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/v1/actions', headers: key, payload });
    expect([statusCode, JSON.parse(body)]).toMatchObject([200, { plan_id: 'pl_8', proposed_by: 'person:anna' }]);
    expect((await post('/v1/actions', wish)).body.awaiting).toEqual(['act_8']);
    expect(view.asked).toEqual([
      {
        ...wish,
        value: null,
        reason: 'a guest is cold',
        ...at('2026-07-02T08:05:00Z'),
        occurrence: 'ev=BMS-0815',
        wait: false,
      },
      { ...wish, value: null, reason: null, deadline_ms: null, occurrence: null, wait: true },
    ]);
  });

  test('names a person, an entity and a time that are some', async () => {
    for (const wrong of [
      { who: '' },
      { who: 'person:anna' },
      { entity: '412' },
      { deadline: 'soon' },
      { mode: 'live' },
    ])
      expect((await post('/v1/actions', { ...wish, ...wrong })).status).toBe(400);
    const key = { ...headers, 'idempotency-key': 'two words' };
    const answer = await app.inject({ method: 'POST', url: '/v1/actions', headers: key, payload: wish });
    expect([answer.statusCode, answer.json().error.message]).toEqual([400, expect.stringContaining('Idempotency-Key')]);
    expect(view.asked).toEqual([]);
  });
});

const at = (time: string) => ({ deadline_ms: Date.parse(time) });

describe('a plan that waits', () => {
  test('is said yes or no to in the name of a person', async () => {
    const { status, body } = await post('/v1/plans/pl_3/approve', { who: 'anna', action: 1, reason: 'as agreed' });
    expect([status, body]).toMatchObject([200, { object: 'approval', decision: 'approve', who: 'anna' }]);
    await post('/v1/plans/pl_3/veto', { who: 'bert', plan_hash: 'f'.repeat(64) });
    const of = { plan_id: 'pl_3', basis_hash: null };
    expect(view.said).toEqual([
      { ...of, decision: 'approve', who: 'anna', action: 1, plan_hash: null, reason: 'as agreed' },
      { ...of, decision: 'veto', who: 'bert', action: null, plan_hash: 'f'.repeat(64), reason: null },
    ]);
  });

  test('or has fallen because its basis had changed, is said yes to on the basis that was seen (G-AP-3)', async () => {
    const basis_hash = 'c'.repeat(64);
    const { status, body } = await post('/v1/plans/pl_3/approve', { who: 'anna', basis_hash });
    expect([status, body]).toMatchObject([200, { object: 'approval', plan_id: 'pl_8', who: 'anna' }]);
    expect(view.said).toMatchObject([{ plan_id: 'pl_3', decision: 'approve', who: 'anna', basis_hash }]);
    expect((await post('/v1/plans/pl_3/veto', { who: 'anna', basis_hash })).status).toBe(400);
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
