/** What the executor gives policy to decide on, and what it does with the answer. */
import { LIMITS, type PointValue } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import type { Policy } from '@fibric/policy';
import { type Kernel, type KernelOptions, policyOf, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';

const MINUTE = 60_000;

function kernel(constraints: readonly string[], options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ['412', '413', '414'])
    if (!device.values.has(`fcu-${zone}/setpoint`)) device.values.set(`fcu-${zone}/setpoint`, 20);
  const policy = [
    'version: 1',
    'rules:',
    '  - id: comfort-setpoint',
    '    match: { capability: hvac.setpoint }',
    '    decision: ALLOW',
    '    constraints:',
    ...constraints.map((one) => `      ${one}`),
  ].join('\n');
  const made = startKernel({ dataDir: scratchDir(), policy, ...options, device });
  onTestFinished(() => made.close());
  return made;
}

/** The same data folder and devices after a restart, in a boot of its own, so much later. */
function restarted(before: Kernel, constraints: readonly string[], laterMs: number): Kernel {
  const clock = new VirtualClock(before.clock.wallMs() + laterMs);
  return kernel(constraints, { dataDir: before.dataDir, device: before.device, bootId: 'boot-2', clock });
}

/** Time that passes while something is computed. */
class JumpingClock extends VirtualClock {
  jumpedMs = 0;

  override monoMs(): number {
    return super.monoMs() + this.jumpedMs;
  }
}

/** What the zone's thermostat says of another of its points, as if it had just been polled. */
function told(k: Kernel, point: string, value: PointValue): void {
  k.points.set(`zone:412/${point}`, {
    device: 'fcu-412',
    point,
    entity_key: 'zone:412',
    value,
    unit: null,
    quality: 'good',
    quality_reason: null,
    provenance: 'live',
    observed_at: null,
    received_at: '',
    received_mono_ms: k.clock.monoMs(),
    changed_mono_ms: k.clock.monoMs(),
    change_seen: false,
  });
}

const said = (k: Kernel): string => `${k.receipts.at(-1)?.outcome}:${k.receipts.at(-1)?.reason_code}`;

describe('a clamp', () => {
  const CLAMP = 'range: { arg: celsius, min: 18, max: 22, unit: degC, on_exceed: clamp }';

  it('is what is sent, read back and counted; what was proposed stands beside it', async () => {
    const k = kernel([CLAMP, 'ramp: { max: 2.5, per: 1h }']);
    const [receipt] = await k.propose([setpoint('412', 30)]);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(22);
    expect(receipt).toMatchObject({
      outcome: 'applied',
      args: { zone: '412', celsius: 30 },
      target: [{ point: 'setpoint', value: 22 }],
      effective: [{ point: 'setpoint', value: 22 }],
      policy: { decision: 'alert' },
    });
    // The journal counts the change of two kelvins that was made, not the one of ten that was asked for.
    await k.propose([setpoint('412', 21.4)]);
    expect(said(k)).toBe('blocked:ramp_exceeded');
    expect(k.receipts.at(-1)?.reason).toContain('2.6');
  });

  it('is nothing to write where the device is at the bound already', async () => {
    const k = kernel([CLAMP]);
    k.device.values.set('fcu-412/setpoint', 22);
    await k.propose([setpoint('412', 30)]);
    expect(said(k)).toBe('noop:noop');
    expect(k.receipts[0]?.target).toEqual([{ point: 'setpoint', value: 22 }]);
    expect(k.device.writes).toHaveLength(0);
  });

  it('is settled after a crash by what was sent (row 55)', async () => {
    const dataDir = scratchDir();
    const doomed = kernel([CLAMP], { dataDir });
    const sent = new Promise<void>((resolve) => {
      doomed.device.onWrite = () => resolve();
    });
    doomed.device.behaviours = ['obey_in_silence'];
    void doomed.executor.submit(doomed.proposal([setpoint('412', 30)]));
    await doomed.clock.until(sent);
    await doomed.close();
    const k = restarted(doomed, [CLAMP], MINUTE);
    await k.clock.advance(MINUTE);
    expect(said(k)).toBe('applied:inferred_by_readback');
    expect(k.receipts[0]?.target).toEqual([{ point: 'setpoint', value: 22 }]);
  });
});

