import { expect, it } from 'vitest';
import { deviceOf, observe } from '../observe/fixture.ts';
import type { AlertEntry } from '../journal/alerts.ts';
import { tellSkew } from './skew.ts';

it('a device a day ahead of time is told of once, for as long as it stays so (row 94)', () => {
  const { read, envelopes } = observe([deviceOf('room-412', { kind: 'zone', id: '412' }, { temperature: {} })]);
  const told: AlertEntry[] = [];
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const append = (entry: AlertEntry) => ({ row: { ...entry, seq: told.push(entry) } });
  const journal = { failure: null, append: append as never };
  read('room-412', { temperature: 21 }, { observed_at: '2026-07-01T08:00:00Z' });
  read('room-412', { temperature: 21 }, { observed_at: '2026-07-02T08:00:00Z' });
  read('room-412', { temperature: 21 }, { observed_at: '2026-07-02T08:00:10Z' });
  for (const envelope of envelopes) tellSkew({ journal, log }, envelope);
  expect(told).toMatchObject([{ kind: 'device_clock', severity: 'warning', entity_key: 'zone:412' }]);
  expect(told[0]?.text).toContain('room-412 is ahead');
});
