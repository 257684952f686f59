/** Tools that write several outputs, some of them the same: a scene sets both lamps of a zone, a level dims the left one, a spot the right. */
import fc from 'fast-check';
import { z } from 'zod';
import { loadPolicy } from '@fibric/policy';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CAPABILITIES, type Capability, type DriverModule, LIMITS } from '@fibric/sdk';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, startKernel } from '../../test/support/kernel.ts';
import { inherit } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { createBindings } from '../bindings.ts';
import { owedBy } from '../journal/inherited.ts';
import type { Connection, Device, DeviceTool, Point, Site, WriteSource } from '../config/site.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LAMPS = ['left', 'right'] as const;
type Lamp = (typeof LAMPS)[number];

const SPOT: Capability = {
  ...(CAPABILITIES.get('lighting.level') as Capability),
  name: 'lighting.spot',
  input: z.strictObject({ zone: z.string(), percent: z.number() }) as z.ZodType<Record<string, unknown>>,
  action: 'spot',
};

function tool(capability: Capability | undefined, writes: Readonly<Partial<Record<Lamp, WriteSource>>>): DeviceTool {
  const written = LAMPS.filter((lamp) => writes[lamp]);
  return {
    capability: capability as Capability,
    name: String(capability?.name),
    device: 'lamps',
    connection: 'lights',
    effect: 'absolute_set',
    writes: written.map((point) => ({ point, from: writes[point] as WriteSource })),
    verify: {
      read: written.map((point) => ({ point, written: point })),
      tolerance: 0,
      settle_ms: 100,
      late_write_window_ms: 3_000,
      tries: 2,
    },
    proof: null,
    timeout_ms: 1_000,
    physical_points: written.map((lamp) => `lights/${lamp}`),
  };
}

const percent: WriteSource = { kind: 'argument', argument: 'percent', map: null };
const TOOLS = [
  tool(CAPABILITIES.get('lighting.scene'), {
    left: { kind: 'constant', value: 80 },
    right: { kind: 'constant', value: 80 },
  }),
  tool(CAPABILITIES.get('lighting.level'), { left: percent }),
  tool(SPOT, { right: percent }),
];

function lamps(tools: readonly DeviceTool[]): Device {
  const points = LAMPS.map(
    (name): Point => ({
      ...{ name, device: 'lamps', access: 'read_write', poll_ms: 1_000, deadband: null, address: null, unit: null },
      ...{ event_type: `zone.${name}`, plausibility: { range: null, spike: null, stuck_ms: null }, stale_ms: 60_000 },
    }),
  );
  const spec = { id: 'lamps', options: null, points };
  const place = { id: 'lamps', connection: 'lights', profile: 'lamps', entity: { kind: 'zone', id: '1' } };
  return { ...place, spec, points, identity: [], reads: {}, tools };
}

const constrained = (capability: string, constraints: string): string =>
  `  - { id: ${capability}, match: { capability: lighting.${capability} }, decision: ALLOW, constraints: { ${constraints} } }\n`;
/** Everybody may take over from everybody, after the minute that is left to each. */
const SHARED = 'authority: { preempt: [comfort, guest] }';
const HAND = 'override: { hold: 2h }';
const lease = (ttl: string): string => `lease: { ttl: ${ttl}, renew: true, max_hold: 4h, fallback: baseline }`;
const POLICY = `version: 1
rules:
${constrained('scene', `${lease('1h')}, ${SHARED}, ${HAND}`)}${constrained('level', `${lease('10m')}, ${SHARED}`)}${constrained('spot', `${lease('20m')}, ${SHARED}, ${HAND}`)}`;

function kernel(options: Partial<KernelOptions> = {}, text = POLICY, tools: readonly DeviceTool[] = TOOLS): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const lamp of LAMPS) if (!device.values.has(`lamps/${lamp}`)) device.values.set(`lamps/${lamp}`, 20);
  const connection: Connection = {
    id: 'lights',
    driver: { unsolicited: false } as DriverModule,
    options: null,
    devices: [lamps(tools)],
  };
  const bindings = createBindings({
    connections: new Map([['lights', connection]]),
    bindings: new Map(tools.map(({ name }) => [name, ['lights']])),
  } as unknown as Site);
  const names = { capabilities: new Set(tools.map(({ name }) => name)), tools: new Set<string>() };
  const loaded = loadPolicy([{ file: 'policy.yaml', text }], names);
  if (!('policy' in loaded)) throw new Error(JSON.stringify(loaded));
  const { policy } = loaded;
  const parts = { bindings, policies: { of: () => policy, all: () => [{ policy }] } };
  const k = startKernel({ dataDir: scratchDir(), ...options, device, parts });
  onTestFinished(() => k.close());
  return k;
}

