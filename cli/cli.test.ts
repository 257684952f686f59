import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { receiptOf } from '@fibric/gateway/api/fixture';
import { ensureToken } from '@fibric/gateway/api/auth';
import { writeRunFile } from '@fibric/gateway/api/run-file';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, emptyFolder, fibric, startBench } from './harness.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.clear());

const here = (...args: readonly string[]) => bench.here(...args);

describe('in the name of a person', () => {
  test('everything is stopped, and status says so first of all', async () => {
    expect(await here('stop-all')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--as <who>') });
    expect(await here('stop-all', '--clear', '--release', '--as', 'duty-engineer')).toMatchObject({ code: 2 });
    const stopped = await here('stop-all', '--as', 'duty-engineer', '--reason', 'smoke');
    expect(stopped).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^STOPPED by duty-engineer: .* 1 lease stay/),
    });
    expect((await here('status')).out).toMatch(/^STOPPED +by duty-engineer since .*: smoke; nothing new is sent/);
    expect((await here('doctor')).out).toContain('BAD  stop: everything is stopped by duty-engineer');
    expect((await here('stop-all', '--clear', '--as', 'duty-engineer')).code).toBe(0);
    expect((await here('status')).out).not.toContain('STOPPED');
    expect((await here('stop-all', '--clear', '--as', 'duty-engineer')).code).toBe(1);
  });

  test('a lease is released, and the list says what it goes back to', async () => {
    expect((await here('leases', 'ls')).out).toMatch(/ls_0000001a +active +zone:412 .*setpoint=21.5 +setpoint=17/);
    expect(await here('leases', 'release', 'ls_0000001a')).toMatchObject({ code: 2 });
    const done = await here('leases', 'release', 'ls_0000001a', '--as', 'duty-engineer');
    expect(done).toMatchObject({ code: 0, out: 'ls_0000001a released: the device is back where it was\n' });
    expect((await here('leases', 'release', 'ls_none', '--as', 'duty-engineer')).code).toBe(4);
  });
});

