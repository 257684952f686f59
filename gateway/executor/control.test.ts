import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { SITE } from '../../test/simulate/site.ts';
import { createBindings } from '../bindings.ts';
import { idAt } from '../journal/entries.ts';
import { Projection } from '../journal/projection.ts';
import { openJournalReader } from '../journal/reader.ts';
import { JOURNAL_FILE } from '../journal/schema.ts';
import { rowsAfter } from '../journal/store.ts';

const ZONES = ['412', '413', '414'];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** One rule for setpoints with these constraints; pulses are allowed. */
const ruled = (constraints: string): string => `version: 1
allow: [gate.pulse]
rules:
  - { id: setpoints, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { ${constraints} } }
`;
const LEASED = ruled('lease: { ttl: 45m, renew: true, max_hold: 2h, fallback: relinquish }');
const WATCHED = ruled('lease: { ttl: 45m, renew: true, max_hold: 4h, fallback: baseline }, override: { hold: 2h }');

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const made = doomed(options);
  onTestFinished(() => made.close());
  return made;
}

/** One that is left as a killed process leaves it: never stopped. */
function doomed(options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ZONES)
    if (!device.values.has(`fcu-${zone}/setpoint`)) device.values.set(`fcu-${zone}/setpoint`, 17);
  device.values.set('gate-A/counter', 7);
  return startKernel({ dataDir: scratchDir(), policy: LEASED, ...options, device });
}

const at = (k: Kernel, zone = '412') => k.device.values.get(`fcu-${zone}/setpoint`);
const outcomes = (receipts: readonly { outcome: string; reason_code: string | null }[]) =>
  receipts.map((r) => `${r.outcome}:${r.reason_code}`);
const proved = (k: Kernel) => {
  const reader = openJournalReader(k.dataDir);
  onTestFinished(() => reader.close());
  return reader.verify();
};

/** As if the power had failed and come back after `downMs`: the same devices and folder, another boot. */
async function restart(k: Kernel, downMs: number, options: Partial<KernelOptions> = {}): Promise<Kernel> {
  await k.close();
  const { dataDir, device, clock } = k;
  return kernel({ dataDir, device, clock: new VirtualClock(clock.wallMs() + downMs), bootId: 'boot-2', ...options });
}

