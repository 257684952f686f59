/** What may be tried again, what may not, and what a restart must not forget. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';

function prepared(device = new FakeDevice()): FakeDevice {
  for (const zone of ['412', '413', '414']) device.values.set(`fcu-${zone}/setpoint`, 17);
  for (const id of ['A', 'B']) device.values.set(`gate-${id}/counter`, 7);
  return device;
}

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const made = startKernel({ dataDir: scratchDir(), device: prepared(), ...options });
  onTestFinished(() => made.close());
  return made;
}

const outcomes = (receipts: readonly { outcome: string; reason_code: string | null }[]) =>
  receipts.map((r) => `${r.outcome}:${r.reason_code}`);
const zones = (...celsius: readonly number[]) => celsius.map((c, i) => setpoint(`${412 + i}`, c));

describe('a plan that a crash cut short', () => {
  /** Dies while the first action is at the device; the next process finds the device as `after` leaves it. */
  async function crashInFirst(actions: readonly object[], after: (device: FakeDevice) => void): Promise<Kernel> {
    const dataDir = scratchDir();
    const device = prepared();
    const first = startKernel({ dataDir, device });
    device.onWrite = () => new Promise(() => undefined);
    void first.executor.submit(first.proposal(actions)).catch(() => undefined);
    await first.clock.advance(1_000);
    expect(device.writes).toHaveLength(1);
    first.journal.close();
    device.onWrite = () => undefined;
    after(device);
    return kernel({ dataDir, device, bootId: 'boot-2' });
  }

  it('goes on in its order: nothing is sent before the doubt about what comes first is settled (row 47)', async () => {
    const second = await crashInFirst(zones(20, 20, 20), (device) => device.values.set('fcu-412/setpoint', 20));
    await second.clock.advance(2_000);
    expect(second.device.writes).toHaveLength(1);
    await second.clock.advance(60_000);
    expect(outcomes(second.receipts)).toEqual(['applied:inferred_by_readback', 'applied:verified', 'applied:verified']);
  });

  it('is not gone on with when the doubt ends as a failure (row 47)', async () => {
    const second = await crashInFirst(zones(20, 20, 20), () => undefined);
    await second.clock.advance(60_000);
    expect(outcomes(second.receipts)).toEqual([
      'failed:not_applied',
      'skipped:earlier_failed',
      'skipped:earlier_failed',
    ]);
    expect(second.device.writes).toHaveLength(1);
  });

  it('is not gone on with when a failure was on disk before the crash (row 47)', async () => {
    const dataDir = scratchDir();
    const device = prepared();
    device.behaviours = ['refuse', 'obey'];
    // Dies as soon as the first receipt is on disk: what would follow it never gets that far.
    const onReceipt = (): never => {
      throw new Error('killed');
    };
    const first = startKernel({ dataDir, device, parts: { onReceipt } });
    await expect(first.propose(zones(20, 20))).rejects.toThrow('killed');
    first.journal.close();
    const second = kernel({ dataDir, device, bootId: 'boot-2' });
    await second.clock.advance(60_000);
    expect(device.writes).toHaveLength(1);
    expect(outcomes(second.receipts)).toEqual(['skipped:earlier_failed']);
  });
});

describe('a second attempt', () => {
  it('does not overwrite what somebody did after the first (row 72)', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore_in_silence', 'obey'];
    let looks = 0;
    const read = k.device.read.bind(k.device);
    k.device.read = async (refs) => {
      // Before the write, then twice after it: unchanged. Then a person turns the knob.
      if (++looks === 4) k.device.values.set('fcu-412/setpoint', 23);
      return read(refs);
    };
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt).toMatchObject({
      outcome: 'superseded_externally',
      attempt: 1,
      effective: [{ point: 'setpoint', value: 23 }],
    });
    expect(k.device.writes).toHaveLength(1);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(23);
  });

  it('goes through when nothing was sent the first time, whatever the device did meanwhile', async () => {
    const k = kernel();
    const write = k.device.write.bind(k.device);
    let calls = 0;
    k.device.write = async (command) => {
      if (++calls > 1) return write(command);
      k.device.values.set('fcu-412/setpoint', 23);
      return { kind: 'not_sent', reason_code: 'send_withdrawn', message: 'withdrawn' };
    };
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied:verified']);
  });
});

describe('a pulse', () => {
  it('that was acknowledged and did not come is failed: its counter is believed, not the answer', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore'];
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['failed:not_applied']);
  });

  it('that was acknowledged and is counted late is applied', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore'];
    k.device.onWrite = () => void k.clock.after(2_500, () => k.device.values.set('gate-A/counter', 8));
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['applied:inferred_by_readback']);
  });

  it('in doubt is given three seconds to come late, however short its timeout is (row 58)', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore_in_silence'];
    k.device.onWrite = () => void k.clock.after(2_900, () => k.device.values.set('gate-A/counter', 8));
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['applied:inferred_by_readback']);
    expect(k.device.writes).toHaveLength(1);
  });
});

