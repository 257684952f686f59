import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { inherit, rowsOf } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { settled, VirtualClock } from '../../test/support/virtual-clock.ts';
import { type Owed, owedBy } from '../journal/inherited.ts';

async function hold(kernel: Kernel): Promise<void> {
  kernel.journal.append({ type: 'hold/1', hold: 'journal_failing', reason: 'the journal failed 3 times' });
  await kernel.journal.durable();
}

describe('while a person has something to acknowledge', () => {
  it('what a live operator proposes waits, and is sent after the acknowledgement only when it is proposed again', async () => {
    const kernel = startKernel({ dataDir: scratchDir() });
    await hold(kernel);
    const disposition = await kernel.executor.submit(kernel.proposal([setpoint('412', 21)]));
    expect([disposition.receipts, disposition.awaiting.length, kernel.device.writes]).toEqual([[], 1, []]);
    kernel.journal.append({ type: 'acknowledge/1', holds: ['journal_failing'], who: 'person:test' });
    expect((await kernel.propose([setpoint('412', 21)]))[0]?.outcome).toBe('applied');
    await kernel.close();
  });

  it('what was admitted before is not sent', async () => {
    const kernel = startKernel({ dataDir: scratchDir() });
    const work = kernel.executor.submit(kernel.proposal([setpoint('412', 21), setpoint('413', 21)]));
    await hold(kernel);
    const { receipts } = await kernel.clock.until(work);
    expect(receipts.map(({ reason_code }) => reason_code)).toContain('live_off');
    expect(kernel.device.writes.length).toBeLessThan(2);
    await kernel.close();
  });
});

describe('a disk that is full', () => {
  it('admits no new plan and says why; what is under way ends (row 95)', async () => {
    let full: string | null = null;
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir, lowSpace: () => full });
    const underWay = kernel.executor.submit(kernel.proposal([setpoint('412', 21)]));
    full = '63 MiB of 1024 MiB are free';
    const refused = await kernel.executor.submit(kernel.proposal([setpoint('413', 21)]));
    expect(refused.rejected).toEqual({ reason_code: 'journal_low_space', reason: full });
    for (let i = 0; i < 20; i++) await kernel.executor.submit(kernel.proposal([setpoint('413', 21)]));
    expect((await kernel.clock.until(underWay)).receipts[0]?.outcome).toBe('applied');
    await kernel.close();
    expect(rowsOf(dataDir).filter((row) => row.type === 'run/1')).toHaveLength(1);
  });
});

describe('a journal that fails', () => {
  it('J3 X1 freezes dispatch: nothing is sent any more, whatever was decided (row 97)', async () => {
    const dataDir = scratchDir();
    const kernel = startKernel({ dataDir });
    await kernel.propose([setpoint('412', 20)]);
    const before = kernel.device.writes.length;
    const db = new Database(join(dataDir, 'journal.db'));
    db.exec('DROP TABLE state');
    db.close();
    const works = [setpoint('412', 21), setpoint('413', 21), pulse('A')].map((action) =>
      kernel.executor.submit(kernel.proposal([action])).then(
        () => 'done',
        (error: Error) => error.message,
      ),
    );
    for (const work of works) expect(await kernel.clock.until(work)).toContain('the journal cannot be written');
    expect(kernel.device.writes.length).toBe(before);
    await kernel.close();
  });
});

const LEASED = `version: 1
rules:
  - { id: lent, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { lease: { ttl: 45m, fallback: baseline } } }
`;
const MINUTE = 60_000;

/** A device at 17, the journal that set it to 21.5 under a lease of 45 minutes and is lost ten minutes later, and one that follows. */
async function afterTheLoss(act: (owed: Owed, device: FakeDevice) => Owed = (owed) => owed): Promise<Kernel> {
  const device = new FakeDevice();
  device.values.set('fcu-412/setpoint', 17);
  const lost = startKernel({ dataDir: scratchDir(), device, policy: LEASED });
  await lost.propose([setpoint('412', 21.5)]);
  await lost.clock.advance(10 * MINUTE);
  const owed = act(owedBy(lost.journal.projection), device);
  await lost.close();
  const dataDir = scratchDir();
  const clock = new VirtualClock(lost.clock.wallMs());
  const taking = startKernel({ dataDir, device, clock, bootId: 'boot-2' });
  inherit(taking.journal, owed);
  await taking.close();
  const kernel = startKernel({ dataDir, device, clock, bootId: 'boot-3', policy: LEASED });
  onTestFinished(() => kernel.close());
  return kernel;
}