describe('a lease', () => {
  it('stands on the receipt, and K2 its way back stands in the intent', async () => {
    const k = kernel();
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt?.lease).toEqual({
      id: expect.stringMatching(/^ls_/),
      ttl_s: 2_700,
      fallback: 'relinquish',
      state: 'active',
    });
    expect(k.executor.control.leases()).toMatchObject([
      {
        id: receipt?.lease?.id,
        state: 'active',
        goes_to: [{ point: 'setpoint', value: 17 }],
        receipt_id: receipt?.receipt_id,
      },
    ]);
  });

  it('is not there when no rule asks for one', async () => {
    const k = kernel({ policy: 'version: 1\nallow: [hvac.setpoint]\n' });
    expect(await k.propose([setpoint('412', 21.5)])).toMatchObject([{ outcome: 'applied', lease: null }]);
    await k.clock.advance(24 * HOUR);
    expect(at(k)).toBe(21.5);
  });

  it('K4 ends by itself: what was there before is back, with a plan, an intent and a receipt of its own', async () => {
    const k = kernel();
    const [leased] = await k.propose([setpoint('412', 21.5)]);
    await k.clock.advance(44 * MINUTE);
    expect(at(k)).toBe(21.5);
    await k.clock.advance(2 * MINUTE);
    expect(at(k)).toBe(17);
    expect(k.receipts.at(-1)).toMatchObject({
      outcome: 'applied',
      capability: 'hvac.setpoint',
      operator: 'comfort',
      policy: { decision: 'allow', rule: 'setpoints' },
      baseline: [{ point: 'setpoint', value: 21.5 }],
      target: [{ point: 'setpoint', value: 17 }],
      lease: { id: leased?.lease?.id, state: 'released' },
      refers_to: [leased?.receipt_id],
      reasoning: expect.stringContaining('its time is over'),
    });
    expect(k.announced.map((event) => event.event_type)).toEqual(['lease.ending']);
    expect(k.executor.control.leases()).toEqual([]);
    expect(proved(k)).toMatchObject({ kind: 'proved', open_intents: 0 });
  });

  it('goes back to a value where the rule names one', async () => {
    const k = kernel({ policy: ruled('lease: { ttl: 45m, fallback: { value: 19 } }') });
    await k.propose([setpoint('412', 21.5)]);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(19);
  });

  it('closes its episode: the same wish after it is another occasion', async () => {
    const k = kernel();
    const [first] = await k.propose([setpoint('412', 21.5)]);
    await k.clock.advance(HOUR);
    const [second] = await k.propose([setpoint('412', 21.5)]);
    expect([first, second].map((r) => r?.idempotency_key?.split('@')[1])).toEqual(['ep=1#1', 'ep=2#1']);
    expect(second?.outcome).toBe('applied');
  });

  it('is renewed by the same wish, without a write, and never beyond max_hold', async () => {
    const k = kernel();
    const [first] = await k.propose([setpoint('412', 21.5)]);
    for (let minutes = 30; minutes < 120; minutes += 30) {
      await k.clock.advance(30 * MINUTE);
      const [again] = await k.propose([setpoint('412', 21.5)]);
      expect(again).toMatchObject({
        outcome: 'renewed',
        lease: { id: first?.lease?.id, state: 'active' },
        readback: [{ point: 'setpoint', value: 21.5 }],
        refers_to: [first?.receipt_id],
      });
    }
    expect(k.device.writes).toHaveLength(1);
    await k.clock.advance(31 * MINUTE);
    expect(at(k)).toBe(17);
    expect(k.receipts.at(-1)).toMatchObject({ outcome: 'applied', lease: { state: 'released' } });
  });

  it('is not renewed where the rule says so', async () => {
    const k = kernel({ policy: ruled('lease: { ttl: 45m, renew: false, fallback: baseline }') });
    await k.propose([setpoint('412', 21.5)]);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['deduped:deduped']);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('keeps its first baseline through changes of mind', async () => {
    const k = kernel();
    const ids = [];
    for (const celsius of [21.5, 20, 22]) ids.push((await k.propose([setpoint('412', celsius)]))[0]?.lease?.id);
    expect(new Set(ids).size).toBe(1);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('passes its baseline on to another occasion that writes over it', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    await k.propose([setpoint('412', 20, { occurrence: 'ev=BK-7741' })]);
    expect(k.executor.control.leases()).toHaveLength(1);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(17);
    expect(k.receipts.filter((r) => r.lease?.state === 'released')).toHaveLength(1);
  });

  it('is refused where there is no way back', async () => {
    const k = kernel({ policy: LEASED, unsolicited: true });
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:no_baseline']);
    const all = kernel({
      policy: `version: 1\nrules: [{ id: r, match: { capability: gate.pulse }, decision: ALLOW, constraints: { lease: { ttl: 1m, fallback: baseline } } }]\n`,
    });
    expect(outcomes(await all.propose([pulse('A')]))).toEqual(['blocked:lease_unknown']);
    expect([...k.device.writes, ...all.device.writes]).toEqual([]);
  });

  it('that another operator holds is not written over', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    const other = { operator: { name: 'floor', uid: 'floor', version: 'local' } };
    expect(outcomes(await k.propose([setpoint('412', 20)], other))).toEqual(['blocked:leased']);
    // Its wish once more, because a person said yes to what its basis had changed to.
    const approved = { ...other, proposed_by: 'person:anna' } as const;
    expect(outcomes(await k.propose([setpoint('412', 20)], approved))).toEqual(['blocked:leased']);
    const person = { ...approved, operator: { name: 'person', uid: 'person', version: 'local' } };
    expect(outcomes(await k.propose([setpoint('412', 20)], person))).toEqual(['applied:verified']);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('K2 that others hold under another name of the same output is not taken over: nobody knows its way back', async () => {
    const device = new FakeDevice();
    for (const id of ['fcu-415', 'panel-415']) device.values.set(`${id}/setpoint`, 17);
    const policy = ruled('lease: { ttl: 45m, fallback: baseline }, authority: { preempt: [comfort] }');
    const k = kernel({ device, policy, parts: { bindings: createBindings(SITE) } });
    await k.propose([setpoint('415', 21.5)]);
    await k.clock.advance(2 * MINUTE);
    const other = { operator: { name: 'floor', uid: 'floor', version: 'local' } };
    expect(outcomes(await k.propose([setpoint('415-panel', 20)], other))).toEqual(['blocked:no_baseline']);
  });

  it('of another operator gives way where the rule says so, after its grace', async () => {
    const k = kernel({ policy: ruled('lease: { ttl: 45m, fallback: baseline }, authority: { preempt: [comfort] }') });
    await k.propose([setpoint('412', 21.5)]);
    const other = { operator: { name: 'floor', uid: 'floor', version: 'local' } };
    expect(outcomes(await k.propose([setpoint('412', 20)], other))).toEqual(['blocked:held_by_other']);
    await k.clock.advance(MINUTE);
    const [winner] = await k.propose([setpoint('412', 20)], other);
    expect(winner).toMatchObject({ outcome: 'applied', refers_to: [k.receipts[0]?.receipt_id] });
  });

  it('ends with the windows of its rule', async () => {
    // 10:00 in Stockholm when the test begins.
    const windows = 'windows: [{ tz: site, from: "06:00", to: "10:20" }]';
    const k = kernel({ policy: ruled(`lease: { ttl: 45m, fallback: baseline }, ${windows}`) });
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt?.lease?.ttl_s).toBe(1_200);
    await k.clock.advance(21 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('is not renewed without evidence, and ends in time (row 75)', async () => {
    const k = kernel({
      policy: ruled(
        'lease: { ttl: 45m, renew: true, fallback: baseline }, evidence: [{ point: "zone:{id}/temperature", max_age: 5m }]',
      ),
    });
    k.say('fcu-412', 'temperature', 20);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
    await k.clock.advance(30 * MINUTE);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:stale_or_bad']);
    await k.clock.advance(16 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('does not outlast a crash between its intent and its outcome', async () => {
    const k = doomed();
    k.device.onWrite = () => new Promise(() => undefined);
    void k.executor.submit(k.proposal([setpoint('412', 21.5)])).catch(() => undefined);
    await k.clock.advance(1_000);
    k.device.values.set('fcu-412/setpoint', 21.5);
    k.journal.close();
    const { dataDir, device } = k;
    device.onWrite = () => undefined;
    const later = new VirtualClock(k.clock.wallMs() + MINUTE);
    const second = kernel({ dataDir, device, clock: later, bootId: 'boot-2' });
    await second.clock.advance(MINUTE);
    expect(second.receipts).toMatchObject([
      { outcome: 'applied', reason_code: 'inferred_by_readback', lease: { state: 'active' } },
    ]);
    await second.clock.advance(45 * MINUTE);
    expect(at(second)).toBe(17);
  });
});

describe('the state of leases, holds and the stop', () => {
  it('follows from the rows, to the byte (G-J-1)', async () => {
    const k = kernel({ policy: WATCHED });
    for (const zone of ZONES) await k.propose([setpoint(zone, 21.5)]);
    k.device.values.set('fcu-413/setpoint', 23);
    k.say('fcu-413', 'setpoint', 23);
    await k.clock.advance(30 * MINUTE);
    await k.propose([setpoint('412', 21.5)]);
    await k.clock.advance(20 * MINUTE);
    await k.executor.control.stopAll({ who: 'duty-engineer', reason: null, release: false });
    const { projection } = k.journal;
    expect([projection.leases, projection.holds, projection.stops].map(({ rows }) => rows.size)).toEqual([1, 1, 1]);
    const again = new Projection();
    const db = new Database(join(k.dataDir, JOURNAL_FILE), { readonly: true });
    onTestFinished(() => void db.close());
    for (const { row } of rowsAfter(db, 0)) again.apply(row, idAt('rc', row.seq));
    const bytes = ({ tables }: Projection) =>
      tables.map((table) =>
        [...table.rows.keys()].toSorted().map((key) => `${table.name} ${key} ${table.encoded(key)}`),
      );
    expect(bytes(again)).toEqual(bytes(projection));
  });
});

describe('a leased write whose outcome nobody can read', () => {
  it.each([
    ['a minute, with a lease of that long', '1m', MINUTE],
    ['five, with a longer one', '45m', 5 * MINUTE],
  ])('is settled as unknown within %s, and then taken back like any other', async (_, ttl, within) => {
    const k = kernel({ policy: ruled(`lease: { ttl: ${ttl}, fallback: baseline }`) });
    k.device.behaviours = ['obey_in_silence', 'obey'];
    k.device.onWrite = () => void k.device.unreadable.add('setpoint');
    const work = k.executor.submit(k.proposal([setpoint('412', 21.5)]));
    await k.clock.advance(within / 2);
    expect(k.receipts).toEqual([]);
    await k.clock.advance(within / 2 + 31_000);
    expect(outcomes((await work).receipts)).toEqual(['unknown:unknown']);
    k.device.onWrite = () => undefined;
    k.device.unreadable.clear();
    await k.clock.advance(HOUR);
    expect(at(k)).toBe(17);
  });
});

describe('a release', () => {
  it('that fails for three days is tried until it comes through, and reads first (row 81)', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    k.device.unreadable.add('setpoint');
    await k.clock.advance(72 * HOUR);
    expect(k.executor.control.leases()).toMatchObject([
      { state: 'release_failed', problem: expect.stringContaining('fcu-412/setpoint') },
    ]);
    // The lane is held only while it tries: others on the device are told what they wait for.
    expect(outcomes(await k.propose([setpoint('412', 22)]))).toEqual(['blocked:release_pending']);
    k.device.unreadable.clear();
    await k.clock.advance(11 * MINUTE);
    expect(at(k)).toBe(17);
    expect(k.receipts.at(-1)).toMatchObject({ outcome: 'applied', lease: { state: 'released' } });
  });

  it('that the device refuses leaves the lease there and is tried again', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    k.device.behaviours = ['refuse', 'refuse', 'obey'];
    await k.clock.advance(46 * MINUTE);
    const ends = k.receipts.slice(1);
    expect(outcomes(ends)).toEqual(['failed:illegal_value', 'failed:illegal_value', 'applied:verified']);
    expect(ends.map((r) => r.lease?.state)).toEqual(['release_failed', 'release_failed', 'released']);
    expect(new Set(ends.map((r) => r.idempotency_key)).size).toBe(3);
    expect(proved(k)).toMatchObject({ kind: 'proved' });
  });

  it('is never too late: what the device ignores at first is sent again', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    k.device.behaviours = ['ignore', 'obey'];
    await k.clock.advance(46 * MINUTE);
    expect(k.receipts.slice(1)).toMatchObject([{ outcome: 'applied', attempt: 2, lease: { state: 'released' } }]);
  });

  it('needs no write when the device is back already', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    k.device.values.set('fcu-412/setpoint', 17);
    await k.clock.advance(46 * MINUTE);
    expect(k.device.writes).toHaveLength(1);
    expect(k.receipts.at(-1)).toMatchObject({ outcome: 'noop', lease: { state: 'released' } });
  });

  it('is done at once when a person asks for it, in their name', async () => {
    const k = kernel();
    const [leased] = await k.propose([setpoint('412', 21.5)]);
    const id = leased?.lease?.id ?? '';
    const report = await k.clock.until(k.executor.control.release(id, 'duty-engineer'));
    expect(report).toMatchObject({
      result: 'released',
      receipt: { proposed_by: 'person:duty-engineer', reasoning: expect.stringContaining('duty-engineer') },
    });
    expect(at(k)).toBe(17);
    expect(await k.executor.control.release(id, 'duty-engineer')).toBeNull();
  });

  it('that a crash interrupts is settled by reading, and not done twice', async () => {
    const k = doomed();
    await k.propose([setpoint('412', 21.5)]);
    k.device.onWrite = () => new Promise(() => undefined);
    await k.clock.advance(46 * MINUTE);
    k.device.values.set('fcu-412/setpoint', 17);
    k.journal.close();
    k.device.onWrite = () => undefined;
    const { dataDir, device } = k;
    const second = kernel({ dataDir, device, clock: new VirtualClock(k.clock.wallMs() + MINUTE), bootId: 'boot-2' });
    await second.clock.advance(MINUTE);
    expect(second.receipts).toMatchObject([{ outcome: 'applied', lease: { state: 'released' } }]);
    expect(k.device.writes).toHaveLength(2);
    expect(second.executor.control.leases()).toEqual([]);
  });
});

describe('equipment that was just started or stopped', () => {
  const RESTING = ruled(
    'lease: { ttl: 45m, fallback: baseline }, min_on_off: { on: 10m, off: 5m, point: "zone:{id}/running" }',
  );

  it('is not toggled, nor by a release (row 79)', async () => {
    const k = kernel({ policy: RESTING });
    k.say('fcu-412', 'running', true);
    await k.clock.advance(9 * MINUTE);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:min_on']);
    await k.clock.advance(MINUTE);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
    await k.clock.advance(44 * MINUTE);
    k.say('fcu-412', 'running', false);
    await k.clock.advance(5 * MINUTE);
    expect(at(k)).toBe(21.5);
    await k.clock.advance(11 * MINUTE);
    expect(at(k)).toBe(17);
  });

  it('waits the whole time again after a restart (row 79)', async () => {
    const k = kernel({ policy: RESTING });
    k.say('fcu-412', 'running', false);
    const second = await restart(k, HOUR, { policy: RESTING });
    second.say('fcu-412', 'running', false);
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['blocked:min_off']);
    await second.clock.advance(5 * MINUTE);
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
  });
});

describe('after a restart', () => {
  it('K4 what has ended meanwhile is released one after the other, and a hand is respected (row 56)', async () => {
    const k = kernel({ policy: WATCHED });
    for (const zone of ZONES) await k.propose([setpoint(zone, 21.5)]);
    k.device.values.set('fcu-413/setpoint', 23);
    const second = await restart(k, 2 * HOUR, { policy: WATCHED });
    await second.clock.advance(1_000);
    expect(ZONES.map((zone) => at(second, zone))).toEqual([17, 23, 21.5]);
    await second.clock.advance(15_000);
    expect(ZONES.map((zone) => at(second, zone))).toEqual([17, 23, 17]);
    expect(second.executor.control.leases()).toMatchObject([{ state: 'yielded', device: 'fcu-413' }]);
  });

  it('what has not ended goes on with the time that is left', async () => {
    const second = await restart(await leasedKernel(), 30 * MINUTE);
    await second.clock.advance(14 * MINUTE);
    expect(at(second)).toBe(21.5);
    await second.clock.advance(2 * MINUTE);
    expect(at(second)).toBe(17);
  });

  it('a lease whose age cannot be told has ended: the clock went back (row 91, G-CL-5)', async () => {
    const k = await leasedKernel();
    await k.clock.advance(30 * MINUTE);
    await k.propose([setpoint('413', 20)]);
    const second = await restart(k, -20 * MINUTE);
    await second.clock.advance(10_000);
    expect([at(second, '412'), at(second, '413')]).toEqual([17, 17]);
  });

  it('twice in a row, nothing is released twice', async () => {
    const second = await restart(await leasedKernel(), 2 * HOUR);
    await second.clock.advance(10_000);
    const third = await restart(second, HOUR, { bootId: 'boot-3' });
    await third.clock.advance(10_000);
    expect(third.device.writes).toHaveLength(2);
    expect(third.receipts).toEqual([]);
  });

  async function leasedKernel(): Promise<Kernel> {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    return k;
  }
});

describe('a hand on the device', () => {
  const turned = async (k: Kernel): Promise<void> => {
    k.device.values.set('fcu-412/setpoint', 23);
    k.say('fcu-412', 'setpoint', 23);
    await k.clock.advance(1_000);
  };

  it('K3 during an episode is left alone: it yields, holds, and is not written over, not even by the release (row 77)', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    await turned(k);
    expect(k.announced.at(-1)).toMatchObject({
      event_type: 'device.overridden',
      payload: { device: 'fcu-412', seen: 'readings' },
    });
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:manual_override']);
    await k.clock.advance(HOUR);
    expect(at(k)).toBe(23);
    expect(k.device.writes).toHaveLength(1);
    await k.clock.advance(61 * MINUTE);
    expect(await k.propose([setpoint('412', 21.5)])).toMatchObject([{ outcome: 'applied', baseline: [{ value: 23 }] }]);
  });

  it('is found by the release when nothing was heard of it', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    k.device.values.set('fcu-412/setpoint', 23);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(23);
    expect(k.executor.control.leases()).toMatchObject([{ state: 'yielded' }]);
  });

  it('is found at the head of the lane, by two reads', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    k.device.values.set('fcu-412/setpoint', 23);
    expect(outcomes(await k.propose([setpoint('412', 20)]))).toEqual(['blocked:manual_override']);
    expect(k.device.writes).toHaveLength(1);
  });

  it('is not taken for one when the value was there only once', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    k.say('fcu-412', 'setpoint', 23);
    await k.clock.advance(1_000);
    expect(k.executor.control.leases()).toMatchObject([{ state: 'active' }]);
  });

  it('is not looked out for without a rule; the release is not written over it all the same', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    await turned(k);
    await k.clock.advance(46 * MINUTE);
    expect(at(k)).toBe(23);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
  });

  it('is left alone after a restart, too', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    await turned(k);
    const second = await restart(k, HOUR, { policy: WATCHED });
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['blocked:manual_override']);
    await second.clock.advance(61 * MINUTE);
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
  });

  it('is no longer left alone when a person says so', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    await turned(k);
    const [hold] = k.executor.control.leases();
    expect(await k.executor.control.release(hold?.id ?? '', 'duty-engineer')).toMatchObject({ result: 'hold_ended' });
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
  });

  it('that the device reports by itself counts at once', async () => {
    const k = kernel({ policy: WATCHED });
    await k.propose([setpoint('412', 21.5)]);
    const read = k.device.read.bind(k.device);
    k.device.read = async (refs) => (await read(refs)).map((r) => ({ ...r, quality_reason: 'local_override' }));
    k.say('fcu-412', 'setpoint', 21.5, { quality_reason: 'local_override' });
    await k.clock.advance(1_000);
    expect(k.executor.control.leases()).toMatchObject([{ state: 'yielded' }]);
    expect(outcomes(await k.propose([setpoint('412', 22)]))).toEqual(['blocked:manual_override']);
  });

  it('is respected by a rule that asks for it without a lease', async () => {
    const k = kernel({ policy: ruled('override: { hold: 2h }') });
    expect(await k.propose([setpoint('412', 21.5)])).toMatchObject([{ outcome: 'applied', lease: null }]);
    await turned(k);
    expect(outcomes(await k.propose([setpoint('412', 20)]))).toEqual(['blocked:manual_override']);
    expect(at(k)).toBe(23);
  });
});

