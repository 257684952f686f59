import { describe, expect, it, onTestFinished } from 'vitest';
import type { Mode } from '@fibric/sdk';
import { FakeDevice } from '../test/support/fake-device.ts';
import { type Kernel, setpoint, startKernel } from '../test/support/kernel.ts';
import { rowsOf } from '../test/support/rows.ts';
import { scratchDir } from '../test/support/scratch.ts';
import type { OperatorSite } from './config/site.ts';
import { createModes, type Modes, tellRenames } from './modes.ts';

/** A kernel whose operators are what the site file says, and the modes over its journal. */
async function begun(site: Mode, dataDir = scratchDir()): Promise<{ kernel: Kernel; modes: Modes; of: () => Mode }> {
  const device = new FakeDevice();
  for (const zone of ['412', '413']) device.values.set(`fcu-${zone}/setpoint`, 17);
  const kernel = startKernel({ dataDir, mode: site, device });
  onTestFinished(() => kernel.close());
  const comfort: OperatorSite = {
    name: 'comfort',
    uid: 'comfort',
    folder: '',
    mode: site,
    policy_files: [],
    settings: {},
  };
  const modes = createModes({ journal: kernel.journal, operators: [comfort] });
  await kernel.clock.until(modes.begin(comfort));
  return { kernel, modes, of: () => modes.of(comfort) };
}

const ANNA = { who: 'anna', reason: 'two weeks without a violation' };
const DOWN = { who: 'person:local', reason: null };
const said = ({ receipts }: Kernel) => receipts.map(({ outcome, reason_code, mode }) => [outcome, reason_code, mode]);

describe('a mode', () => {
  it('U1 goes up in the name of a person with a reason only, by one step or by all', async () => {
    const { kernel, modes, of } = await begun('propose_only');
    await expect(modes.set('comfort', 'live', { who: 'person:local', reason: 'because' })).rejects.toThrow(
      '--as <who>',
    );
    await expect(modes.set('comfort', 'shadow', { who: 'anna', reason: null })).rejects.toThrow('--reason <text>');
    expect(of()).toBe('propose_only');
    expect(await kernel.clock.until(modes.set('comfort', 'live', ANNA))).toBe(true);
    expect(of()).toBe('live');
    expect(await modes.set('nobody', 'live', ANNA)).toBe(false);
  });

  it('U1 goes down without a reason, in one row', async () => {
    const { kernel, modes, of } = await begun('live');
    const row = kernel.journal.nextSeq;
    expect(await kernel.clock.until(modes.set('comfort', 'propose_only', DOWN))).toBe(true);
    expect([of(), kernel.journal.nextSeq]).toEqual(['propose_only', row + 1]);
  });

  it('U1 outlives the process, until the site file says something else than it did', async () => {
    const first = await begun('live');
    await first.kernel.clock.until(first.modes.set('comfort', 'propose_only', DOWN));
    await first.kernel.close();
    const again = await begun('live', first.kernel.dataDir);
    expect(again.of()).toBe('propose_only');
    await again.kernel.close();
    expect((await begun('shadow', first.kernel.dataDir)).of()).toBe('shadow');
  });
});

describe('what was admitted before its operator was lowered', () => {
  it.each<[Mode, readonly unknown[]]>([
    ['propose_only', ['blocked', 'mode_lowered', 'propose_only']],
    ['disabled', ['blocked', 'mode_lowered', 'disabled']],
    ['live_limited', ['applied', 'verified', 'live_limited']],
  ])('U1 to %s ends as that mode would have it', async (mode, ending) => {
    const { kernel, modes } = await begun('live');
    const lowered = modes.set('comfort', mode, DOWN);
    await kernel.propose([setpoint('412', 21)]);
    await lowered;
    expect(said(kernel)).toEqual([ending]);
    expect(kernel.device.writes).toHaveLength(mode === 'live_limited' ? 1 : 0);
  });

  it('is not raised with its operator: a way up counts for what is proposed after it', async () => {
    const { kernel, modes } = await begun('shadow');
    const raised = modes.set('comfort', 'live', ANNA);
    await kernel.propose([setpoint('412', 21)], { mode: 'shadow' });
    await raised;
    expect(kernel.device.writes).toHaveLength(0);
  });
});

describe('an operator that was renamed without its uid (G-K-7)', () => {
  const named = (name: string, uid = name): OperatorSite => ({
    ...{ name, uid, folder: '', mode: 'live', policy_files: [], settings: {} },
  });
  const alertsOf = ({ dataDir }: Kernel) =>
    rowsOf(dataDir).flatMap((row) => (row.type === 'alert/1' ? [row.text] : []));

  it('is told as an alert, once, with what to write', async () => {
    const { kernel } = await begun('live');
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const start = async (...operators: readonly OperatorSite[]): Promise<void> => {
      tellRenames({ journal: kernel.journal, log }, operators);
      const modes = createModes({ journal: kernel.journal, operators });
      for (const one of operators) await kernel.clock.until(modes.begin(one));
    };
    await start(named('comfort'), named('floor'));
    await start(named('klima', 'comfort'), named('floor'));
    await start(named('comfort'));
    expect(alertsOf(kernel)).toEqual([]);
    await start(named('klima'), named('floor'));
    await start(named('klima'), named('floor'));
    expect(alertsOf(kernel)).toEqual([expect.stringMatching(/klima; gone from the site: comfort; .*`uid: comfort`/)]);
  });
});