describe('a lease that a lost journal granted (row 98)', () => {
  it('ends at its time: what was there before is back, under an id and with a receipt of this journal', async () => {
    const kernel = await afterTheLoss();
    const [lease] = kernel.executor.control.leases();
    expect(lease).toMatchObject({ state: 'active', receipt_id: null, goes_to: [{ point: 'setpoint', value: 17 }] });
    await kernel.clock.advance(34 * MINUTE);
    expect(kernel.device.values.get('fcu-412/setpoint')).toBe(21.5);
    await kernel.clock.advance(2 * MINUTE);
    expect(kernel.device.values.get('fcu-412/setpoint')).toBe(17);
    const released = { outcome: 'applied', lease: { id: lease?.id, state: 'released' }, refers_to: [] };
    expect(kernel.receipts).toMatchObject([released]);
    expect(kernel.executor.control.leases()).toEqual([]);
  });

  it('yields to a hand, like any other', async () => {
    const kernel = await afterTheLoss((owed, device) => {
      device.values.set('fcu-412/setpoint', 24);
      return owed;
    });
    await kernel.clock.advance(36 * MINUTE);
    expect([kernel.device.values.get('fcu-412/setpoint'), kernel.executor.control.leases()]).toEqual([24, []]);
  });

  it('is not ended by a stop that the lost journal had on, nor is anything else sent', async () => {
    const stop = { who: 'duty-engineer', reason: 'smoke', release: false, at: '2026-07-01T08:00:00.000Z' };
    const kernel = await afterTheLoss((owed) => ({ ...owed, stop }));
    await kernel.clock.advance(36 * MINUTE);
    expect([kernel.executor.control.stop, kernel.device.values.get('fcu-412/setpoint')]).toEqual([stop, 21.5]);
    await kernel.executor.control.clearStop('site-lead');
    await kernel.clock.advance(MINUTE);
    expect(kernel.device.values.get('fcu-412/setpoint')).toBe(17);
  });

  it('comes from a write whose outcome was not known, when the device shows that it took effect', async () => {
    const kernel = await afterTheLoss(({ leases: [lease], ...owed }) => {
      if (!lease) throw new Error('there is no lease');
      return { ...owed, leases: [], doubts: [{ ...DOUBT, lease }] };
    });
    expect(kernel.executor.control.leases()).toEqual([]);
    await kernel.clock.advance(MINUTE);
    expect(kernel.executor.control.leases()).toMatchObject([{ state: 'active', points: [{ value: 21.5 }] }]);
    await kernel.clock.advance(36 * MINUTE);
    expect(kernel.device.values.get('fcu-412/setpoint')).toBe(17);
  });
});

const DOUBT = {
  action_id: 'act_lost_0',
  capability: 'hvac.setpoint',
  effect_class: 'absolute_set',
  entity_key: 'zone:412',
  idempotency_key: 'k',
  device: 'fcu-412',
  target: [{ point: 'setpoint', value: 21.5 }],
  baseline: [{ point: 'setpoint', value: 17 }],
  at: '2026-07-01T08:00:00.000Z',
  lease: null,
} as const;

describe('a write that a lost journal intended', () => {
  it.each([
    ['is where it was sent', 21.5, 'applied'],
    ['is as it was', 17, 'not_applied'],
    ['was moved by somebody else', 19, 'superseded'],
  ])('is looked at and journaled, and the device is not written to: it %s', async (_, value, conclusion) => {
    const dataDir = scratchDir();
    const device = new FakeDevice();
    device.values.set('fcu-412/setpoint', value);
    const first = startKernel({ dataDir, device });
    inherit(first.journal, { doubts: [DOUBT], leases: [], stop: null });
    await first.close();
    const kernel = startKernel({ dataDir, device, bootId: 'boot-2' });
    await kernel.clock.advance(10_000);
    await settled();
    const [settledRow, told] = rowsOf(dataDir).slice(-2);
    expect(settledRow).toMatchObject({ type: 'inherited_settled/1', action_id: 'act_lost_0', conclusion });
    expect(told).toMatchObject({ type: 'alert/1', kind: 'inherited', action_id: 'act_lost_0' });
    expect([device.writes, kernel.journal.projection.inherited.rows.size]).toEqual([[], 0]);
    await kernel.close();
  });
});