describe('an interlock', () => {
  const LOCKED = ruled(
    'lease: { ttl: 45m, renew: true, fallback: baseline }, interlocks: [{ point: "zone:{id}/window", must_be: false, max_age: 2m }]',
  );

  it('K5 that trips during a lease takes it back at once (row 80)', async () => {
    const k = kernel({ policy: LOCKED });
    k.say('fcu-412', 'window', false);
    await k.propose([setpoint('412', 21.5)]);
    await k.clock.advance(MINUTE);
    k.say('fcu-412', 'window', true);
    await k.clock.advance(1_000);
    expect(at(k)).toBe(17);
    expect(k.receipts.at(-1)).toMatchObject({
      lease: { state: 'released' },
      reasoning: expect.stringContaining('zone:412/window is true'),
    });
  });

  it('K5 that falls silent has tripped; one that is heard of goes on', async () => {
    const k = kernel({ policy: LOCKED });
    k.say('fcu-412', 'window', false);
    await k.propose([setpoint('412', 21.5)]);
    for (let i = 0; i < 5; i++) {
      await k.clock.advance(MINUTE);
      k.say('fcu-412', 'window', false);
    }
    expect(at(k)).toBe(21.5);
    await k.clock.advance(2 * MINUTE + 1_000);
    expect(at(k)).toBe(17);
  });

  it('that trips between the decision and the send stops it (row 80)', async () => {
    const k = kernel({ policy: LOCKED });
    k.say('fcu-412', 'window', false);
    const write = k.device.write.bind(k.device);
    k.device.write = (command) => {
      k.say('fcu-412', 'window', true);
      return write(command);
    };
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:interlock_tripped']);
    expect(k.device.writes).toHaveLength(0);
  });

  it('that has tripped lets a release only go towards the baseline', async () => {
    const k = kernel({ policy: LOCKED.replace('fallback: baseline', 'fallback: { value: 24 }') });
    k.say('fcu-412', 'window', false);
    await k.propose([setpoint('412', 21.5)]);
    k.say('fcu-412', 'window', true);
    await k.clock.advance(1_000);
    expect(at(k)).toBe(17);
  });
});

