/** A real gateway and a witness: what it cosigned is proved, and the folder of yesterday put back does not go on as if nothing had been. */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusView } from '@fibric/gateway/api/view';
import { Upstream } from '@fibric/simulators/upstream';
import { Witness } from '@fibric/simulators/witness';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { freePort, HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine } from './desk.ts';

const end = ends();
let desk: Desk;
let gateway: RealGateway;
let witness: Witness;
let upstream: Upstream;

const device = () => waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');

beforeAll(async () => {
  const [opened, line] = [await Desk.open(end, 1), await openLine(end, 1)];
  desk = opened;
  witness = new Witness('witness.example/w1', () => Date.now() / 1_000);
  upstream = end.add(new Upstream({ port: await freePort(), witness }), (one) => one.stop());
  await upstream.start();
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line: { driver: modbus, url: 'tcp://127.0.0.1:${line.port}' }
devices:
${desk.devices()}
  - { id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line] }
operators: { ${PUPPET_OPERATOR} }
upstream: { to: '${upstream.url}', witness: { key: '${witness.key}' } }
`,
  });
  await device();
});

test('a folder that was put back from a copy goes out of live, and what it signs from then on is another log (row 105)', async () => {
  const folder = end.folder();
  const log = JSON.parse((await gateway.fibric('receipts', 'trust', '--json')).out) as { key: string; origin: string };
  expect(await desk.order(gateway, 1, 18)).toMatchObject({ outcome: 'applied' });
  await gateway.stop();
  witness.enrol(log.key);
  await gateway.start();
  await waitFor('a cosignature', () => witness.sizeOf(log.origin) > 0);
  await device();
  await gateway.stop();
  cpSync(gateway.data, join(folder, 'copy'), { recursive: true });
  const yesterday = witness.sizeOf(log.origin);
  await gateway.start();
  await device();
  expect(await desk.order(gateway, 1, 19)).toMatchObject({ outcome: 'applied' });
  await gateway.stop();
  await gateway.start();
  await waitFor('more to be cosigned', () => witness.sizeOf(log.origin) > yesterday);
  const trust = join(folder, 'trust');
  writeFileSync(trust, `log ${log.key}\nwitness w1 ${witness.key}\nquorum w1\n`);
  await gateway.stop();
  const verify = ['receipts', 'verify', '--data', gateway.data, '--trust', trust, '--json'];
  const proof = JSON.parse((await gateway.fibric(...verify)).out) as { checkpoint: { cosigned: unknown[] } };
  expect(proof.checkpoint.cosigned).toMatchObject([{ witness: 'w1' }]);
  rmSync(gateway.data, { recursive: true });
  cpSync(join(folder, 'copy'), gateway.data, { recursive: true });
  await gateway.start();
  const status = () => gateway.get<StatusView>('/v1/status');
  await waitFor('the fork to be seen', async () => (await status()).not_ready.join().includes('put back from a copy'));
  expect((await gateway.fibric('doctor')).out).toContain('put back from a copy');
  const now = JSON.parse((await gateway.fibric('receipts', 'trust', '--json')).out) as { origin: string };
  expect(now.origin).not.toBe(log.origin);
  expect(await gateway.fibric('acknowledge')).toMatchObject({ code: 0 });
});
