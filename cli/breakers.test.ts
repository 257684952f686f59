import { correct } from '@fibric/gateway/executor/correct';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import { expect, onTestFinished, test } from 'vitest';
import { FakeDevice } from '../test/support/fake-device.ts';
import { pulse, startKernel } from '../test/support/kernel.ts';
import { emptyFolder, fibric, startBench } from './harness.ts';

test('a breaker is listed, and closed by a person', async () => {
  const bench = await startBench();
  onTestFinished(() => bench.close());
  expect((await bench.here('status')).out).toMatch(
    /1 breaker open: fibric breakers ls\n.*1 not delivered: webhook https:\/\/hooks\.example\.com: ECONNREFUSED/,
  );
  expect((await bench.here('breakers', 'ls')).out).toContain('hvac.setpoint on zone:412 failed 3 times in a row');
  expect(await bench.here('breakers', 'close', 'br_0000001b')).toMatchObject({ code: 2 });
  const closed = await bench.here('breakers', 'close', 'br_0000001b', '--as', 'duty-engineer', '--reason', 'mended');
  expect(closed).toMatchObject({
    code: 0,
    out: 'br_0000001b closed by duty-engineer: what is proposed is sent again\n',
  });
  expect(bench.view.control.orders).toEqual([{ close: 'br_0000001b', who: 'duty-engineer', reason: 'mended' }]);
  expect(await bench.here('breakers', 'close', 'br_none', '--as', 'duty-engineer')).toMatchObject({ code: 4 });
});

test('what became of an action is said by a person, one way or the other, and how it is known', async () => {
  const bench = await startBench();
  onTestFinished(() => bench.close());
  const say = (...args: readonly string[]) => bench.here('receipts', 'correct', 'rc_7', ...args);
  for (const args of [[], ['--applied', '--not-applied'], ['--applied']])
    expect(await say(...args, '--as', 'duty-engineer')).toMatchObject({ code: 2 });
  expect(await say('--applied', '--reason', 'looked')).toMatchObject({ code: 2 });
  expect(await say('--not-applied', '--as', 'duty-engineer', '--reason', 'looked')).toMatchObject({
    code: 0,
    out: 'rc_7: duty-engineer says that it did not take effect; it may be proposed again under its key\n',
  });
  expect(bench.view.control.orders).toEqual([
    { receipt_id: 'rc_7', applied: false, who: 'duty-engineer', reason: 'looked' },
  ]);
});

test('a correction stands beside its receipt, in show and in why; the alert of it in the list of a stopped gateway', async () => {
  const dataDir = emptyFolder();
  const device = new FakeDevice();
  device.values.set('gate-B/counter', 7);
  device.behaviours = ['ignore_in_silence'];
  const kernel = startKernel({ dataDir, device });
  const [receipt] = await kernel.propose([pulse('B')]);
  const reader = openJournalReader(dataDir);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const order = {
    receipt_id: receipt?.receipt_id ?? '',
    applied: true,
    who: 'duty-engineer',
    reason: 'the gate is open',
  };
  await kernel.clock.until(correct({ journal: kernel.journal, reader, log }, order));
  reader.close();
  await kernel.close();
  const said = 'confirmed_applied, says duty-engineer: the gate is open';
  const off = (...args: readonly string[]) => fibric([...args, '--data', dataDir]);
  expect((await off('receipts', 'show', order.receipt_id)).out).toContain(`corrected  ${said}`);
  expect((await off('why', order.receipt_id)).out).toContain(`correction/1 ${said}`);
  expect((await off('receipts', 'verify')).code).toBe(0);
  const listed = (await off('alerts', 'ls')).out;
  expect(listed).toContain('gate.pulse for gate:B ended as unknown');
});
