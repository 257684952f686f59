/** What keeps a gateway from starting: said on stderr with what to do, and nothing is left behind that would keep the next one out. */
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { fibric, RealGateway, startGateway, writeFiles } from '../support/real-gateway.ts';

const end = ends();
let taken: number;

const site = (listen: number, more = ''): string =>
  `site: { tenant: t_local, name: Site, timezone: UTC }\ngateway: { listen: 127.0.0.1:${listen}, data: ./data }\n${more}`;

beforeAll(async () => {
  const server = end.add(createServer(), (one: Server) => one.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  taken = (server.address() as { port: number }).port;
});

/** Runs `up` on a folder; what it says without the lines of the log. */
async function refused(dir: string): Promise<{ readonly code: number; readonly said: string }> {
  const { code, err } = await fibric(['up', join(dir, 'site.yaml')]);
  return { code, said: err.replaceAll(/^\{.*\n/gm, '') };
}

test.each([
  ['the API', (port: number) => site(port), 'is taken by another program'],
  [
    'the embedded broker',
    (port: number) => site(0, `broker: { listen: 127.0.0.1:${port} }\n`),
    'the broker cannot listen on',
  ],
])('the port of %s in use', async (_, text, message) => {
  const dir = end.folder();
  writeFiles(dir, { 'site.yaml': text(taken) });
  const { code, said } = await refused(dir);
  expect(said).toContain(message);
  expect(said).toContain(`127.0.0.1:${taken}`);
  expect(said).toMatch(/\n {2}Stop that program, or change `\S+` in the site file\.\n$/);
  expect(code).toBe(1);
  // The folder is free again at once.
  writeFiles(dir, { 'site.yaml': site(0) });
  const gateway = end.add(new RealGateway(dir), (one) => one.stop());
  await gateway.start();
  expect(await gateway.stop()).toBe(0);
});

test('a second gateway on the same data folder is refused, and the first goes on (row 45)', async () => {
  const first = await startGateway(end, { 'site.yaml': site(0) });
  const before = await first.get<{ pid: number }>('/v1/status');
  expect(await refused(first.dir)).toEqual({
    code: 1,
    said: `fibric: another gateway is running on ${first.data}\n  Stop it first, or give this one a folder of its own.\n`,
  });
  expect(await first.get('/v1/status')).toMatchObject({ pid: before.pid, ready: true });
});