/** The same devices and folder, another boot. */
async function restart(k: Kernel): Promise<Kernel> {
  await k.clock.until(k.close());
  const { dataDir, device, clock } = k;
  return kernel({ dataDir, device, clock: new VirtualClock(clock.wallMs()), bootId: `boot-${clock.wallMs()}` });
}

const by = (name: string) => ({
  operator: { name, uid: name, version: 'local' },
  requires: [...TOOLS.map((one) => one.name), 'lighting.dim'],
});
const SCENE = { capability: 'lighting.scene', args: { zone: '1', scene: 'work' } };
const level = (percent: number) => ({ capability: 'lighting.level', args: { zone: '1', percent } });
const spot = (percent: number) => ({ capability: 'lighting.spot', args: { zone: '1', percent } });
const lit = (k: Kernel) => LAMPS.map((lamp) => k.device.values.get(`lamps/${lamp}`));
const leased = (k: Kernel) => k.executor.control.leases().map(({ points }) => points.map(({ point }) => point));

/** Proposed once the minute of whoever holds it is over. */
async function proposed(k: Kernel, name: string, action: unknown): Promise<string> {
  await k.clock.advance(2 * MINUTE);
  const [receipt] = await k.propose([action], by(name));
  return `${receipt?.outcome}:${receipt?.reason_code}`;
}

