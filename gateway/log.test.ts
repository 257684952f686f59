import { expect, it } from 'vitest';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { createLog, type GatewayLog } from './log.ts';

function captured(): { readonly log: GatewayLog; readonly lines: () => readonly Record<string, unknown>[] } {
  const written: string[] = [];
  const log = createLog(new VirtualClock(0), { write: (line: string) => written.push(line) });
  return { log, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

it('writes one JSON object a line, with the time of the clock it was given', () => {
  const { log, lines } = captured();
  log.info({ connection: 'fcu' }, 'connected');
  expect(lines()).toEqual([{ level: 'info', time: '1970-01-01T00:00:00.000Z', connection: 'fcu', msg: 'connected' }]);
});

it('puts the fields of a child on each of its lines', () => {
  const { log, lines } = captured();
  log.child({ connection: 'fcu' }).child({ unit: 12 }).warn({ tries: 3 }, 'silent');
  expect(lines()[0]).toMatchObject({ level: 'warn', connection: 'fcu', unit: 12, tries: 3, msg: 'silent' });
});

it('G1 writes nothing that stands under the name of a secret, at any depth, in a list or on a child', () => {
  const { log, lines } = captured();
  const secret = 'canary';
  log.child({ token: secret }).error({ a: { b: [{ password: secret }] }, Authorization: secret, api_key: secret }, 'x');
  expect(JSON.stringify(lines())).not.toContain(secret);
  expect(lines()[0]).toMatchObject({ a: { b: [{ password: '[redacted]' }] } });
});

it('G1 takes credentials out of URLs, in fields, messages and errors', () => {
  const { log, lines } = captured();
  const url = 'mqtt://user:canary@broker:1883/x';
  log.error({ url, error: new Error(`no answer from ${url}`) }, `cannot reach ${url}`);
  expect(JSON.stringify(lines())).not.toContain('canary');
  expect(lines()[0]).toMatchObject({ url: 'mqtt://[redacted]@broker:1883/x' });
});

it('survives a field that holds itself', () => {
  const { log, lines } = captured();
  const field: Record<string, unknown> = {};
  field['self'] = field;
  log.info({ field }, 'round');
  expect(lines()).toHaveLength(1);
});