describe('exit codes', () => {
  test('0: done', async () => {
    expect(await here('status', '--json')).toMatchObject({ code: 0, err: '' });
    expect((await fibric(['--help'])).code).toBe(0);
    expect((await fibric(['receipts', 'show', '--help'])).code).toBe(0);
    expect(await fibric(['--version'])).toMatchObject({ code: 0, out: '0.1.0\n' });
  });

  test('2: a command line that makes no sense, with what was probably meant', async () => {
    expect(await fibric(['statsu'])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('(Did you mean status?)'),
    });
    expect(await here('receipts', 'lss')).toMatchObject({
      code: 2,
      err: expect.stringContaining('(Did you mean ls?)'),
    });
    expect(await here('receipts', 'ls', '--jsn')).toMatchObject({ code: 2, err: expect.stringContaining('--json') });
    expect((await here('receipts', 'show')).code).toBe(2);
    expect((await here('receipts', 'ls', '--limit', '0')).code).toBe(2);
    expect((await fibric(['receipts'])).code).toBe(2);
    expect(await here('operators', 'mode', 'comfort', 'turbo')).toMatchObject({
      code: 2,
      err: expect.stringContaining('propose_only'),
    });
    expect(await here('points', 'read', 'room-412')).toMatchObject({
      code: 2,
      err: expect.stringContaining('<device>/<point>'),
    });
  });

  test('3: everything that was proposed is refused by policy', async () => {
    bench.view.nextReceipts = [
      receiptOf(2, { outcome: 'blocked', reason_code: 'ceiling' }),
      receiptOf(4, { outcome: 'truncated' }),
    ];
    expect((await here('operators', 'run', 'comfort', '--once')).code).toBe(3);
    bench.view.nextReceipts = [receiptOf(2, { outcome: 'blocked' }), receiptOf(4)];
    expect((await here('operators', 'run', 'comfort', '--once')).code).toBe(0);
    bench.view.nextReceipts = [];
    expect((await here('operators', 'run', 'comfort', '--once')).code).toBe(0);
  });

  test('4: no such thing', async () => {
    expect(await here('receipts', 'show', 'rc_none')).toEqual({
      code: 4,
      out: '',
      err: "fibric: no receipt 'rc_none'\n  List what there is with the matching `ls`.\n",
    });
    expect((await here('plans', 'show', 'pl_none')).code).toBe(4);
    expect((await here('operators', 'run', 'nobody', '--once')).code).toBe(4);
    expect((await here('connectors', 'test', 'none')).code).toBe(4);
    expect((await here('points', 'read', 'room-412/colour')).code).toBe(4);
  });

  test('5: no gateway answers, and the message says what to do', async () => {
    const empty = emptyFolder();
    const verbs = [
      'status',
      'whoami',
      'points ls',
      'points tail',
      'events tail',
      'connectors ls',
      'capabilities ls',
      'devices ls',
    ];
    const more = [
      'operators ls',
      'operators run comfort',
      'operators mode comfort live',
      'leases ls',
      'leases release ls_1 --as duty-engineer',
      'stop-all --as duty-engineer',
      'receipts tail',
      'sync status',
      'doctor',
    ];
    const tried = async (verb: string) => {
      const { code, out, err } = await fibric([...verb.split(' '), '--data', empty]);
      expect([verb, code]).toEqual([verb, 5]);
      expect(out + err).toContain('fibric up <site.yaml>');
    };
    await Promise.all([...verbs, ...more].map(tried));
  });

  test('5: a file that a killed gateway left behind leads to nobody, also when its port is another’s now', async () => {
    const stale = emptyFolder();
    ensureToken(stale);
    writeRunFile(stale, { url: 'http://127.0.0.1:1', pid: process.pid });
    expect((await fibric(['status', '--data', stale])).code).toBe(5);
    writeRunFile(stale, { url: bench.url, pid: process.pid + 1 });
    expect((await fibric(['status', '--data', stale])).code).toBe(5);
  });

  test('6: the chain does not verify', async () => {
    expect(await here('receipts', 'verify')).toMatchObject({
      code: 0,
      out: `proved: 3 rows, 2 receipts, head ${'d'.repeat(64)}\n`,
    });
    const proved = bench.view.journal.verification;
    bench.view.journal.verification = { kind: 'tampered', seq: 17, reason: 'its content does not match its hash' };
    expect(await here('receipts', 'verify')).toMatchObject({
      code: 6,
      out: 'tampered: seq 17: its content does not match its hash\n',
    });
    const json = await here('receipts', 'verify', '--json');
    bench.view.journal.verification = proved;
    expect([json.code, JSON.parse(json.out)]).toEqual([
      6,
      { object: 'verification', kind: 'tampered', seq: 17, reason: 'its content does not match its hash' },
    ]);
  });
});

describe('which gateway is meant', () => {
  test('--data, else FIBRIC_DATA, else the usual folder in which one runs', async () => {
    const cwd = emptyFolder();
    const whoami = async (env = {}, args: readonly string[] = []) =>
      JSON.parse((await fibric(['whoami', '--json', ...args], { cwd, env })).out || '{}').data;
    expect(await whoami({ FIBRIC_DATA: bench.data })).toBe(bench.data);
    expect(await whoami({ FIBRIC_DATA: '/nowhere' }, ['--data', bench.data])).toBe(bench.data);
    const usual = join(cwd, '.fibric', 'office');
    mkdirSync(usual, { recursive: true });
    writeFileSync(join(usual, 'token'), ensureToken(bench.data));
    writeRunFile(usual, { url: bench.url, pid: process.pid });
    expect(await whoami()).toBe(usual);
  });

  test('none or two of them is said, with the way out', async () => {
    const cwd = emptyFolder();
    expect(await fibric(['status'], { cwd })).toMatchObject({ code: 5, err: expect.stringContaining('--data <dir>') });
    for (const site of ['hotel', 'office']) {
      const folder = join(cwd, '.fibric', site);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'token'), ensureToken(bench.data));
      writeRunFile(folder, { url: bench.url, pid: process.pid });
    }
    expect(await fibric(['status'], { cwd })).toMatchObject({ code: 2, err: expect.stringContaining('--data <dir>') });
  });

  test('a wrong token is said as such', async () => {
    const other = emptyFolder();
    ensureToken(other);
    writeRunFile(other, { url: bench.url, pid: process.pid });
    expect(await fibric(['status', '--data', other])).toMatchObject({ code: 1, err: expect.stringContaining('token') });
  });
});
