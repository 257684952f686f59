/** For tests: one lease, and a stop that somebody may press. */
import { FibricError } from '@fibric/sdk';
import type { LeaseView } from '../executor/lease-view.ts';
import type { GatewayView, StatusView } from './view.ts';

export interface FakeControl extends Pick<GatewayView, 'leases' | 'releaseLease' | 'stopAll' | 'clearStop'> {
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