describe('a key', () => {
  it('is spent when the device took something else than it was sent (row 60)', async () => {
    const k = kernel();
    k.device.behaviours = [{ take: 26 }, 'obey'];
    const wish = (celsius: number) => setpoint('412', celsius, { occurrence: 'ev=BK-7741' });
    expect(outcomes(await k.propose([wish(27)]))).toEqual(['failed:device_altered']);
    expect(outcomes(await k.propose([wish(20)]))).toEqual(['blocked:key_conflict']);
    expect(outcomes(await k.propose([wish(27)]))).toEqual(['deduped:deduped']);
    expect(k.device.writes).toHaveLength(1);
  });

  it('is not worn out on a device that cannot take the value: the same wish is not sent again and again', async () => {
    const k = kernel();
    k.device.behaviours = [{ take: 26 }];
    await k.propose([setpoint('412', 27)]);
    for (let i = 0; i < 5; i++) expect(outcomes(await k.propose([setpoint('412', 27)]))).toEqual(['deduped:deduped']);
    expect(k.device.writes).toHaveLength(1);
  });

  it('X5 stands for one wish in a plan: the second of two that contradict each other is a conflict (row 31)', async () => {
    const k = kernel();
    const both = [setpoint('412', 20, { after: [] }), setpoint('412', 23, { after: [] })];
    expect(outcomes(await k.propose(both)).sort()).toEqual(['applied:verified', 'blocked:key_conflict']);
    expect(outcomes(await k.propose([setpoint('412', 23)]))).toEqual(['applied:verified']);
    expect(k.receipts.at(-1)?.idempotency_key).toContain('@ep=1#2');
  });
});

describe('time between the decision and the send', () => {
  /** The driver waits for its line, and the world goes on meanwhile. */
  async function sentAfter(wait: (k: Kernel) => void): Promise<readonly unknown[]> {
    const k = kernel();
    const write = k.device.write.bind(k.device);
    let waited = false;
    k.device.write = async (command) => {
      if (!waited) wait(k);
      waited = true;
      return write(command);
    };
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    return [receipt?.outcome, receipt?.attempt, k.device.writes.length];
  }

  it('counts a sleep of the machine, in which only the wall clock goes on (row 46)', async () => {
    const result = await sentAfter((k) => {
      const { wallMs } = k.clock;
      k.clock.wallMs = () => wallMs.call(k.clock) + 60_000;
    });
    // Withdrawn, decided again on what the device says then, and sent.
    expect(result).toEqual(['applied', 2, 1]);
  });

  it('counts from what the device said: an answer from before a standstill is no ground to write on (row 46)', async () => {
    const k = kernel();
    const read = k.device.read.bind(k.device);
    let stood = false;
    k.device.read = async (refs) => {
      const said = await read(refs);
      // The answer is there already; meanwhile a person turns the knob, and the process does not see it.
      if (!stood) {
        k.device.values.set('fcu-412/setpoint', 15);
        const { monoMs } = k.clock;
        k.clock.monoMs = () => monoMs.call(k.clock) + 60_000;
      }
      stood = true;
      return said;
    };
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt).toMatchObject({ baseline: [{ point: 'setpoint', value: 15 }], attempt: 2 });
    expect(k.device.writes).toHaveLength(1);
  });

  it('ends at the deadline: what slept past it is expired, not sent', async () => {
    const result = await sentAfter((k) => {
      const { wallMs } = k.clock;
      k.clock.wallMs = () => wallMs.call(k.clock) + 20 * 60_000;
    });
    expect(result).toEqual(['expired', 1, 0]);
  });
});

describe('a value that was not sent', () => {
  it('is somebody’s, not the device’s own, when the gateway slept before it read back (row 72)', async () => {
    const k = kernel();
    let slept = 0;
    const { wallMs } = k.clock;
    k.clock.wallMs = () => wallMs.call(k.clock) + slept;
    const read = k.device.read.bind(k.device);
    k.device.read = async (refs) => {
      if (k.device.writes.length > 0) {
        slept = 60_000;
        k.device.values.set('fcu-412/setpoint', 23);
      }
      return read(refs);
    };
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['superseded_externally:superseded_externally']);
  });
});

describe('what was acknowledged', () => {
  it('J2 is on disk also when the stop overtook the plan: its state is not lost', async () => {
    const k = kernel();
    const stopped = k.executor.stop();
    await k.clock.until(k.executor.submit(k.proposal([setpoint('412', 20)], { state: { seen: 7 } })));
    const commits = k.journal.commits;
    await k.journal.durable();
    expect(k.journal.commits).toBe(commits);
    await stopped;
  });
});
