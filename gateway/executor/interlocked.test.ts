import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';

const rule = (zone: string, constraints: string): string =>
  `  - { id: zone-${zone}, match: { capability: hvac.setpoint, entity: 'zone:${zone}' }, decision: ALLOW, constraints: { ${constraints} } }\n`;
const policy = (...rules: readonly string[]): string => `version: 1\nrules:\n${rules.join('')}`;

/** Every zone at 17 but for 413, and known to be. */
function kernel(text: string, cool = 17): Kernel {
  const device = new FakeDevice();
  const k = startKernel({ dataDir: scratchDir(), policy: text, device });
  onTestFinished(() => k.close());
  for (const [zone, value] of [
    ['412', 17],
    ['413', cool],
    ['414', 17],
  ] as const) {
    device.values.set(`fcu-${zone}/setpoint`, value);
    k.say(`fcu-${zone}`, 'setpoint', value);
  }
  return k;
}

/** Both proposed in one turn, by runs of their own. */
async function atOnce(k: Kernel, ...actions: readonly unknown[]): Promise<readonly string[]> {
  const works = actions.map((action) => k.executor.submit(k.proposal([action])));
  const ends = await k.clock.until(Promise.all(works));
  return ends.flatMap(({ receipts }) => receipts.map((one) => `${one.outcome}:${one.reason_code}`));
}

describe('outputs that look at each other (G-SF-1, row 80)', () => {
  it('never start together: what each needs the other to be is looked at while nothing moves it', async () => {
    const alone = (other: string): string =>
      `interlocks: [{ point: 'zone:${other}/setpoint', must_be: 17, max_age: 1h }]`;
    const k = kernel(policy(rule('412', alone('413')), rule('413', alone('412'))));
    const ends = await atOnce(k, setpoint('412', 22), setpoint('413', 22));
    expect(ends).toEqual(['applied:verified', 'blocked:interlock_tripped']);
    expect(k.device.writes.map(({ device }) => device)).toEqual(['fcu-412']);
  });

  it('keep their gap, though each alone would keep it (row 76)', async () => {
    const pair = 'pair: { heat: zone:412/setpoint, cool: zone:413/setpoint, min_gap: 2 }';
    const k = kernel(policy(rule('412', pair), rule('413', pair)), 25);
    const ends = await atOnce(k, setpoint('412', 22), setpoint('413', 23));
    expect(ends).toEqual(['applied:verified', 'blocked:pair_crossed']);
  });

  it('also where only one of them has the rule', async () => {
    const k = kernel(
      policy(rule('412', "interlocks: [{ point: 'zone:413/setpoint', must_be: 17, max_age: 1h }]"), rule('413', '')),
    );
    expect(await atOnce(k, setpoint('413', 22), setpoint('412', 22))).toEqual([
      'applied:verified',
      'blocked:interlock_tripped',
    ]);
  });

  it('do not keep each other from going back: a release waits for what it moves, and for nothing else', async () => {
    const looks = "interlocks: [{ point: 'zone:413/setpoint', must_be: 17, max_age: 1h }]";
    const lent = 'lease: { ttl: 1m, fallback: baseline }';
    const k = kernel(policy(rule('412', `${looks}, ${lent}`), rule('413', '')));
    expect(await atOnce(k, setpoint('412', 22))).toEqual(['applied:verified']);
    // Nobody can say what becomes of this one, for minutes.
    k.device.behaviours = ['ignore_in_silence', 'obey'];
    const stuck = k.executor.submit(k.proposal([setpoint('413', 22)]));
    const { promise, resolve } = Promise.withResolvers<void>();
    k.device.reset = () => promise;
    await k.clock.advance(62_000);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(17);
    resolve();
    await k.clock.until(stuck);
  });

  it.each([
    ['sensor', 'temperature'],
    ['output of ours', 'setpoint'],
  ])('do not wait for others that look at the same %s', async (_, point) => {
    const looks = `interlocks: [{ point: 'zone:414/${point}', must_be: 17, max_age: 1h }]`;
    const k = kernel(policy(rule('412', looks), rule('413', looks), rule('414', '')));
    k.say('fcu-414', point, 17);
    k.device.behaviours = ['ignore_in_silence', 'obey'];
    const stuck = k.executor.submit(k.proposal([setpoint('412', 22)]));
    await k.clock.advance(100);
    const [receipt] = await k.propose([setpoint('413', 22)]);
    expect([receipt?.outcome, k.receipts.length]).toEqual(['applied', 1]);
    await k.clock.until(stuck);
  });

  it('are not known by what was read before they were written: what nobody read back is uncertain until it is heard of', async () => {
    const alone = "interlocks: [{ point: 'zone:413/setpoint', must_be: 17, max_age: 1h }]";
    const k = kernel(policy(rule('412', alone), rule('413', '')));
    k.device.onWrite = ({ device }) => void (device === 'fcu-413' && k.device.unreadable.add('setpoint'));
    expect((await k.propose([setpoint('413', 22)]))[0]?.outcome).toBe('applied_unverified');
    k.device.unreadable.clear();
    const [blocked] = await k.propose([setpoint('412', 22)]);
    expect(blocked).toMatchObject({
      reason_code: 'interlock_tripped',
      reason: expect.stringContaining('zone:413/setpoint is uncertain'),
    });
    await k.clock.advance(1_000);
    k.say('fcu-413', 'setpoint', 17);
    expect((await k.propose([setpoint('412', 22)]))[0]?.outcome).toBe('applied');
  });

  it('are not taken back because one of them was written and not read for a moment', async () => {
    const looks = "interlocks: [{ point: 'zone:413/setpoint', must_be: 17, max_age: 1h }]";
    const k = kernel(policy(rule('412', `${looks}, lease: { ttl: 30m, fallback: baseline }`), rule('413', '')));
    expect(await atOnce(k, setpoint('412', 22))).toEqual(['applied:verified']);
    k.device.onWrite = ({ device }) => void (device === 'fcu-413' && k.device.unreadable.add('setpoint'));
    expect((await k.propose([setpoint('413', 18)]))[0]?.outcome).toBe('applied_unverified');
    k.say('fcu-412', 'setpoint', 22);
    await k.clock.advance(60_000);
    k.device.unreadable.clear();
    expect(k.executor.control.leases()).toMatchObject([{ state: 'active' }]);
    // What is heard of it does take it back.
    k.say('fcu-413', 'setpoint', 18);
    await k.clock.advance(10_000);
    expect([k.executor.control.leases(), k.device.values.get('fcu-412/setpoint')]).toEqual([[], 17]);
  });
});
