/** What a person sees when the journal cannot be trusted: from outside, on the real gateway. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { StatusView } from '@fibric/gateway/api/view';
import { ends } from '../support/ends.ts';
import { HEAD, RealGateway, writeFiles } from '../support/real-gateway.ts';

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
