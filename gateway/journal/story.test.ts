import { join } from 'node:path';
import { parseTime } from '@fibric/sdk';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { appendApplied } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { signedJournal } from '../../test/support/signed-journal.ts';
import { idAt } from './entries.ts';
import { openJournalReader } from './reader.ts';
import type { Story } from './story.ts';

function storyOf(dir: string, receiptId: string): Story | null {
  const reader = openJournalReader(dir);
  onTestFinished(() => reader.close());
  return reader.story(receiptId);
}

describe('the story of a receipt', () => {
  it('leads from the envelope that woke the run to the receipt, with the time of every step', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir });
    const [receipt] = await kernel.propose([setpoint('412', 21.5), setpoint('413', 20)]);
    await kernel.close();
    const story = storyOf(dataDir, receipt?.receipt_id ?? '');
    expect(story).toMatchObject({
      receipt: { outcome: 'applied', plan_id: story?.plan.plan_id },
      trigger: { event_id: receipt?.event_id, event_type: 'cron.tick' },
      plan: { action: 1, actions: 2 },
      intents: [{ attempt: 1, action_id: receipt?.action_id }],
      others: [],
      chain: { seq: receipt?.seq, hash: receipt?.hash, fault: null },
    });
    const { intent_at, sent_at, answered_at } = receipt?.timeline ?? {};
    const steps = [story?.intents[0]?.at, intent_at, sent_at, answered_at, receipt?.readback[0]?.at, receipt?.at];
    const times = steps.map((at) => parseTime(at ?? ''));
    expect(times).not.toContain(null);
    expect(times.toSorted((a, b) => Number(a) - Number(b))).toEqual(times);
  });

  it('of an action that was refused has no step of an attempt', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir, policy: 'version: 1\nallow: [gate.pulse]\n' });
    const [receipt] = await kernel.propose([setpoint('412', 21.5)]);
    await kernel.close();
    expect(storyOf(dataDir, receipt?.receipt_id ?? '')).toMatchObject({
      receipt: { outcome: 'blocked', timeline: { intent_at: null, sent_at: null, answered_at: null } },
      intents: [],
    });
  });

  it('says up to where the rows are signed', async () => {
    const signed = await signedJournal(scratchDir());
    appendApplied(signed.journal);
    const receipt = idAt('rc', signed.journal.nextSeq - 1);
    await signed.journal.durable();
    expect(storyOf(signed.dir, receipt)?.checkpoint).toEqual({ signed: 2, cosigned: 0 });
    signed.close();
  });

  it('goes on after the receipt: what refers to it since', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir });
    const [first] = await kernel.propose([pulse('A', { occurrence: 'ev=1' })]);
    const [second] = await kernel.propose([pulse('A', { occurrence: 'ev=1' })]);
    await kernel.close();
    expect(second?.outcome).toBe('deduped');
    expect(storyOf(dataDir, first?.receipt_id ?? '')?.others).toMatchObject([{ seq: second?.seq, outcome: 'deduped' }]);
  });

  it('says so when the receipt does not follow from the row before (row 103)', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir });
    const [receipt] = await kernel.propose([setpoint('412', 21.5)]);
    await kernel.close();
    const db = new Database(join(dataDir, 'journal.db'));
    db.exec(
      `DROP TRIGGER entries_no_update; UPDATE entries SET body = replace(body, 'read back as', 'never') WHERE seq = ${receipt?.seq}`,
    );
    db.close();
    expect(storyOf(dataDir, receipt?.receipt_id ?? '')?.chain.fault).toBe('its content does not match its hash');
  });

  it('there is none of what is not a receipt', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir });
    await kernel.propose([setpoint('412', 21.5)]);
    await kernel.close();
    for (const id of ['rc_00000001', 'rc_zzzzzzzz', 'pl_00000002', 'x']) expect(storyOf(dataDir, id)).toBeNull();
  });
});
