import { type Envelope, makeEnvelope } from '@fibric/sdk';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createRouter } from './router.ts';

const identity = { tenant_id: 't', reseller_id: null, workspace_id: null };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function envelope(event_type: string): Envelope {
  return makeEnvelope(identity, { event_id: 'e', source: 'fixture', event_type, payload: {} });
}

it.each([
  ['hvac.fault', 'hvac.fault', true],
  ['hvac.*', 'hvac.fault', true],
  ['hvac.*', 'hvac.fault.cleared', false],
  ['hvac.*', 'hvac.zone.fault', false],
  ['hvac.zone.*', 'hvac.zone.fault', true],
  ['hvac.*.fault', 'hvac.zone.fault', true],
  ['*.fault', 'hvac.fault', true],
  ['*.*', 'hvac.zone.fault', false],
  ['hvac.#', 'hvac.zone', false],
  ['hvac.**', 'hvac.zone.fault', false],
])('%s against %s: %s', (pattern, type, matches) => {
  const router = createRouter(silent);
  router.add(pattern, () => undefined);
  expect(router.route(envelope(type))).toBe(matches ? 1 : 0);
});

it('a star stands for exactly one segment, whatever the segments are', () => {
  const segment = fc.constantFrom('a', 'b', 'zone', 'x_1');
  const type = fc.array(segment, { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(type, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), type, (base, stars, given) => {
      const pattern = base.map((word, i) => (stars[i] ? '*' : word));
      const expected = pattern.length === given.length && pattern.every((word, i) => word === '*' || word === given[i]);
      const router = createRouter(silent);
      router.add(pattern.join('.'), () => undefined);
      expect(router.route(envelope(given.join('.')))).toBe(expected ? 1 : 0);
    }),
  );
});

it('hands the same envelope to every handler, in the order they were added', () => {
  const router = createRouter(silent);
  const seen: [string, Envelope][] = [];
  router.add('zone.*', (e) => seen.push(['glob', e]));
  router.add('zone.temperature', (e) => seen.push(['exact', e]));
  const sent = envelope('zone.temperature');
  expect(router.route(sent)).toBe(2);
  expect(seen.map(([who]) => who)).toEqual(['glob', 'exact']);
  expect(seen.every(([, e]) => e === sent)).toBe(true);
});

it('R1 finds a handler that was added after its type was seen', () => {
  const router = createRouter(silent);
  expect(router.route(envelope('zone.co2'))).toBe(0);
  router.add('zone.*', () => undefined);
  expect(router.route(envelope('zone.co2'))).toBe(1);
});

it('R2 goes on after a handler that throws, and logs it', () => {
  const errors: unknown[] = [];
  const router = createRouter({ ...silent, error: (fields) => errors.push(fields) });
  let reached = 0;
  router.add('zone.*', () => {
    throw new Error('boom');
  });
  router.add('zone.*', () => reached++);
  router.route(envelope('zone.co2'));
  expect(reached).toBe(1);
  expect(errors).toEqual([{ event_id: 'e', event_type: 'zone.co2', error: 'boom' }]);
});
