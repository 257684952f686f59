/** The command against a gateway that runs, the same when it has stopped, and a journal that somebody has changed. */
import { cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Receipt } from '@fibric/sdk';
import { beforeAll, describe, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { fibric, HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine } from './desk.ts';

const end = ends();
let gateway: RealGateway;
let receipt: Receipt;
/** What the verbs that also read a folder said while the gateway ran. */
const online = new Map<string, string>();

const GREEDY = `import { defineOperator } from '@fibric/sdk';
export default defineOperator({
  name: 'greedy', goal: 'Ask for what nobody allows.', requires: ['hvac.setpoint'], trigger: { on: 'ask' },
  run: (ctx) => ctx.propose([{ capability: 'hvac.setpoint', args: { zone: '1', celsius: 40 } }], 'more'),
});
`;

beforeAll(async () => {
  const [desk, line] = [await Desk.open(end, 1), await openLine(end, 1)];
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'greedy/operator.ts': GREEDY,
    'greedy/policy.yaml': 'version: 1\nallow: [hvac.mode]\n',
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line: { driver: modbus, url: 'tcp://127.0.0.1:${line.port}' }
devices:
${desk.devices()}
  - { id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line], climate.read: [line] }
operators:
  ${PUPPET_OPERATOR}
  greedy: { mode: live, path: ./greedy, policy: ./greedy/policy.yaml }
`,
  });
  await waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
  receipt = await desk.order(gateway, 1, 21);
  expect(receipt.outcome).toBe('applied');
});

const run = async (line: string): Promise<{ code: number; out: string; err: string }> =>
  gateway.fibric(...line.split(' '));

describe.concurrent('a gateway that runs', () => {
  test.for([
    ...[
      'status',
      'status --json',
      'doctor',
      'whoami',
      'connectors ls',
      'connectors test line',
      'capabilities ls',
      'devices ls',
    ],
    ...[
      'points ls',
      'points read unit-1/setpoint',
      'operators ls',
      'operators mode puppet shadow',
      'plans ls',
      'receipts ls',
      'receipts verify',
    ],
    ...['events ls', 'sync status'],
  ])('0: %s', async (line, { expect }) => {
    const { code, out } = await run(line);
    expect([code, out.length > 0]).toEqual([0, true]);
  });

  test.for([
    ['2', 'operators mode puppet turbo'],
    ['2', 'points read setpoint'],
    ['2', 'receipts lst'],
    ['3', 'operators run greedy --once'],
    ['4', 'receipts show rc_none'],
    ['4', 'plans show pl_none'],
    ['4', 'connectors test nothing'],
    ['4', 'operators run nobody --once'],
    ['4', 'points read unit-1/colour'],
  ])('%s: %s', async ([code, line], { expect }) => {
    expect(String((await run(line ?? '')).code)).toBe(code);
  });
});

test('what policy refuses is a receipt that says so, and nothing was sent', async () => {
  const refused = (await gateway.receipts()).filter(({ operator }) => operator === 'greedy');
  expect(refused).toMatchObject([{ outcome: 'blocked', verdict: { decision: 'BLOCK' }, device_response: null }]);
});

test('its receipts are handed out in a bundle that proves itself to who trusts its key, and a text is erased for good (rows 103, 107)', async () => {
  const folder = end.folder();
  const [all, one, trust] = ['all.bundle', 'one.bundle', 'site.trust'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(trust, (await run('receipts trust')).out);
  const verify = async (bundle: string) =>
    JSON.parse((await run(`receipts verify ${bundle} --trust ${trust} --json`)).out);
  expect(await run(`receipts export ${one} ${receipt.receipt_id}`)).toMatchObject({ code: 0 });
  expect(await verify(one)).toMatchObject({ kind: 'proved', receipts: 1, withheld: 0, erased: [] });
  const erase = `receipts erase ${receipt.receipt_id} trigger --as data-officer --reason asked-for`;
  expect(await run(erase)).toMatchObject({ code: 0 });
  expect(await run(erase)).toMatchObject({ code: 1, err: expect.stringContaining('or it was erased') });
  expect((await run(`why ${receipt.receipt_id}`)).code).toBe(0);
  // What is written from here on is signed by this export: the gateway has nothing to sign when it stops.
  expect(await run(`receipts export ${all}`)).toMatchObject({ code: 0 });
  const proof = await verify(all);
  const erased = [{ field: 'trigger', who: 'data-officer', reason: 'asked-for' }];
  expect(proof).toMatchObject({ kind: 'proved', erased, withheld: 1 });
  const bytes = readFileSync(all);
  truncateSync(all, bytes.length - 100);
  expect(await run(`receipts verify ${all} --trust ${trust}`)).toMatchObject({
    code: 7,
    out: expect.stringMatching(/^incomplete after row \d+: the bundle ends in the middle/),
  });
  writeFileSync(all, bytes.with(bytes.indexOf('"outcome":"applied"') + 12, 65));
  expect(await run(`receipts verify ${all} --trust ${trust}`)).toMatchObject({
    code: 6,
    out: `tampered: seq ${receipt.seq}: its content does not match its hash\n`,
  });
  expect(await run(`receipts verify ${trust} --trust ${trust}`)).toMatchObject({ code: 2 });
  expect(await run(`receipts verify ${one} --trust ${one}`)).toMatchObject({ code: 2 });
});

describe('a gateway that has stopped', () => {
  const READS = ['receipts ls --json', 'plans ls --json', 'events ls --json', 'receipts verify --json'];

  beforeAll(async () => {
    // Blocks of the event log that are not full are written when they are a quarter of a second old.
    await waitFor('the last event in the log', async () =>
      (await run('events ls --json --type receipt.written')).out.includes(receipt.receipt_id),
    );
    READS.push(`receipts show ${receipt.receipt_id} --json`, `plans show ${receipt.plan_id} --json`);
    for (const line of READS) online.set(line, (await run(line)).out);
    expect(await gateway.stop()).toBe(0);
  });

  test('shows the same from its folder', async () => {
    for (const [line, out] of online) {
      if (line.startsWith('events ls')) continue;
      expect([line, await run(line)]).toEqual([line, { code: 0, out, err: '' }]);
    }
    const cursors = (text: string): number[] => rows<{ cursor: number }>(text).map(({ cursor }) => cursor);
    const before = cursors(online.get('events ls --json') ?? '');
    expect(cursors((await run('events ls --json')).out).slice(0, before.length)).toEqual(before);
    expect((await run('receipts show rc_none')).code).toBe(4);
  });

  test.each([
    'status',
    'doctor',
    'whoami',
    'points ls',
    'points read unit-1/setpoint',
    'operators run greedy --once',
    'sync status',
  ])('5: %s, with what to do', async (line) => {
    const { code, out, err } = await run(line);
    expect([code, out + err]).toEqual([5, expect.stringContaining('fibric up <site.yaml>')]);
  });

  test('6: a copy of its journal in which a value was changed does not verify, and the first bad row is named (row 103)', async () => {
    const copy = end.folder();
    cpSync(gateway.data, copy, { recursive: true });
    const db = new DatabaseSync(join(copy, 'journal.db'));
    for (const { name } of db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all())
      db.exec(`DROP TRIGGER "${String(name)}"`);
    db.prepare('UPDATE entries SET body = replace(body, ?, ?) WHERE seq = ?').run(
      '"celsius":21',
      '"celsius":26',
      receipt.seq,
    );
    db.close();
    expect(await fibric(['receipts', 'verify', '--data', copy])).toEqual({
      code: 6,
      out: `tampered: seq ${receipt.seq}: its content does not match its hash\n`,
      err: 'Keep the folder as evidence; rows before that seq are proved.\n',
    });
    expect((await run('receipts verify')).code).toBe(0);
  });
});
