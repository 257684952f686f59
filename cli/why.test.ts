import { expect, onTestFinished, test } from 'vitest';
import { fsck } from '@fibric/gateway/journal/fsck';
import { pulse, setpoint, startKernel } from '../test/support/kernel.ts';
import { emptyFolder, fibric, startBench } from './harness.ts';

/** Rows a terminal has at the least. */
const SCREEN = 30;

test('why shows on one screen what woke it, who wanted it, which rules, which bytes, what came of it, what the upstream has', async () => {
  const bench = await startBench();
  onTestFinished(() => bench.close());
  bench.view.journal.write(1, {
    verdict: {
      decision: 'ALLOW',
      rule: 'comfort-setpoint',
      stage: 'motion',
      rules: [{ rule: 'comfort-setpoint', decision: 'allow', stage: 'grant', reason: 'hvac.setpoint is granted' }],
    },
  });
  const { code, out } = await bench.here('why', 'rc_2');
  expect(code).toBe(0);
  expect(out).toBe(
    [
      'receipt    rc_2  applied  2026-07-02 08:00:00Z',
      'action     hvac.setpoint zone=412 celsius=21.5 on zone:412 → fcu-412 via fcu',
      'trigger    zone.occupied from mqtt:field, event ev_1, co_2',
      '           entity={"kind":"zone","id":"412"} point=occupied value=true unit=null quality=good',
      'readings   zone:412/occupied = true, good, simulated, 1.2s old',
      'operator   comfort (local), proposed by rules, mode live',
      'reason     zone 412 is occupied: 17 → 21.5 degC',
      'plan       pl_1, action 1 of 2, 2026-07-02 08:00:00Z, hash dddddddddddd',
      'decision   allow by comfort-setpoint at motion, policy cccccccccccc',
      'policy     policy.yaml, in force since 2026-07-02 08:00:00Z by site file, row 1',
      'rules      allow comfort-setpoint (grant): hvac.setpoint is granted',
      'before     setpoint = 17',
      'target     setpoint = 21.5',
      'attempt    1: intent durable 08:00:00.000, sent 08:00:00.000, answered 08:00:00.000',
      'request    0c0600000d7',
      'response   0c0600000d7  (modbus ok, 3 ms)',
      'read back  setpoint = 21.5, good, at 08:00:00.000',
      'outcome    applied',
      'key        op:zone:412:setpoint@ep=2#1',
      'chain      seq 2, epoch 1, proved',
      `           hash ${'b'.repeat(64)}`,
      `           prev ${'a'.repeat(64)}`,
      'signed     up to row 64; no witness has cosigned it',
      'upstream   does not have it yet; 3 rows before it wait too',
      '',
    ].join('\n'),
  );
  expect(await bench.here('why', 'rc_none')).toMatchObject({
    code: 4,
    err: expect.stringContaining("no receipt 'rc_none'"),
  });
});

test('why and fsck work on the folder of a gateway that is stopped, and change nothing in it', async () => {
  const dataDir = emptyFolder();
  const kernel = startKernel({ dataDir });
  const [first] = await kernel.propose([setpoint('412', 21.5)]);
  const [refused] = await kernel.propose([pulse('A'), setpoint('412', 500)]);
  await kernel.close();
  const off = (...args: readonly string[]) => fibric([...args, '--data', dataDir]);
  const { code, out } = await off('why', first?.receipt_id ?? '');
  expect([code, out.split('\n').length < SCREEN]).toEqual([0, true]);
  expect(out).toContain('upstream   none: nothing is sent anywhere');
  expect(JSON.parse((await off('why', refused?.receipt_id ?? '', '--json')).out)).toMatchObject({
    object: 'why',
    receipt: refused,
    sync: { state: 'off' },
  });
  const checked = await off('fsck');
  expect(checked).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^clean: \d+ rows, 3 receipts, \d+ rows of state rebuilt and equal\n$/),
  });
  expect(JSON.parse((await off('fsck', '--json')).out)).toEqual(fsck(dataDir));
});

test('acknowledge says what operators were held back for, and lets them act again', async () => {
  const bench = await startBench();
  onTestFinished(() => bench.close());
  bench.view.notReady = ['the journal failed 3 times within ten minutes'];
  expect(await bench.here('acknowledge')).toMatchObject({
    code: 0,
    out: 'acknowledged journal_failing: the journal failed 3 times within ten minutes\n',
  });
  expect(await bench.here('acknowledge')).toMatchObject({ code: 0, out: '', err: 'nothing was held back\n' });
});

test('fsck ends with 6 and names what differs; with 1 while a gateway has the folder', async () => {
  const dataDir = emptyFolder();
  const kernel = startKernel({ dataDir });
  await kernel.propose([setpoint('412', 21.5)]);
  await kernel.close();
  const { default: Database } = await import('better-sqlite3');
  const db = new Database(`${dataDir}/journal.db`);
  db.exec("UPDATE state SET row = '7' WHERE key = 'epoch'");
  db.close();
  expect(await fibric(['fsck', '--data', dataDir])).toMatchObject({
    code: 6,
    out: 'bad  state: meta/epoch is stored as 7, the rows say 1\n',
  });
  const { lockFolder } = await import('@fibric/gateway/journal/lock');
  const lock = lockFolder(dataDir);
  onTestFinished(() => lock.release());
  expect(await fibric(['fsck', '--data', dataDir])).toMatchObject({
    code: 1,
    err: expect.stringContaining('another gateway is running'),
  });
});
