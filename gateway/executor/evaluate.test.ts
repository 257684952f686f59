/** Asking what would be decided: every gate is asked, on fresh data, and nothing comes of it. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Kernel, type KernelOptions, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import type { Evaluation, Wish } from './evaluate.ts';

const RULES = `version: 1
rules:
  - id: comfort-setpoint
    match: { capability: hvac.setpoint, operator: comfort }
    decision: ALLOW
    constraints:
      range: { arg: celsius, max: 26, unit: degC }
      step: { max: 2 }
`;

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const k = startKernel({ dataDir: scratchDir(), policy: RULES, ...options });
  onTestFinished(() => k.close());
  k.device.values.set('fcu-412/setpoint', 20);
  return k;
}

function ask(k: Kernel, wish: Partial<Wish> = {}): Promise<Evaluation> {
  const operator = { name: 'comfort', uid: 'comfort', version: 'local' };
  const whole: Wish = {
    ...{ operator, requires: ['hvac.setpoint'], mode: 'live', capability: 'hvac.setpoint' },
    ...{ entity: 'zone:412', args: {}, value: 21 },
    ...wish,
  };
  return k.clock.until(k.executor.evaluate(whole));
}

describe('a question', () => {
  it('is answered with the rule that would decide and with what every rule says; nothing is sent, reserved or journaled', async () => {
    const k = kernel();
    const before = k.journal.nextSeq;
    expect(await ask(k)).toMatchObject({
      decision: 'ALLOW',
      rule: 'comfort-setpoint',
      moment: 'head',
      args: { zone: '412', celsius: 21 },
      value: 21,
      device: 'fcu-412',
      hurdles: [],
      rules: [{ rule: 'comfort-setpoint', verdict: 'permits' }],
    });
    expect(await ask(k, { value: 23 })).toMatchObject({
      decision: 'BLOCK',
      stage: 'motion',
      reason_code: 'step_exceeded',
      moment: 'head',
      explanation: expect.stringContaining('  step: FAILS, from 20 to 23'),
    });
    expect(await ask(k, { value: 27 })).toMatchObject({
      decision: 'BLOCK',
      reason_code: 'out_of_range',
      moment: 'admission',
    });
    expect([k.journal.nextSeq, k.device.writes.length]).toEqual([before, 0]);
    // What was asked about is as new as before.
    expect(await k.propose([setpoint('412', 21)])).toMatchObject([{ outcome: 'applied' }]);
  });

  it('takes arguments as they were typed, and says of a wish what makes no sense in it', async () => {
    const k = kernel();
    expect(await ask(k, { entity: null, value: null, args: { zone: '412', celsius: '21' } })).toMatchObject({
      decision: 'ALLOW',
      args: { zone: '412', celsius: 21 },
    });
    await expect(ask(k, { entity: 'gate:A' })).rejects.toMatchObject({
      code: 'invalid_parameter',
      message: 'hvac.setpoint does not act on gate:A',
    });
    await expect(ask(k, { args: { celsius: 20 } })).rejects.toMatchObject({
      message: 'hvac.setpoint has no value: name its arguments',
    });
  });

  it.for([
    ['a capability that the operator does not require', { requires: [] }, 'not_in_requires'],
    ['an entity that no device carries', { entity: 'zone:999' }, 'no_device'],
    ['arguments that are not there', { value: null }, 'bad_args'],
  ] as const)('about %s is answered as the executor would', async ([, wish, code]) => {
    expect(await ask(kernel(), wish)).toMatchObject({ decision: 'BLOCK', reason_code: code, rules: [], rule: null });
  });

  it('names what stands in the way beside the rules: a stop, a key that had its effect, a mode that does not act', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21)]);
    await k.executor.control.stopAll({ who: 'lead', reason: null, release: false });
    const { decision, hurdles } = await ask(k, { mode: 'propose_only' });
    expect([decision, hurdles.map(({ reason_code }) => reason_code)]).toEqual([
      'ALLOW',
      ['emergency_stop', 'mode_lowered', 'deduped'],
    ]);
  });

  it('names the breaker that keeps the entity shut', async () => {
    const k = kernel();
    k.device.behaviours = ['refuse'];
    for (const celsius of [20.5, 21, 21.5]) await k.propose([setpoint('412', celsius)]);
    expect((await ask(k)).hurdles).toMatchObject([{ stage: 'box', reason_code: 'breaker_open' }]);
  });

  it('has one answer where there is no policy', async () => {
    const k = kernel({ policy: null });
    expect(await ask(k)).toMatchObject({ decision: 'BLOCK', reason_code: 'no_policy', policy_hash: null, rules: [] });
  });
});
