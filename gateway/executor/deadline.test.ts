/** Requests with a deadline: a command that waited too long somewhere is worth nothing (execution §3). */
import { expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, OPEN_POLICY, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';

const MINUTE = 60_000;

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const device = new FakeDevice();
  for (const zone of ['412', '413']) device.values.set(`fcu-${zone}/setpoint`, 17);
  const made = startKernel({ dataDir: scratchDir(), device, policy: OPEN_POLICY, ...options });
  onTestFinished(() => made.close());
  return made;
}

const said = ({ receipts }: Kernel) => receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`);

it('is over before it comes: it takes no lane, no key and no place in a cap (row 115)', async () => {
  const policy = 'version: 1\nallow: [hvac.setpoint]\nlimits: { hvac.setpoint: { max_per_run: 1 } }\n';
  const k = kernel({ policy });
  const over = { run_id: 'run_one', deadline_ms: k.clock.wallMs() - 1 };
  for (let i = 0; i < 200; i++) await k.propose([setpoint('412', 20)], over);
  expect(new Set(said(k))).toEqual(new Set(['expired:deadline']));
  expect(k.device.writes).toHaveLength(0);
  const [fresh] = await k.propose([setpoint('412', 20)], { run_id: 'run_one' });
  expect(fresh).toMatchObject({ outcome: 'applied', idempotency_key: 'comfort:zone:412:setpoint@ep=1#1' });
});

it('is over while it waits for its turn, or for a person (row 115)', async () => {
  const k = kernel();
  const twice = [setpoint('412', 20), setpoint('413', 20)];
  // The first is in doubt for longer than the second may wait.
  k.device.behaviours = ['obey_in_silence', 'obey'];
  await k.propose(twice, { deadline_ms: k.clock.wallMs() + 2_000 });
  expect(said(k)).toEqual([expect.stringContaining('applied'), 'expired:deadline']);
  const waits = kernel({ mode: 'propose_only' });
  await waits.propose([setpoint('412', 20)], { deadline_ms: waits.clock.wallMs() + MINUTE });
  await waits.clock.advance(2 * MINUTE);
  expect(said(waits)).toEqual(['expired:approval_expired']);
});

it('is not to be told from one that has not passed while the clock is not trusted: then it blocks (G-CL-4)', async () => {
  const k = kernel({ clockTrusted: () => false });
  await k.propose([setpoint('412', 20)], { deadline_ms: k.clock.wallMs() + MINUTE });
  await k.propose([setpoint('412', 20)]);
  expect(said(k)).toEqual(['blocked:clock_untrusted', 'applied:verified']);
});