describe('leases that overlap (K2, G-CS)', () => {
  it('keep what nobody has taken over, and take it back at their own time', async () => {
    const k = kernel();
    expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
    expect(await proposed(k, 'guest', level(50))).toBe('applied:verified');
    expect(lit(k)).toEqual([50, 80]);
    expect(leased(k)).toEqual([['right'], ['left']]);
    await k.clock.advance(11 * MINUTE);
    expect(lit(k)).toEqual([20, 80]);
    await k.clock.advance(50 * MINUTE);
    expect(lit(k)).toEqual([20, 20]);
    expect(k.receipts.filter(({ lease: one }) => one?.state === 'released').map(({ outcome }) => outcome)).toEqual([
      'applied',
      'applied',
    ]);
    expect(leased(k)).toEqual([]);
  });

  it('also of one operator, and where what takes over is not leased', async () => {
    const k = kernel({}, `version: 1\nallow: [lighting.level]\nrules:\n${constrained('scene', lease('1h'))}`);
    expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
    expect(await proposed(k, 'comfort', level(50))).toBe('applied:verified');
    await k.clock.advance(2 * HOUR);
    expect(lit(k)).toEqual([50, 20]);
  });

  it('know the way back of every output: what the first of them found, or what is there', async () => {
    const k = kernel();
    expect(await proposed(k, 'guest', level(50))).toBe('applied:verified');
    expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
    expect(lit(k)).toEqual([80, 80]);
    await k.clock.advance(2 * HOUR);
    expect(lit(k)).toEqual([20, 20]);
  });

  it('each stand in the way of who may not take them over', async () => {
    const own =
      constrained('scene', lease('1h')) + constrained('level', lease('1h')) + constrained('spot', lease('1h'));
    const k = kernel({}, `version: 1\nrules:\n${own}`);
    expect(await proposed(k, 'comfort', level(50))).toBe('applied:verified');
    expect(await proposed(k, 'guest', spot(60))).toBe('applied:verified');
    expect(await proposed(k, 'comfort', SCENE)).toBe('blocked:leased');
    expect(await proposed(k, 'guest', SCENE)).toBe('blocked:leased');
    expect(lit(k)).toEqual([50, 60]);
  });

  it('K3 are all looked at for a hand before anything is written over them', async () => {
    const k = kernel();
    expect(await proposed(k, 'guest', level(50))).toBe('applied:verified');
    expect(await proposed(k, 'guest', spot(60))).toBe('applied:verified');
    k.device.values.set('lamps/right', 35);
    expect(await proposed(k, 'comfort', SCENE)).toBe('blocked:manual_override');
    expect(lit(k)).toEqual([50, 35]);
  });

  it('are not renewed for a wish that is fulfilled in part', async () => {
    const k = kernel();
    expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
    expect(await proposed(k, 'guest', level(50))).toBe('applied:verified');
    expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
    expect(lit(k)).toEqual([80, 80]);
  });

  it('of a wish that had its effect are not renewed either, once a part of it is taken over', async () => {
    const k = kernel();
    const booked = { ...SCENE, occurrence: 'ev=BK-1' };
    expect(await proposed(k, 'comfort', booked)).toBe('applied:verified');
    expect(await proposed(k, 'comfort', booked)).toBe('renewed:renewed');
    expect(await proposed(k, 'guest', level(50))).toBe('applied:verified');
    expect(await proposed(k, 'comfort', booked)).toBe('deduped:deduped');
    expect(lit(k)).toEqual([50, 80]);
  });

  it('take back what is still theirs, and leave what went back by itself', async () => {
    const own = `lease: { ttl: 1h, fallback: { value: 5 } }`;
    const k = kernel({}, `version: 1\nrules:\n${constrained('scene', own)}`);
    await proposed(k, 'comfort', SCENE);
    k.device.values.set('lamps/left', 20);
    await k.clock.advance(2 * HOUR);
    expect(k.device.writes.slice(1).map(({ writes }) => writes)).toEqual([[{ point: 'right', value: 20 }]]);
    expect(leased(k)).toEqual([]);
  });

  it('are not looked after for an output that is no longer theirs', async () => {
    const k = kernel();
    await proposed(k, 'comfort', SCENE);
    await proposed(k, 'guest', level(50));
    let looks = 0;
    const read = k.device.read.bind(k.device);
    k.device.read = async (refs) => {
      looks += 1;
      return read(refs);
    };
    k.say('lamps', 'left', 55);
    await k.clock.advance(1_000);
    expect(looks).toBe(0);
    k.say('lamps', 'right', 55);
    await k.clock.advance(1_000);
    expect(looks).toBeGreaterThan(0);
  });

  it('go back also after the journal is lost in which a part of one was being taken over (G-IO-4)', async () => {
    const k = kernel();
    await proposed(k, 'comfort', SCENE);
    k.device.behaviours = ['obey_in_silence'];
    await k.clock.advance(2 * MINUTE);
    const work = k.executor.submit(k.proposal([level(50)], by('guest')));
    await k.clock.advance(100);
    const owed = owedBy(k.journal.projection);
    expect([owed.doubts.length, owed.leases.length]).toEqual([1, 1]);
    await k.clock.until(k.close());
    await work;
    const { device, clock } = k;
    device.behaviours = ['obey'];
    const other = kernel({ device, clock: new VirtualClock(clock.wallMs()), bootId: 'boot-2' });
    inherit(other.journal, owed);
    const again = await restart(other);
    await again.clock.advance(2 * HOUR);
    expect(lit(again)).toEqual([20, 20]);
    expect(leased(again)).toEqual([]);
  });

  it('go back also when the gateway ends while what is left of one is on its way back', async () => {
    const k = kernel();
    await proposed(k, 'comfort', SCENE);
    await proposed(k, 'guest', level(50));
    k.device.behaviours = ['obey', 'obey_in_silence'];
    await k.clock.advance(57 * MINUTE);
    const again = await restart(k);
    again.device.behaviours = ['obey'];
    await again.clock.advance(2 * HOUR);
    expect(lit(again)).toEqual([20, 20]);
    expect(leased(again)).toEqual([]);
    const ends = again.receipts.map(({ capability, outcome }) => `${capability} ${outcome}`);
    expect(ends).toEqual(['lighting.scene applied']);
  });

  it('leave nothing behind, whoever takes over what from whom, over restarts', async () => {
    const step = fc.oneof(
      fc.record({
        who: fc.constantFrom('comfort', 'guest'),
        what: fc.constantFrom(SCENE, level(50), level(70), spot(60)),
      }),
      fc.record({ minutes: fc.integer({ min: 1, max: 25 }) }),
      fc.constant('restart' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
        let k = kernel();
        for (const one of steps)
          if (one === 'restart') k = await restart(k);
          else if ('who' in one) await proposed(k, one.who, one.what);
          else await k.clock.advance(one.minutes * MINUTE);
        await k.clock.advance(5 * HOUR);
        expect({ lit: lit(k), leased: leased(k) }).toEqual({ lit: [20, 20], leased: [] });
        await k.close();
      }),
      { numRuns: 20 },
    );
  });
});

