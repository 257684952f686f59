/** For tests: what led to a receipt of the fixture. */
import { makeEnvelope, type Receipt } from '@fibric/sdk';
import type { Story } from '../journal/story.ts';

const AT = '2026-07-02T08:00:00.000Z';
const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_test' };

/** What led to a receipt of `receiptOf`. */
export function storyOf(receipt: Receipt): Story {
  const { seq, prev, hash, plan_id, correlation_id } = receipt;
  const payload = { entity: { kind: 'zone', id: '412' }, point: 'occupied', value: true, unit: null, quality: 'good' };
  return {
    object: 'why',
    receipt,
    trigger: makeEnvelope(IDENTITY, {
      event_id: 'ev_1',
      source: 'mqtt:field',
      event_type: 'zone.occupied',
      payload,
      correlation_id,
    }),
    plan: {
      plan_id,
      plan_hash: 'd'.repeat(64),
      seq: 1,
      hash: 'e'.repeat(64),
      at: AT,
      reasoner: null,
      action: 1,
      actions: 2,
    },
    policy: {
      seq: 1,
      at: AT,
      who: 'site file',
      sources: [{ file: 'policy.yaml', sha256: 'd'.repeat(64), key: null, counter: null }],
    },
    intents: [],
    others: [],
    chain: { seq, prev, hash, fault: null },
    checkpoint: { signed: 64, cosigned: 0 },
  };
}
