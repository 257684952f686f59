import { LIMITS } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { rowsOf } from '../../test/support/rows.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { fsck } from '../journal/fsck.ts';
import { openJournalReader } from '../journal/reader.ts';
import { breakerViews, closeBreaker } from './breaker.ts';
import { correct } from './correct.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const MINUTE = 60_000;

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ['412', '413', '414']) device.values.set(`fcu-${zone}/setpoint`, 17);
  for (const id of ['A', 'B']) if (!device.values.has(`gate-${id}/counter`)) device.values.set(`gate-${id}/counter`, 7);
  const made = startKernel({ dataDir: scratchDir(), ...options, device });
  onTestFinished(() => made.close());
  return made;
}

function failing(behaviour: FakeDevice['behaviours'][0] = 'refuse'): FakeDevice {
  const device = new FakeDevice();
  device.behaviours = [behaviour];
  return device;
}

const said = (k: Kernel) => k.receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`);
const open = (k: Kernel) => breakerViews(k.journal.projection);
const waiting = (k: Kernel) =>
  [...k.journal.projection.open.rows.values()]
    .filter(({ status }) => status === 'awaiting')
    .map(({ action }) => action.entity_key);
const alerts = (k: Kernel, kind: string) =>
  rowsOf(k.dataDir).filter((row) => row.type === 'alert/1' && row.kind === kind);
const close = (k: Kernel, id: string) => closeBreaker({ journal: k.journal, log }, id, 'duty-engineer', 'mended');

/** A gateway on the same folder, after the one before has ended. */
async function again(k: Kernel, options: Partial<KernelOptions> = {}): Promise<Kernel> {
  await k.close();
  expect(fsck(k.dataDir).findings).toEqual([]);
  return startKernel({ dataDir: k.dataDir, device: k.device, clock: k.clock, bootId: 'boot-2', ...options });
}

describe('the breaker', () => {
  it('B5 opens after three failures in a row of one capability on one entity, and keeps the others free', async () => {
    const k = kernel({ device: failing() });
    const all = [20, 21, 22, 23].map((celsius) => k.propose([setpoint('412', celsius)]));
    await Promise.all(all);
    // What was on its way already is blocked.
    expect(said(k).slice(2)).toEqual(['failed:illegal_value', 'blocked:breaker_open']);
    expect(k.device.writes).toHaveLength(3);
    expect(open(k)).toMatchObject([{ capability: 'hvac.setpoint', entity_key: 'zone:412', connector: null }]);
    expect(open(k)[0]?.refers_to).toEqual(k.receipts.slice(0, 3).map(({ receipt_id }) => receipt_id));
    expect(alerts(k, 'breaker_open')).toHaveLength(1);
    expect(k.receipts[3]?.reason).toContain(`fibric breakers close ${open(k)[0]?.breaker_id}`);
    k.device.behaviours = ['obey'];
    await k.propose([setpoint('413', 20)]);
    expect(said(k).at(-1)).toBe('applied:verified');
  });

  it('B5 counts failures in a row: one that works begins the count anew, and what was never sent does not count', async () => {
    const k = kernel({ device: failing() });
    for (const celsius of [20, 21]) await k.propose([setpoint('412', celsius)]);
    k.device.behaviours = ['obey'];
    await k.propose([setpoint('412', 22)]);
    k.device.behaviours = ['refuse'];
    for (const celsius of [23, 24]) await k.propose([setpoint('412', celsius)]);
    k.device.unreadable.add('setpoint');
    for (const celsius of [20, 21, 22]) await k.propose([setpoint('412', celsius)]);
    expect([said(k).at(-1), open(k)]).toEqual(['failed:device_unreadable', []]);
  });

  it('B5 does not count what came to nothing because the process ended', async () => {
    const device = new FakeDevice();
    device.values.set('gate-A/counter', 7);
    const dataDir = scratchDir();
    const clock = new VirtualClock();
    for (let life = 1; life <= 4; life++) {
      // Left as a killed process leaves it: intended, and never sent.
      const k = startKernel({ dataDir, device, clock, bootId: `boot-${life}` });
      await clock.advance(10_000);
      expect(open(k)).toEqual([]);
      expect(k.receipts.map(({ reason_code }) => reason_code)).toEqual(life === 1 ? [] : ['not_applied']);
      device.onWrite = () => new Promise<void>(() => undefined);
      void k.executor.submit(k.proposal([pulse('A', { occurrence: `ev=ticket-${life}` })]));
      await clock.advance(1_000);
      k.journal.close();
    }
  });

  it('B5 opens for a connection after ten failures within ten minutes, and not when they are further apart', async () => {
    const spread = async (everyMs: number): Promise<Kernel> => {
      const k = kernel({ device: failing() });
      for (let i = 0; i < LIMITS.breakerConnector; i++) {
        // Never three in a row on one zone.
        k.device.behaviours = ['refuse'];
        const zone = ['412', '413', '414'][i % 3] as string;
        await k.propose([setpoint(zone, 20 + i / 10)]);
        k.journal.projection.failures.delete(`hvac.setpoint zone:${zone}`);
        await k.clock.advance(everyMs);
      }
      return k;
    };
    const quick = await spread(MINUTE / 2);
    expect(open(quick)).toMatchObject([{ capability: 'hvac.setpoint', entity_key: null, connector: 'fcu' }]);
    const count = said(quick).length;
    await quick.propose([setpoint('414', 25)]);
    expect([said(quick).length, waiting(quick).length]).toEqual([count, 1]);
    expect(open(await spread(2 * MINUTE))).toEqual([]);
  });

  it('B5 stays open across a restart, and is closed by a named person only', async () => {
    const k = kernel({ device: failing() });
    for (const celsius of [20, 21, 22]) await k.propose([setpoint('412', celsius)]);
    const next = await again(k);
    await next.propose([setpoint('412', 23)]);
    expect([said(next), waiting(next).length]).toEqual([[], 1]);
    expect(await close(next, 'br_nothing')).toBeNull();
    const [one] = open(next);
    expect(await next.clock.until(close(next, one?.breaker_id ?? ''))).toEqual(one);
    next.device.behaviours = ['obey'];
    await next.propose([setpoint('412', 24)]);
    expect([said(next), open(next)]).toEqual([['superseded:coalesced', 'applied:verified'], []]);
    expect(rowsOf(next.dataDir).find((row) => row.type === 'breaker/1' && row.state === 'closed')).toMatchObject({
      who: 'duty-engineer',
      reason: 'mended',
    });
    await next.close();
    expect(fsck(k.dataDir).findings).toEqual([]);
  });
});

describe('what is proposed while a breaker is open', () => {
  const let_through = (k: Kernel) => {
    const [one] = [...k.journal.projection.open.rows.values()];
    const plan_id = one?.action.plan_id ?? '';
    const who = { who: 'duty-engineer', plan_hash: null, basis_hash: null, reason: 'to see whether it works again' };
    return k.clock.until(k.executor.approvals.say({ decision: 'approve', plan_id, action: null, ...who }));
  };

  it('B5 waits for a person, who may let it through; the breaker stays open for everything else', async () => {
    const k = kernel({ device: failing() });
    for (const celsius of [20, 21, 22, 23]) await k.propose([setpoint('412', celsius)]);
    expect([said(k).length, waiting(k)]).toEqual([3, ['zone:412']]);
    k.device.behaviours = ['obey'];
    await let_through(k);
    await k.clock.advance(MINUTE);
    expect([said(k).at(-1), open(k).length]).toEqual(['applied:verified', 1]);
    await k.propose([setpoint('412', 24)]);
    expect(waiting(k)).toEqual(['zone:412']);
  });

  it('B5 a yes from before the breaker opened does not let it through', async () => {
    const policy =
      'version: 1\nrules: [{ id: r, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { approval: { within: 4h } } }]\n';
    const k = kernel({ device: failing(), policy });
    const last = Promise.withResolvers<void>();
    for (const celsius of [20, 21, 22]) {
      if (celsius === 22) k.device.onWrite = () => last.promise;
      await k.propose([setpoint('412', celsius)]);
      await let_through(k);
      await k.clock.advance(20);
    }
    await k.propose([setpoint('412', 23)]);
    expect([said(k).length, waiting(k)]).toEqual([2, ['zone:412']]);
    last.resolve();
    await k.clock.advance(MINUTE);
    expect([said(k), open(k).length]).toEqual([Array.from({ length: 3 }, () => 'failed:illegal_value'), 1]);
    await let_through(k);
    await k.clock.advance(MINUTE);
    expect(said(k).at(-1)).toBe('blocked:breaker_open');
  });
});

describe('a write that nobody can tell the fate of', () => {
  /** Gate B has no counter that would prove a pulse. */
  async function unknown(policy?: string): Promise<Kernel> {
    const k = kernel({ device: failing('ignore_in_silence'), ...(policy === undefined ? {} : { policy }) });
    await k.propose([pulse('B', { occurrence: 'ev=ticket-1' })]);
    expect(said(k)).toEqual(['unknown:unknown']);
    k.device.behaviours = ['obey'];
    return k;
  }
  const correcting = (k: Kernel, applied: boolean, receipt_id = k.receipts[0]?.receipt_id ?? '') => {
    const reader = openJournalReader(k.dataDir);
    const order = { receipt_id, applied, who: 'duty-engineer', reason: 'looked at the gate' };
    return k.clock.until(correct({ journal: k.journal, reader, log }, order)).finally(() => reader.close());
  };

  it('B5 holds its entity: nothing more is written to it, and the other gate goes on (row 54)', async () => {
    const k = await unknown();
    await k.propose([pulse('B', { occurrence: 'ev=ticket-2' })]);
    await k.propose([pulse('A', { occurrence: 'ev=ticket-2' })]);
    expect([said(k).slice(1), waiting(k)]).toEqual([['applied:verified'], ['gate:B']]);
    expect(open(k)).toMatchObject([{ capability: null, entity_key: 'gate:B', refers_to: [k.receipts[0]?.receipt_id] }]);
    expect(alerts(k, 'unknown')).toHaveLength(1);
  });

  it('does not hold it where a rule says release', async () => {
    const k = await unknown(
      'version: 1\nrules: [{ id: r, match: { capability: gate.pulse }, decision: ALLOW, constraints: { on_unknown: release } }]\n',
    );
    await k.propose([pulse('B', { occurrence: 'ev=ticket-2' })]);
    expect([said(k).at(-1)?.split(':')[0], open(k)]).toEqual(['applied_unverified', []]);
  });

  it('that a person found not to have happened may be asked for again under its key, once; the receipt stays', async () => {
    const k = await unknown();
    expect(await correcting(k, false)).toMatchObject({
      ...{ type: 'correction/1', receipt_id: k.receipts[0]?.receipt_id, conclusion: 'confirmed_not_applied' },
      ...{ who: 'duty-engineer', method: 'local_token', reason: 'looked at the gate' },
    });
    expect(open(k)).toEqual([]);
    await k.propose([pulse('B', { occurrence: 'ev=ticket-1' })]);
    await k.propose([pulse('B', { occurrence: 'ev=ticket-1' })]);
    expect(said(k).slice(1)).toEqual(['applied_unverified:no_verification', 'deduped:deduped']);
    const reader = openJournalReader(k.dataDir);
    expect(reader.receipt(k.receipts[0]?.receipt_id ?? '')?.outcome).toBe('unknown');
    expect(reader.story(k.receipts[0]?.receipt_id ?? '')?.others.map(({ type }) => type)).toContain('correction/1');
    expect(reader.verify()).toMatchObject({ kind: 'proved' });
    reader.close();
    const next = await again(k);
    await next.propose([pulse('B', { occurrence: 'ev=ticket-1' })]);
    expect(said(next)).toEqual(['deduped:deduped']);
    await next.close();
  });

  it('that a person found to have happened keeps its key', async () => {
    const k = await unknown();
    await correcting(k, true);
    await k.propose([pulse('B', { occurrence: 'ev=ticket-1' })]);
    await k.propose([pulse('B', { occurrence: 'ev=ticket-2' })]);
    expect(said(k).slice(1)).toEqual(['deduped:deduped', 'applied_unverified:no_verification']);
  });

  it('that a person found not to have happened is free also when it is an episode’s, and after a restart', async () => {
    const device = failing('ignore_in_silence');
    device.onWrite = () => void device.unreadable.add('setpoint');
    const k = kernel({ device });
    await k.propose([setpoint('412', 21)]);
    expect(said(k)).toEqual(['unknown:unknown']);
    await correcting(k, false);
    device.unreadable.clear();
    device.onWrite = () => undefined;
    device.behaviours = ['obey'];
    const next = await again(k);
    await next.propose([setpoint('412', 21)]);
    expect(said(next)).toEqual(['applied:verified']);
    expect(next.receipts[0]?.idempotency_key).toBe('comfort:zone:412:setpoint@ep=1#1');
    await next.close();
    const reader = openJournalReader(k.dataDir);
    expect(reader.verify()).toMatchObject({ kind: 'proved' });
    reader.close();
  });

  it('is corrected once, by its receipt, and nothing else is', async () => {
    const k = await unknown();
    await k.propose([setpoint('412', 21)]);
    await expect(correcting(k, true, k.receipts[1]?.receipt_id)).rejects.toThrow(
      'is applied: only what nobody can tell',
    );
    expect(await correcting(k, true, 'rc_0000zzzz')).toBeNull();
    await correcting(k, true);
    await expect(correcting(k, false)).rejects.toThrow('has been corrected already');
  });
});