describe('a write of which only a part took effect', () => {
  const scene = (k: Kernel) => proposed(k, 'comfort', SCENE);

  it.each([
    ['acknowledged', 'half'],
    ['in doubt', 'half_in_silence'],
  ] as const)('%s is tried again under the same key', async (_, behaviour) => {
    const k = kernel();
    k.device.behaviours = [behaviour, 'obey'];
    expect(await scene(k)).toBe('applied:verified');
    expect(k.receipts.map(({ attempt }) => attempt)).toEqual([2]);
    expect(lit(k)).toEqual([80, 80]);
  });

  it.each([
    ['acknowledged', 'half'],
    ['in doubt', 'half_in_silence'],
  ] as const)(
    '%s time after time is failed, nobody else is blamed, and it is taken back like a whole one',
    async (_, behaviour) => {
      const k = kernel();
      k.device.behaviours = [behaviour];
      expect(await scene(k)).toBe('failed:device_altered');
      expect(k.receipts.map(({ attempt }) => attempt)).toEqual([LIMITS.attempts]);
      expect(lit(k)).toEqual([80, 20]);
      k.device.behaviours = ['obey'];
      await k.clock.advance(2 * HOUR);
      expect(lit(k)).toEqual([20, 20]);
      expect(leased(k)).toEqual([]);
    },
  );

  it('is found at the next start, and taken back', async () => {
    const k = kernel();
    k.device.behaviours = ['half_in_silence'];
    await k.clock.advance(2 * MINUTE);
    const work = k.executor.submit(k.proposal([SCENE], by('comfort')));
    await k.clock.advance(100);
    const again = await restart(k);
    await work;
    again.device.behaviours = ['obey'];
    await again.clock.advance(MINUTE);
    expect(again.receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`)).toEqual([
      'failed:device_altered',
    ]);
    await again.clock.advance(2 * HOUR);
    expect(lit(again)).toEqual([20, 20]);
  });

  it('is somebody else’s doing where an output is at neither', async () => {
    const k = kernel();
    k.device.behaviours = ['half_in_silence'];
    k.device.onWrite = () => void k.clock.after(1_000, () => k.device.values.set('lamps/right', 33));
    expect(await scene(k)).toBe('superseded_externally:superseded_externally');
    expect(k.device.writes).toHaveLength(1);
  });
});

it('a deadband on the first output does not swallow a change of the others', async () => {
  const text = `version: 1\nrules:\n${constrained('scene', 'deadband: { abs: 1 }')}`;
  const k = kernel({}, text);
  k.device.values.set('lamps/left', 79.5);
  expect(await proposed(k, 'comfort', SCENE)).toBe('applied:verified');
  expect(lit(k)).toEqual([80, 80]);
  k.device.values.set('lamps/left', 79.5);
  expect(await proposed(k, 'guest', SCENE)).toBe('noop:noop');
  expect(lit(k)).toEqual([79.5, 80]);
});

it('a pulse is sent once, whatever its output reads afterwards (§2.2)', async () => {
  const strike: DeviceTool = { ...TOOLS[2], effect: 'relative_or_pulse' } as DeviceTool;
  const k = kernel({}, 'version: 1\nallow: [lighting.spot]\n', [strike]);
  k.device.behaviours = ['ignore'];
  await k.clock.advance(2 * MINUTE);
  const [receipt] = await k.propose([spot(60)], by('comfort'));
  expect(receipt).toMatchObject({ outcome: 'applied_unverified', reason_code: 'unproved' });
  expect(k.device.writes).toHaveLength(1);
});

describe('a tool that writes something else before the quantity that its action is about', () => {
  const DIM: Capability = { ...SPOT, name: 'lighting.dim', action: 'dim' };
  const forwards = tool(DIM, { left: percent, right: { kind: 'constant', value: 1 } });
  const dimmer: DeviceTool = {
    ...forwards,
    writes: forwards.writes.toReversed(),
    physical_points: forwards.physical_points.toReversed(),
  };
  const dimmed = (constraints: string): Kernel =>
    kernel({}, `version: 1\nrules:\n${constrained('dim', constraints)}`, [dimmer]);
  const dim = (percentage: number) => ({ capability: 'lighting.dim', args: { zone: '1', percent: percentage } });

  it('is held to what rules say of a change of that quantity', async () => {
    const k = dimmed('step: { max: 10 }');
    expect(await proposed(k, 'comfort', dim(50))).toBe('blocked:step_exceeded');
    expect(await proposed(k, 'comfort', dim(29))).toBe('applied:verified');
    expect(k.device.writes.map(({ writes }) => writes.map(({ point }) => point))).toEqual([['right', 'left']]);
  });

  it('gives that quantity the value that its lease goes back to, and the others what was there', async () => {
    const k = dimmed('lease: { ttl: 10m, fallback: { value: 5 } }');
    expect(await proposed(k, 'comfort', dim(50))).toBe('applied:verified');
    await k.clock.advance(HOUR);
    expect(lit(k)).toEqual([5, 20]);
  });
});

it('a value to go back to is for no other output than its own, when that has been taken over', async () => {
  const rules =
    constrained('scene', `lease: { ttl: 1h, fallback: { value: 5 } }, ${SHARED}`) +
    constrained('level', `lease: { ttl: 10m, fallback: baseline }, ${SHARED}`);
  const k = kernel({}, `version: 1\nrules:\n${rules}`);
  await proposed(k, 'comfort', SCENE);
  await proposed(k, 'guest', level(50));
  await k.clock.advance(2 * HOUR);
  expect(lit(k)).toEqual([20, 20]);
});

describe('an output that is shown by another point', () => {
  const shown = tool(SPOT, { left: percent });
  const fan: DeviceTool = {
    ...shown,
    verify: shown.verify && { ...shown.verify, read: [{ written: 'left', point: 'right' }] },
  };
  const started = (): Kernel => kernel({}, 'version: 1\nallow: [lighting.spot]\n', [fan]);

  it('is not there already while its status says otherwise: it is written, and not believed', async () => {
    const k = started();
    k.device.values.set('lamps/left', 60);
    expect(await proposed(k, 'comfort', spot(60))).toBe('failed:no_effect');
    expect(k.device.writes).toHaveLength(LIMITS.attempts);
  });

  it('is there already when both say so', async () => {
    const k = started();
    for (const lamp of LAMPS) k.device.values.set(`lamps/${lamp}`, 60);
    expect(await proposed(k, 'comfort', spot(60))).toBe('noop:noop');
  });

  it('is written while its status cannot be read, and then not verified', async () => {
    const k = started();
    k.device.unreadable.add('right');
    expect(await proposed(k, 'comfort', spot(60))).toBe('applied_unverified:unreadable');
  });

  it('is tried again though its status has moved in the meantime: that follows in its own time', async () => {
    const k = started();
    k.device.behaviours = ['ignore_in_silence', 'obey'];
    let looks = 0;
    const read = k.device.read.bind(k.device);
    k.device.read = async (refs) => {
      // Before the write, then twice after it: unchanged. Then the fan runs down.
      if (++looks === 4) k.device.values.set('lamps/right', 10);
      return read(refs);
    };
    await k.clock.advance(2 * MINUTE);
    await k.propose([spot(60)], by('comfort'));
    expect(k.device.writes.length).toBeGreaterThan(1);
  });

  it('is verified by a status that comes later than the answer', async () => {
    const k = started();
    k.device.onWrite = () => void k.clock.after(150, () => k.device.values.set('lamps/right', 60));
    expect(await proposed(k, 'comfort', spot(60))).toBe('applied:verified');
  });
});