describe('the stop', () => {
  const order = { who: 'duty-engineer', reason: 'smoke', release: false };

  it('K1 sends nothing new; what is in flight is settled, what waits is blocked (row 83)', async () => {
    const k = kernel({ policy: 'version: 1\nallow: [hvac.setpoint]\n' });
    let arrived = 0;
    const gate = Promise.withResolvers<void>();
    k.device.onWrite = () => {
      arrived++;
      return gate.promise;
    };
    const proposals = ZONES.flatMap((zone) =>
      [20, 20.5, 21, 21.5, 22, 22.5, 23].map((celsius) => setpoint(zone, celsius)),
    );
    const work = proposals.slice(0, 20).map((one) => k.executor.submit(k.proposal([one])));
    await k.clock.advance(50);
    expect(arrived).toBe(3);
    const stopped = k.executor.control.stopAll(order);
    const [late] = (await k.clock.until(k.executor.submit(k.proposal([setpoint('412', 18)])))).receipts;
    expect(late).toMatchObject({
      outcome: 'blocked',
      reason_code: 'emergency_stop',
      reason: expect.stringContaining('duty-engineer'),
    });
    await stopped;
    gate.resolve();
    const all = (await k.clock.until(Promise.all(work))).flatMap(({ receipts }) => receipts);
    expect(all.filter((r) => r.outcome === 'applied')).toHaveLength(3);
    expect(outcomes(all.filter((r) => r.outcome !== 'applied'))).toEqual(Array(17).fill('blocked:emergency_stop'));
    expect(k.device.writes).toHaveLength(3);
  });

  it('K1 holds back what was decided and not sent yet', async () => {
    const k = kernel();
    const write = k.device.write.bind(k.device);
    k.device.write = (command) => {
      void k.executor.control.stopAll(order);
      return write(command);
    };
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:emergency_stop']);
    expect(k.device.writes).toHaveLength(0);
    expect(proved(k)).toMatchObject({ kind: 'proved', open_intents: 0 });
  });

  it('K1 outlives the process, until a named person clears it', async () => {
    const k = kernel();
    await k.executor.control.stopAll(order);
    const second = await restart(k, MINUTE);
    expect(second.executor.control.stop).toMatchObject({ who: 'duty-engineer', reason: 'smoke' });
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['blocked:emergency_stop']);
    await second.executor.control.clearStop('site-lead');
    expect(second.executor.control.stop).toBeNull();
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
    await expect(second.executor.control.clearStop('site-lead')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('leaves leases as they are, and those that end meanwhile wait for it to be cleared', async () => {
    const k = kernel();
    const [leased] = await k.propose([setpoint('412', 21.5)]);
    await k.executor.control.stopAll(order);
    await expect(k.executor.control.release(leased?.lease?.id ?? '', 'duty-engineer')).rejects.toMatchObject({
      code: 'conflict',
    });
    await k.clock.advance(2 * HOUR);
    expect(at(k)).toBe(21.5);
    await k.executor.control.clearStop('duty-engineer');
    await k.clock.advance(10_000);
    expect(at(k)).toBe(17);
  });

  it('takes every lease back when asked to, one after the other', async () => {
    const k = kernel();
    for (const zone of ZONES) await k.propose([setpoint(zone, 21.5)]);
    const before = k.clock.monoMs();
    const times: number[] = [];
    k.device.onWrite = () => void times.push(k.clock.monoMs() - before);
    await k.executor.control.stopAll({ ...order, release: true });
    await k.clock.advance(30_000);
    expect(ZONES.map((zone) => at(k, zone))).toEqual([17, 17, 17]);
    expect(times).toEqual([0, 5_000, 10_000]);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:emergency_stop']);
  });
});

describe('in the end', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constant('propose' as const), celsius: fc.constantFrom(20, 20.5, 21) }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('wait' as const), minutes: fc.constantFrom(1, 10, 40) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('turn' as const), celsius: fc.constantFrom(18.3, 23.7) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant('write' as const),
        how: fc.constantFrom('obey_in_silence' as const, 'ignore_in_silence' as const, 'refuse' as const),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ op: 'unplug' as const }) },
    { weight: 1, arbitrary: fc.constant({ op: 'restart' as const }) },
    { weight: 1, arbitrary: fc.constant({ op: 'stop' as const }) },
  );
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  async function take(k: Kernel, one: Step, boot: number, policy: string): Promise<Kernel> {
    switch (one.op) {
      case 'propose':
        await k.propose([setpoint('412', one.celsius)]);
        return k;
      case 'wait':
        k.device.unreadable.clear();
        await k.clock.advance(one.minutes * MINUTE);
        return k;
      case 'turn':
        k.device.values.set('fcu-412/setpoint', one.celsius);
        if (one.celsius > 20) k.say('fcu-412', 'setpoint', one.celsius);
        return k;
      case 'write':
        k.device.behaviours = [one.how, 'obey'];
        return k;
      case 'unplug':
        k.device.unreadable.add('setpoint');
        await k.clock.advance(MINUTE);
        return k;
      case 'stop':
        await k.executor.control.stopAll({ who: 'duty-engineer', reason: null, release: false });
        await k.clock.advance(MINUTE);
        await k.executor.control.clearStop('duty-engineer');
        return k;
      case 'restart': {
        await k.clock.until(k.close());
        const { dataDir, device } = k;
        const clock = new VirtualClock(k.clock.wallMs() + MINUTE);
        return doomed({ dataDir, device, clock, bootId: `boot-${boot}`, policy });
      }
    }
  }

  it('K3 K4 every lease is over, and the device is where the last hand left it, whatever happened', async () => {
    const policy = ruled('lease: { ttl: 30m, renew: true, fallback: baseline }, override: { hold: 20m }');
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      let k = doomed({ dataDir: scratchDir(), policy });
      let hand = 17;
      for (const [i, one] of steps.entries()) {
        k = await take(k, one, i + 2, policy);
        if (one.op === 'turn') hand = one.celsius;
      }
      k.device.unreadable.clear();
      k.device.behaviours = ['obey'];
      await k.clock.advance(2 * HOUR);
      expect([at(k), k.executor.control.leases(), k.journal.projection.open.rows.size]).toEqual([hand, [], 0]);
      expect(proved(k)).toMatchObject({ kind: 'proved', open_intents: 0 });
      await k.clock.until(k.close());
    });
    await fc.assert(property, { numRuns: 40 });
  }, 120_000);
});
