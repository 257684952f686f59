import { spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { receiptOf } from '@fibric/gateway/api/fixture';
import { openEventLog } from '@fibric/gateway/events/log';
import { actionId, idAt } from '@fibric/gateway/journal/entries';
import { type Journal, openJournal } from '@fibric/gateway/journal/journal';
import type { PlanView } from '@fibric/gateway/journal/types';
import { systemClock } from '@fibric/gateway/system';
import { type Envelope, makeEnvelope, type Receipt } from '@fibric/sdk';
import { describe, expect, test } from 'vitest';
import { emptyFolder, fibric, LAUNCHER, ndjson, QUIET } from './harness.ts';

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_500 && !holds(); i += 1) await new Promise<void>((resolve) => systemClock().after(10, resolve));
  expect(holds()).toBe(true);
}

describe('a site file', () => {
  const SITE = `site: { tenant: t_local, workspace: ws_x, name: X, timezone: Europe/Stockholm }
gateway: { listen: 127.0.0.1:0, data: ./data }
connections: {}
devices: []
`;

  function siteFile(text: string): string {
    const file = join(emptyFolder(), 'site.yaml');
    writeFileSync(file, text);
    return file;
  }

  test('is checked: every finding with its line and column, exit 2', async () => {
    const good = siteFile(SITE);
    expect(await fibric(['validate', good])).toEqual({ code: 0, out: '', err: 'valid\n' });
    const bad = siteFile(`${SITE}upstrem: 3\n`);
    const finding = `${bad}:5:1: unknown key 'upstrem'; did you mean 'upstream'?\n`;
    expect(await fibric(['validate', bad])).toMatchObject({ code: 2, out: finding });
    expect(await fibric(['up', bad])).toMatchObject({ code: 2, err: expect.stringContaining(finding) });
    const json = await fibric(['validate', bad, '--json']);
    expect([json.code, JSON.parse(json.out)]).toMatchObject([2, { valid: false, findings: [{ line: 5, column: 1 }] }]);
  });

  test('is run until SIGTERM; meanwhile the verbs find the gateway, and a second one is refused the folder', async () => {
    const file = siteFile(SITE);
    const folder = join(dirname(file), 'data');
    const gateway = spawn(process.execPath, [LAUNCHER, 'up', file], { stdio: 'ignore' });
    const ended = new Promise((resolve) => gateway.once('close', resolve));
    try {
      await until(() => existsSync(join(folder, 'run.json')));
      const status = await fibric(['status', '--data', folder]);
      expect(status).toMatchObject({ code: 0, out: expect.stringContaining('X  ready') });
      expect(await fibric(['up', file])).toMatchObject({ code: 1, err: expect.stringContaining('another gateway') });
    } finally {
      gateway.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
    expect((await fibric(['status', '--data', folder])).code).toBe(5);
    expect((await fibric(['receipts', 'verify', '--data', folder])).out).toMatch(
      /^proved: \d rows, 0 receipts, head [0-9a-f]{64}\nsigned by gw_\S+ up to row \d\n$/,
    );
  });
});

describe('a folder without a running gateway', () => {
  const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: null };

  /** A folder as a gateway leaves it: three actions that policy refused, and a few events. */
  async function leftBehind(): Promise<string> {
    const folder = emptyFolder();
    const journal = openJournal({ dataDir: folder, clock: systemClock(), bootId: 'boot', onFailure: () => undefined });
    for (let i = 0; i < 3; i += 1) writeRefused(journal);
    await journal.durable();
    journal.close();
    const events = openEventLog({ dir: folder, clock: systemClock(), siteClock: systemClock(), log: QUIET });
    for (const type of ['zone.temperature', 'dock.door', 'zone.temperature']) {
      events.append(
        makeEnvelope(IDENTITY, { event_id: `ev-${type}`, source: 'fixture', event_type: type, payload: {} }),
      );
    }
    await events.close();
    return folder;
  }

  function writeRefused(journal: Journal): void {
    const { seq: _seq, prev: _prev, hash: _hash, at: _at, clock: _clock, receipt_id: _id, ...receipt } = receiptOf(1);
    const plan_id = idAt('pl', journal.nextSeq);
    const action_id = actionId(plan_id, 0);
    const { capability, args, value, entity_key, operator, version, run_id, correlation_id, proposed_by, mode } =
      receipt;
    journal.append({
      type: 'plan/1',
      plan_id,
      plan_hash: 'a'.repeat(64),
      origin: { operator, operator_uid: 'op_1', version, run_id, event_id: 'ev_1', correlation_id, proposed_by, mode },
      reasoner: null,
      trigger: makeEnvelope(IDENTITY, { event_id: 'ev_1', source: 'cron', event_type: 'cron.tick', payload: {} }),
      reasoning: 'zone 412 is occupied',
      actions: [{ status: 'refused', action: { action_id, plan_id, ordinal: 0, capability, args, value, entity_key } }],
      state: null,
    });
    journal.append({ ...receipt, type: 'receipt/1', plan_id, action_id, outcome: 'blocked' });
  }

  test('receipts, plans and events are read from it', async () => {
    const folder = await leftBehind();
    const off = (...args: readonly string[]) => fibric([...args, '--data', folder]);
    const receipts = ndjson((await off('receipts', 'ls', '--json')).out) as Receipt[];
    expect(receipts.map(({ seq, outcome }) => [seq, outcome])).toEqual([2, 4, 6].map((seq) => [seq, 'blocked']));
    expect(ndjson((await off('receipts', 'ls', '--json', '--limit', '1')).out)).toEqual([receipts[2]]);
    expect(ndjson((await off('receipts', 'ls', '--json', '--operator', 'comfort')).out)).toEqual(receipts);
    const id = receipts[1]?.receipt_id ?? '';
    expect(JSON.parse((await off('receipts', 'show', id, '--json')).out)).toEqual(receipts[1]);
    const plans = ndjson((await off('plans', 'ls', '--json')).out) as PlanView[];
    expect(plans.map((plan) => plan.actions[0]?.receipt_id)).toEqual(receipts.map((receipt) => receipt.receipt_id));
    expect((await off('plans', 'show', plans[0]?.plan_id ?? '')).out).toContain('zone 412 is occupied');
    const types = async (...args: readonly string[]) =>
      ndjson((await off('events', 'ls', '--json', ...args)).out).map((row) => (row as Envelope).event_type);
    expect(await types()).toEqual(['zone.temperature', 'dock.door', 'zone.temperature']);
    expect(await types('--type', 'zone.*', '--limit', '1')).toEqual(['zone.temperature']);
  });

  test('the chain is proved, and a changed row is named', async () => {
    const folder = await leftBehind();
    const proved = await fibric(['receipts', 'verify', '--data', folder]);
    expect([proved.code, proved.out]).toEqual([
      0,
      expect.stringMatching(/^proved: 6 rows, 3 receipts, head [0-9a-f]{64}\n$/),
    ]);
    const db = new DatabaseSync(join(folder, 'journal.db'));
    db.exec(
      "DROP TRIGGER entries_no_update; UPDATE entries SET body = replace(body, 'blocked', 'applied') WHERE seq = 4",
    );
    db.close();
    expect(await fibric(['receipts', 'verify', '--data', folder])).toMatchObject({
      code: 6,
      out: 'tampered: seq 4: its content does not match its hash\n',
    });
    const doctor = await fibric(['doctor', '--data', folder]);
    expect([doctor.code, doctor.out]).toEqual([5, expect.stringContaining('BAD  journal: does not verify at seq 4')]);
  });

  test('that holds nothing is said so', async () => {
    const gone = emptyFolder();
    rmSync(gone, { recursive: true });
    const verbs = ['receipts ls', 'receipts verify', 'receipts show rc_1', 'plans ls', 'plans show pl_1', 'events ls'];
    for (const verb of verbs) {
      const { code, err } = await fibric([...verb.split(' '), '--data', gone]);
      expect([verb, code, err]).toEqual([verb, 4, expect.stringContaining(gone)]);
    }
  });
});
