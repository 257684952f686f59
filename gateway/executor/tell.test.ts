/** People are told of what is done, with it, before it, or it is not done. */
import { LIMITS } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { rowsOf } from '../../test/support/rows.ts';
import { type Telling, UNTOLD_MS } from '../alerts/outbox.ts';
import type { Entry, Row } from '../journal/entries.ts';

function kernel(policy: string, options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ['412', '413', '414']) device.values.set(`fcu-${zone}/setpoint`, 17);
  const made = startKernel({ dataDir: scratchDir(), policy, device, ...options });
  onTestFinished(() => made.close());
  return made;
}

const ALERT = `version: 1
rules: [{ id: told, match: { capability: hvac.setpoint }, decision: ALERT }, { id: gate, match: { capability: gate.pulse }, decision: ALLOW }]
`;
const FIRST = ALERT.replace(
  'decision: ALERT }',
  'decision: ALERT, constraints: { alert: { delivery: required_before } } }',
);

type AlertRow = Extract<Row<Entry>, { type: 'alert/1' }>;
const alerts = (k: Kernel): readonly AlertRow[] =>
  rowsOf(k.dataDir).filter((row): row is AlertRow => row.type === 'alert/1');
const telling = (over: Partial<Telling>): Partial<KernelOptions> => ({
  parts: { telling: { unreachableMs: () => 0, accepted: async () => true, ...over } },
});
const said = (k: Kernel) => k.receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`);

describe('an action that people are told of', () => {
  it('is told in the commit of its intent, once, however often it is tried (G-AL-1)', async () => {
    const device = new FakeDevice();
    device.behaviours = ['ignore', 'obey'];
    const k = kernel(ALERT, { device });
    const seen: string[][] = [];
    device.onWrite = () => void seen.push(rowsOf(k.dataDir).map(({ type }) => type));
    await k.propose([setpoint('412', 21.5)]);
    expect(seen[0]?.slice(-2)).toEqual(['intent/1', 'alert/1']);
    expect(alerts(k)).toMatchObject([
      { kind: 'alerted', severity: 'info', operator: 'comfort', capability: 'hvac.setpoint', entity_key: 'zone:412' },
    ]);
    expect(alerts(k)[0]?.action_id).toBe(k.receipts[0]?.action_id);
    expect(said(k)).toEqual(['applied:verified']);
  });

  it('is not told of when it is allowed without that, or when there is nothing to do', async () => {
    const k = kernel('version: 1\nallow: [hvac.setpoint]\n');
    await k.propose([setpoint('412', 21.5)]);
    const quiet = kernel(ALERT);
    await quiet.propose([setpoint('412', 17)]);
    expect([alerts(k), alerts(quiet)]).toEqual([[], []]);
  });

  it('is blocked once no channel has taken anything for the grace, and goes on when one does again (row 89)', async () => {
    let silentMs: number = LIMITS.alertGraceMs;
    const k = kernel(ALERT, telling({ unreachableMs: () => silentMs }));
    await k.propose([setpoint('412', 21)]);
    silentMs += 1;
    await k.propose([setpoint('413', 21)]);
    silentMs = 0;
    await k.propose([setpoint('414', 21)]);
    expect(said(k)).toEqual(['applied:verified', 'blocked:alert_undeliverable', 'applied:verified']);
    expect(k.device.writes).toHaveLength(2);
    expect(k.receipts[1]?.reason).toContain('no channel has taken an alert for 15m');
  });

  it('goes on without a channel when people need not be told of it', async () => {
    const k = kernel('version: 1\nallow: [hvac.setpoint]\n', telling({ unreachableMs: () => UNTOLD_MS }));
    await k.propose([setpoint('412', 21)]);
    expect(said(k)).toEqual(['applied:verified']);
  });
});

describe('where people are to be told first', () => {
  it('it is done when a channel has taken the alert, and told of once', async () => {
    const asked: string[] = [];
    const writes: number[] = [];
    const k = kernel(
      FIRST,
      telling({
        accepted: async (id) => {
          asked.push(id);
          writes.push(k.device.writes.length);
          return true;
        },
      }),
    );
    await k.propose([setpoint('412', 21.5)]);
    expect([said(k), asked.length, writes]).toEqual([['applied:verified'], 1, [0]]);
    expect(alerts(k)).toHaveLength(1);
  });

  it('it is not done when none has', async () => {
    const k = kernel(FIRST, telling({ accepted: async () => false }));
    await k.propose([setpoint('412', 21.5)]);
    expect([said(k), k.device.writes]).toEqual([['blocked:alert_undelivered'], []]);
    expect(alerts(k)).toHaveLength(1);
  });

  it('nobody is told of what is not done for another reason, or only in shadow', async () => {
    const k = kernel(
      FIRST.replace(
        'delivery: required_before }',
        'delivery: required_before }, range: { arg: celsius, max: 20, unit: degC }',
      ),
    );
    await k.propose([setpoint('412', 21.5)]);
    const shadow = kernel(FIRST, { mode: 'shadow' });
    shadow.say('fcu-412', 'setpoint', 17);
    await shadow.propose([setpoint('412', 21.5)]);
    expect([said(k), alerts(k)]).toEqual([['blocked:out_of_range'], []]);
    expect([said(shadow), alerts(shadow)]).toEqual([['shadow:shadow'], []]);
  });
});

describe('an alert by itself', () => {
  it('of a plan that is cut at its cap: one for the plan (row 24)', async () => {
    const k = kernel('version: 1\nallow: [hvac.setpoint]\nlimits: { hvac.setpoint: { max_per_run: 1 } }\n');
    await k.propose([setpoint('412', 21), setpoint('413', 21), setpoint('414', 21)]);
    expect(said(k).filter((one) => one === 'truncated:max_per_run')).toHaveLength(2);
    expect(alerts(k)).toMatchObject([{ kind: 'truncated', operator: 'comfort', entity_key: null }]);
    expect(alerts(k)[0]?.text).toContain('2 actions of comfort are beyond the cap');
  });

  it('of a write that changes nothing (row 59), in the commit of its receipt', async () => {
    const device = new FakeDevice();
    device.behaviours = ['ignore'];
    const k = kernel(ALERT.replace('ALERT', 'ALLOW'), { device });
    await k.propose([setpoint('412', 21)]);
    expect(rowsOf(k.dataDir).slice(-2)).toMatchObject([
      { type: 'receipt/1', outcome: 'failed' },
      { type: 'alert/1', kind: 'no_effect', severity: 'warning', entity_key: 'zone:412' },
    ]);
  });

  it('of a pulse that nobody can tell the fate of (row 54), and of two masters (row 72)', async () => {
    const device = new FakeDevice();
    device.behaviours = ['ignore_in_silence'];
    const k = kernel(ALERT, { device });
    await k.propose([pulse('B')]);
    expect(alerts(k)).toMatchObject([{ kind: 'unknown', severity: 'critical', entity_key: 'gate:B' }]);
    const fought = new FakeDevice();
    fought.behaviours = ['ignore_in_silence'];
    fought.onWrite = () => void fought.values.set('fcu-412/setpoint', 25);
    const other = kernel(ALERT.replace('ALERT', 'ALLOW'), { device: fought });
    await other.propose([setpoint('412', 21)]);
    expect(alerts(other)).toMatchObject([{ kind: 'superseded_externally', entity_key: 'zone:412' }]);
  });

  it('of one key for two wishes, of a plan of another tenant, and of the stop', async () => {
    const k = kernel(ALERT.replace('ALERT', 'ALLOW'));
    await k.propose([setpoint('412', 21), setpoint('412', 22)]);
    await k.clock.until(
      k.executor.submit(k.proposal([], { plan: { tenant_id: 't_other', actions: [setpoint('412', 21)] } })),
    );
    await k.clock.until(k.executor.control.stopAll({ who: 'duty-engineer', reason: 'smoke', release: false }));
    expect(alerts(k).map(({ kind }) => kind)).toEqual(['key_conflict', 'tenant_mismatch', 'stopped']);
    expect(alerts(k).at(-1)?.text).toBe(
      'everything is stopped by duty-engineer (smoke); nothing is sent until it is cleared',
    );
  });
});
