/** For tests: one lease, and a stop that somebody may press. */
import { FibricError } from '@fibric/sdk';
import type { BreakerView } from '../executor/breaker.ts';
import type { LeaseView } from '../executor/lease-view.ts';
import type { GatewayView, StatusView } from './view.ts';

export interface FakeControl
  extends Pick<
    GatewayView,
    'leases' | 'releaseLease' | 'stopAll' | 'clearStop' | 'breakers' | 'closeBreaker' | 'correct'
  > {
  /** What was asked of leases and the stop, and by whom. */
  readonly orders: unknown[];
  stop: StatusView['stop'];
}

const LEASE: LeaseView = {
  object: 'lease',
  id: 'ls_0000001a',
  state: 'active',
  operator: 'comfort',
  capability: 'hvac.setpoint',
  entity_key: 'zone:412',
  device: 'fcu-412',
  points: [{ point: 'setpoint', value: 21.5 }],
  goes_to: [{ point: 'setpoint', value: 17 }],
  fallback: 'baseline',
  ttl_s: 2_700,
  receipt_id: 'rc_7',
  ends_at: '2026-07-02T08:45:00.000Z',
  problem: null,
};

const BREAKER: BreakerView = {
  object: 'breaker',
  breaker_id: 'br_0000001b',
  capability: 'hvac.setpoint',
  entity_key: 'zone:412',
  connector: null,
  reason: 'hvac.setpoint on zone:412 failed 3 times in a row',
  refers_to: ['rc_7'],
  at: '2026-07-02T08:00:00.000Z',
};

export function fakeControl(): FakeControl {
  const control: FakeControl = {
    orders: [],
    stop: null,
    leases: () => [LEASE],
    async releaseLease(id, who) {
      control.orders.push({ release: id, who });
      const known = id === LEASE.id;
      return known ? { object: 'lease_release', id, result: 'released', reason: null, receipt: null } : null;
    },
    breakers: () => [BREAKER],
    async closeBreaker(id, who, reason) {
      control.orders.push({ close: id, who, reason });
      return id === BREAKER.breaker_id ? BREAKER : null;
    },
    async correct(correction) {
      control.orders.push(correction);
      if (correction.receipt_id === 'rc_none') return null;
      const said = { conclusion: 'confirmed_applied', method: 'local_token', idempotency_key: 'k' } as const;
      const stamp = { seq: 9, prev: '0', at: '2026-07-02T08:00:00.000Z', clock: {} as never };
      return { type: 'correction/1', ...correction, action_id: 'act_1', ...said, ...stamp };
    },
    async stopAll(order) {
      control.orders.push(order);
      control.stop = { ...order, at: '2026-07-02T08:00:00.000Z' };
      return control.stop;
    },
    async clearStop(who) {
      control.orders.push({ clear: who });
      if (!control.stop) throw new FibricError('conflict', 'there is no stop to clear');
      control.stop = null;
    },
  };
  return control;
}
