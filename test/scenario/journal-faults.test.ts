/** What a person sees when the journal cannot be trusted: from outside, on the real gateway. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { StatusView } from '@fibric/gateway/api/view';
import { ends } from '../support/ends.ts';
import { HEAD, RealGateway, startGateway, writeFiles } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine, siteOfOne, tenths } from './desk.ts';

const end = ends();

function gatewayOn(files: Readonly<Record<string, string>>): RealGateway {
  const dir = end.folder();
  writeFiles(dir, files);
  return end.add(new RealGateway(dir), (one) => one.stop());
}

it('R1 R2 a broken journal does not keep the site down: it is moved aside, and operators propose only until that is acknowledged (row 98)', async () => {
  const gateway = gatewayOn({ 'site.yaml': `${HEAD}connections: {}\ndevices: []\n` });
  await gateway.start();
  await gateway.stop();
  const file = join(gateway.data, 'journal.db');
  const bytes = readFileSync(file);
  bytes.fill(0, 0, 64);
  writeFileSync(file, bytes);
  await gateway.start();
  const aside = readdirSync(gateway.data).find((name) => name.startsWith('set-aside-')) ?? '';
  expect(readFileSync(join(gateway.data, aside, 'journal.db')).equals(bytes)).toBe(true);
  const status = await gateway.get<StatusView>('/v1/status');
  expect([status.ready, status.not_ready]).toEqual([false, [expect.stringContaining(aside)]]);
  expect((await gateway.fibric('status')).out).toContain(aside);
  expect(await gateway.fibric('acknowledge')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^acknowledged journal_replaced: /),
  });
  expect((await gateway.get<StatusView>('/v1/status')).ready).toBe(true);
  expect(await gateway.fibric('fsck')).toMatchObject({ code: 1, err: expect.stringContaining('a gateway runs on') });
  await gateway.stop();
  expect(await gateway.fibric('fsck')).toMatchObject({ code: 0 });
  await gateway.start();
  expect((await gateway.get<StatusView>('/v1/status')).ready).toBe(true);
}, 60_000);

it('R3 what a broken journal had lent is taken back by the one that follows, before anybody has acknowledged anything (row 98)', async () => {
  const zone = 1;
  const desk = await Desk.open(end, zone);
  const line = await openLine(end, zone);
  const { unit } = line;
  const gateway = await startGateway(end, {
    ...DESK_FILES,
    'puppet/policy.yaml': `version: 1
rules:
  - { id: lent, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { lease: { ttl: 3s, fallback: baseline } } }
`,
    'site.yaml': siteOfOne(desk, line),
  });
  await waitFor('unit-1 to be read', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
  expect(await desk.order(gateway, zone, 22)).toMatchObject({ outcome: 'applied', lease: { state: 'active' } });
  await gateway.stop();
  expect(unit.get('holding', 0)).toBe(tenths(22));
  writeFileSync(join(gateway.data, 'journal.db'), 'this was a journal once, and it is not any more');
  await gateway.start();
  await waitFor('the lease to be taken back', () => unit.get('holding', 0) === tenths(17));
  expect((await gateway.get<StatusView>('/v1/status')).not_ready).toEqual([expect.stringContaining('moved to')]);
  const alerts = (await gateway.fibric('alerts', 'ls')).out;
  expect(alerts).toContain('taken over from the journal that is lost: leases, which end at their time: 1');
  const released = await waitFor('its receipt', async () =>
    (await gateway.receipts()).find((one) => one.lease?.state === 'released'),
  );
  expect(released).toMatchObject({ outcome: 'applied', target: [{ point: 'setpoint', value: 17 }], refers_to: [] });
  expect(await gateway.fibric('receipts', 'verify')).toMatchObject({ code: 0 });
}, 60_000);

it('R2 three failures of the journal in ten minutes: the fourth start does not act by itself (row 97)', async () => {
  const gateway = gatewayOn({ 'site.yaml': `${HEAD}connections: {}\ndevices: []\n` });
  await gateway.start();
  await gateway.stop();
  const now = new Date().toISOString();
  writeFileSync(join(gateway.data, 'journal-failures'), `${now}\n${now}\n${now}\n`);
  await gateway.start();
  const held = 'the journal failed 3 times within ten minutes';
  expect((await gateway.get<StatusView>('/v1/status')).not_ready).toEqual([held]);
  await gateway.stop('SIGKILL');
  await gateway.start();
  expect((await gateway.get<StatusView>('/v1/status')).not_ready).toEqual([held]);
  await gateway.fibric('acknowledge');
  await gateway.stop();
  await gateway.start();
  expect((await gateway.get<StatusView>('/v1/status')).ready).toBe(true);
}, 60_000);
