import { LIMITS, type ReceiptApproval } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { actionOf, planOf, receiptOf } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import type { Waiting } from './approvals.ts';
import { idAt, type ReceiptEntry } from './entries.ts';
import { fsck } from './fsck.ts';
import { type Journal, openJournal } from './journal.ts';
import { openJournalReader } from './reader.ts';

const CHANGE = { of: 'a/b', was: { value: 1, quality: 'good' }, is: { value: 2, quality: 'uncertain' } } as const;
const WAITING: Waiting = {
  ...{ approvers: 1, expires_ms: 0, breakers: [], policy_hash: null, rules: [], basis_hash: 'b' },
  basis: [
    { of: 'a/b', value: 1, quality: 'good', tolerance: 0.5 },
    { of: 'a/c', value: true, quality: 'good', tolerance: 0 },
  ],
};

/** Appends the plan and the receipt of an action that fell; the id of its action. */
function fall(journal: Journal, n: number, approval: Partial<ReceiptApproval> = { basis_changes: [CHANGE] }): string {
  const plan_id = idAt('pl', journal.nextSeq);
  const action = actionOf(plan_id, 0, { intent_key: `comfort:zone:${n}:setpoint`, deadline_ms: 4e12 });
  journal.append({ ...planOf(plan_id, [action]), actions: [{ status: 'awaiting', action, waiting: WAITING }] });
  const { action_id } = action;
  const said = { decision: 'approve', effect: 'counts', who: 'anna', roles: null, method: 'site_token' } as const;
  const about = { plan_id, plan_hash: 'h', actions: [{ action_id, basis_hash: 'b' }], policy_hash: null, reason: null };
  journal.append({ type: 'approval/1', ...said, ...about });
  const given = { id: 'ap_1', approvers: ['anna'], basis_hash: 'b', at_seq: 1, ...approval } as ReceiptApproval;
  const receipt: ReceiptEntry = { ...receiptOf(action, 'basis_changed', 1), approval: given };
  journal.append(receipt);
  return action_id;
}

async function folder(fill: (journal: Journal) => void): Promise<string> {
  const dir = scratchDir();
  const journal = openJournal({ dataDir: dir, clock: new VirtualClock(), bootId: 'b', onFailure: () => undefined });
  journal.append({ type: 'boot/1', epoch: 1, boot_id: 'b', gateway_uid: 'gw', software: '0', site: 's' });
  fill(journal);
  await journal.durable();
  journal.close();
  return dir;
}

describe('what fell because its basis had changed (G-AP-3)', () => {
  it('is kept with the basis as it was found, and the tables follow from the rows (G-J-1)', async () => {
    let id = '';
    const dir = await folder((journal) => {
      id = fall(journal, 1);
      expect(journal.projection.fallen.rows.get(id)?.basis).toEqual([
        { of: 'a/b', value: 2, quality: 'uncertain', tolerance: 0.5 },
        { of: 'a/c', value: true, quality: 'good', tolerance: 0 },
      ]);
    });
    expect(fsck(dir).findings).toEqual([]);
  });

  it('is a thousand actions at the most, and the oldest gives way', async () => {
    const dir = await folder((journal) => {
      const ids = Array.from({ length: LIMITS.approvalsWaiting + 2 }, (_, n) => fall(journal, n));
      expect([...journal.projection.fallen.rows.keys()]).toEqual(ids.slice(2));
    });
    expect(fsck(dir).findings).toEqual([]);
  });

  it('is not approved anew where its receipt is of a time when it did not say what had changed', async () => {
    let plan_id = '';
    const dir = await folder((journal) => {
      plan_id = idAt('pl', journal.nextSeq);
      fall(journal, 1, {});
    });
    const reader = openJournalReader(dir);
    expect(reader.plan(plan_id)).toMatchObject({ status: 'basis_changed', actions: [{ changed: [], anew: null }] });
    expect(reader.plans({ limit: 10, waiting: true })).toEqual([]);
    reader.close();
  });
});