describe('rationed', () => {
  const RATE = 'quantity: { per_window: { count: 2, window: 1h } }';

  it('so many in a window, and again when it has passed', async () => {
    const k = kernel([RATE]);
    for (const zone of ['412', '413', '414']) await k.propose([setpoint(zone, 21)]);
    expect(k.receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`)).toEqual([
      'applied:verified',
      'applied:verified',
      'blocked:rate_limited',
    ]);
    await k.clock.advance(60 * MINUTE);
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toBe('applied:verified');
  });

  it('in one plan as well: what is decided under a lane sees what has been sent by then', async () => {
    const k = kernel([RATE]);
    await k.propose(['412', '413', '414'].map((zone) => setpoint(zone, 21, { after: [] })));
    const codes = k.receipts.map(({ reason_code }) => reason_code);
    expect(codes.filter((code) => code === 'verified')).toHaveLength(2);
    expect(codes.filter((code) => code === 'rate_limited')).toHaveLength(1);
  });

  it('by action: an attempt more is not one more', async () => {
    const k = kernel(['quantity: { per_window: { count: 1, window: 1h } }']);
    k.device.behaviours = ['ignore', 'obey'];
    await k.propose([setpoint('412', 21)]);
    expect(k.receipts[0]).toMatchObject({ outcome: 'applied', attempt: 2 });
    await k.propose([setpoint('413', 21)]);
    expect(said(k)).toBe('blocked:rate_limited');
  });

  it('across a restart, from the receipts', async () => {
    const before = kernel([RATE]);
    for (const zone of ['412', '413']) await before.propose([setpoint(zone, 21)]);
    await before.close();
    const k = restarted(before, [RATE], 30 * MINUTE);
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toBe('blocked:rate_limited');
    await k.clock.advance(31 * MINUTE);
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toBe('applied:verified');
  });

  it('by the day, and across a restart', async () => {
    const daily = ['quantity: { max_changes_per_day: 2 }'];
    const before = kernel(daily);
    await before.propose([setpoint('412', 21)]);
    await before.propose([setpoint('412', 22)]);
    await before.close();
    const k = restarted(before, daily, 23 * 60 * MINUTE);
    await k.propose([setpoint('412', 23)]);
    expect(said(k)).toBe('blocked:max_changes_per_day');
    await k.propose([setpoint('413', 23)]);
    expect(said(k)).toBe('applied:verified');
    await k.clock.advance(61 * MINUTE);
    await k.propose([setpoint('412', 23)]);
    expect(said(k)).toBe('applied:verified');
  });
});

describe('motion', () => {
  it('ramps by what was changed, also before a restart', async () => {
    const ramp = ['ramp: { max: 3, per: 1h }'];
    const before = kernel(ramp);
    await before.propose([setpoint('412', 22)]);
    await before.close();
    const k = restarted(before, ramp, 10 * MINUTE);
    await k.propose([setpoint('412', 23.5)]);
    expect(said(k)).toBe('blocked:ramp_exceeded');
    await k.propose([setpoint('412', 23)]);
    expect(said(k)).toBe('applied:verified');
  });

  it('gives a room time to settle', async () => {
    const k = kernel(['settle: { per_kelvin: 9m, max: 30m }']);
    await k.propose([setpoint('412', 22)]);
    await k.clock.advance(17 * MINUTE);
    await k.propose([setpoint('412', 21)]);
    expect(said(k)).toBe('blocked:settling');
    await k.clock.advance(MINUTE);
    await k.propose([setpoint('412', 21)]);
    expect(said(k)).toBe('applied:verified');
  });

  it('keeps heating and cooling apart that two allowed actions would cross (row 76)', async () => {
    const k = kernel(['pair: { heat: setpoint, cool: cool_sp, min_gap: 2 }']);
    told(k, 'cool_sp', 24);
    await k.propose([setpoint('412', 22)]);
    expect(said(k)).toBe('applied:verified');
    await k.propose([setpoint('412', 22.5)]);
    expect(said(k)).toBe('blocked:pair_crossed');
  });

  it('waits the whole time for equipment that it has only just begun to see (row 79)', async () => {
    const k = kernel(['min_on_off: { on: 10m, off: 5m, point: "zone:{id}/compressor" }']);
    told(k, 'compressor', true);
    await k.clock.advance(9 * MINUTE);
    await k.propose([setpoint('412', 22)]);
    expect(said(k)).toBe('blocked:min_on');
    await k.clock.advance(MINUTE);
    await k.propose([setpoint('412', 22)]);
    expect(said(k)).toBe('applied:verified');
  });
});

describe('deciding', () => {
  it('blocks when it takes longer than it may (row 28)', async () => {
    const clock = new JumpingClock();
    const k = kernel(['evidence: [ { point: "zone:{id}/slow", max_age: 5m } ]'], { clock });
    told(k, 'slow', 21);
    const slow = k.points.get.bind(k.points);
    k.points.get = (key) => {
      if (key === 'zone:412/slow') clock.jumpedMs += LIMITS.policyMs + 1;
      return slow(key);
    };
    await k.propose([setpoint('412', 22)]);
    expect(said(k)).toBe('blocked:policy_timeout');
    expect(k.device.writes).toHaveLength(0);
  });

  it('leaves on the receipt what it was decided on', async () => {
    const k = kernel(['step: { max: 5 }', 'evidence: [ { point: "zone:{id}/co2", max_age: 5m } ]']);
    await k.propose([setpoint('412', 22)]);
    expect(k.receipts[0]?.inputs).toMatchObject({
      form: 'inputs/2',
      moment: 'head',
      missing: ['zone:412/co2'],
      admitted_in_run: 0,
      current: { value: 20, quality: 'good' },
      writes: [{ point: 'setpoint', value: 22, arg: 'celsius' }],
      changes: [],
    });
  });

  it('leaves it also where no rule spoke of it, so that another policy can be asked; not where no policy was', async () => {
    const k = kernel(['step: { max: 5 }']);
    await k.propose([pulse('A'), setpoint('999', 21)]);
    expect(k.receipts).toMatchObject([
      {
        outcome: 'blocked',
        reason_code: 'default_closed',
        inputs: { form: 'inputs/2', tool: 'gate.pulse', connector: 'fcu', effect_class: 'relative_or_pulse' },
      },
      { outcome: 'blocked', reason_code: 'no_device', inputs: null },
    ]);
  });
});

describe('a policy that is tightened while actions wait', () => {
  const rules = (...lines: readonly string[]) =>
    policyOf(
      [
        'version: 1',
        'rules:',
        '  - id: r',
        '    match: { capability: hvac.setpoint }',
        '    decision: ALLOW',
        ...lines,
      ].join('\n'),
    );

  /** A kernel whose rules are exchanged while it runs. */
  function exchangeable(first: Policy): { readonly k: Kernel; readonly use: (next: Policy | null) => void } {
    let now: Policy | null = first;
    const policies = { of: () => now, all: () => [{ policy: now }] };
    const k = kernel([], { policy: null, parts: { policies } });
    const use = (next: Policy | null): void => {
      now = next;
      k.executor.rulesChanged();
    };
    return { k, use };
  }

  it('decides at the head of the lane by the new one (row 26)', async () => {
    const { k, use } = exchangeable(rules());
    const all = Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        k.executor.submit(k.proposal([setpoint('412', 21 + i / 10)], { run_id: `run_${i}` })),
      ),
    );
    k.device.onWrite = () => use(rules('    constraints: { range: { arg: celsius, max: 20, unit: degC } }'));
    await k.clock.until(all);
    const [first, ...waiting] = k.receipts;
    expect(first).toMatchObject({ outcome: 'applied' });
    expect(waiting.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`)).toEqual(
      Array.from({ length: 7 }, () => 'blocked:out_of_range'),
    );
    expect(k.device.writes).toHaveLength(1);
  });

  it('waits for the lane that only the new one asks for', async () => {
    const { k, use } = exchangeable(rules());
    const alone = rules('    constraints: { single_flight: by_celsius }');
    const begun: string[] = [];
    const held = Promise.withResolvers<void>();
    let other: Promise<unknown> = Promise.resolve();
    k.device.onWrite = ({ device }) => {
      begun.push(device);
      if (device === 'fcu-412') return held.promise;
      if (begun.length > 1) return undefined;
      use(alone);
      other = k.executor.submit(k.proposal([setpoint('412', 22)]));
      return undefined;
    };
    const all = [setpoint('413', 21), setpoint('413', 22)].map((one) => k.executor.submit(k.proposal([one])));
    await k.clock.advance(5_000);
    expect(begun).toEqual(['fcu-413', 'fcu-412']);
    held.resolve();
    await k.clock.until(Promise.all([...all, other]));
    expect(begun).toEqual(['fcu-413', 'fcu-412', 'fcu-413']);
  });

  it('K5 takes back at once what stands under a lease that the new one would not let stand', async () => {
    const lease = 'lease: { ttl: 4h, fallback: baseline }';
    const { k, use } = exchangeable(rules(`    constraints: { ${lease} }`));
    k.say('fcu-412', 'window_open', true);
    await k.propose([setpoint('412', 22)]);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(22);
    const shut = 'interlocks: [{ point: "zone:{id}/window_open", must_be: false, max_age: 1h }]';
    use(rules(`    constraints: { ${lease}, ${shut} }`));
    await k.clock.advance(60_000);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(20);
    expect(k.receipts.at(-1)).toMatchObject({ outcome: 'applied', lease: { state: 'released' } });
  });

  it('counts what was sent before it came to ration that', async () => {
    const { k, use } = exchangeable(rules());
    for (const zone of ['412', '413']) await k.propose([setpoint(zone, 21)]);
    use(rules('    constraints: { quantity: { per_window: { count: 2, window: 1h } } }'));
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toBe('blocked:rate_limited');
    await k.clock.advance(61 * MINUTE);
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toBe('applied:verified');
  });
});
