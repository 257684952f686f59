import { describe, expect, it } from 'vitest';
import { planLine, readingsLine, receiptLine } from './feed.ts';
import type { PointRow, ReceiptRow } from './gateway-client.ts';

const RECEIPT: ReceiptRow = {
  seq: 7,
  at: '2026-02-03T13:05:00Z',
  operator: 'comfort',
  capability: 'hvac.setpoint',
  entity_key: 'zone:412',
  args: { zone: '412', celsius: 21.5 },
  policy: { rule: 'setpoints' },
  baseline: [{ value: 17 }],
  target: [{ value: 21.5 }],
  readback: [{ value: 21.5 }],
  outcome: 'applied',
  reason: 'done',
};

describe('the commentary', () => {
  it('says a receipt in one line: where, what, before and after, outcome, rule', () => {
    expect(receiptLine(RECEIPT)).toBe('receipt   zone:412        hvac.setpoint  17 → 21.5  applied  (setpoints)');
  });

  it('says why when something was not applied', () => {
    const blocked = { ...RECEIPT, outcome: 'blocked', reason: 'too soon', baseline: [], target: [], readback: [] };
    expect(receiptLine(blocked)).toBe(
      'receipt   zone:412        hvac.setpoint  ? → 21.5  blocked  (setpoints)  too soon',
    );
  });

  it('says a plan with its reason', () => {
    const actions = [{ capability: 'hvac.setpoint', outcome: null }];
    const plan = { seq: 1, at: '', operator: 'comfort', status: 'executed', reasoning: 'room 412 is empty', actions };
    expect(planLine(plan)).toBe('plan      comfort: room 412 is empty (1 action, executed)');
  });

  it('says what the site looks like from good points only', () => {
    const point = (name: string, value: unknown, quality = 'good'): PointRow => ({
      device: 'room-412',
      point: name,
      entity_key: 'zone:412',
      value,
      quality,
      quality_reason: null,
    });
    expect(readingsLine([point('temperature', 20.04), point('motion', true)], 1)).toBe(
      'readings  1 temperature 20.0–20.0 °C · motion in 1 · all good · 1 event',
    );
    expect(readingsLine([point('temperature', 68, 'bad'), point('window', true)], 2_000)).toBe(
      'readings  no temperature yet · motion in 0 · 1 window open · 1 of 2 points not good · 2,000 events',
    );
  });
});
