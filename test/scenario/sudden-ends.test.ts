/** Ends that nobody planned, in the middle of a write: each is a crash like any other, and the next start settles what it left. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { idAt } from '@fibric/gateway/journal/entries';
import { openJournal } from '@fibric/gateway/journal/journal';
import { systemClock } from '@fibric/gateway/system';
import { dropAnswer, writes } from '@fibric/simulators/modbus/server';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { freePort, HEAD, RealGateway, startGateway, writeFiles } from '../support/real-gateway.ts';
import { actionOf, intentOf, planOf } from '../support/rows.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine, tenths } from './desk.ts';

const end = ends();

/** Runs inside the gateway, as a library of it could, and does `deed` once there is a file of that name. */
const intruder = (deed: string): string => `
import { existsSync } from 'node:fs';
const hoard = [];
const timer = setInterval(() => {
  if (!existsSync(process.env.INTRUDER_WAITS_FOR)) return;
  clearInterval(timer);
  ${deed}
}, 5);
timer.unref();
`;

it.each([
  ['a rejection that nobody takes', "Promise.reject(new Error('nobody takes this'));"],
  ['an error thrown in a handler', "throw new Error('thrown in a handler');"],
  ['an exit in a handler', 'process.exit(0);'],
  ['memory that runs out', 'for (;;) hoard.push(new Array(1e5).fill(hoard.length));'],
])('X3 J3 %s leaves an intent, and the next start says what became of it (row 53)', async (_, deed) => {
  const desk = await Desk.open(end, 1);
  const { unit, port } = await openLine(end, 1);
  const dir = end.folder();
  const [script, sign] = [join(dir, 'intruder.mjs'), join(dir, 'now')];
  writeFileSync(script, intruder(deed));
  const gateway = await startGateway(
    end,
    {
      ...DESK_FILES,
      'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 10s }
devices:
${desk.devices()}
  - { id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line] }
operators: { ${PUPPET_OPERATOR} }
`,
    },
    { NODE_OPTIONS: `--max-old-space-size=256 --import=${script}`, INTRUDER_WAITS_FOR: sign },
  );
  unit.behaviours = [dropAnswer(writes)];
  desk.ask(1, 22);
  await waitFor('the write to be at the device', () => unit.get('holding', 0) === tenths(22));
  writeFileSync(sign, '');
  await waitFor('the gateway to end', () => !gateway.running, 30_000);
  unit.behaviours = [];
  writeFileSync(script, '');
  await gateway.start();
  const receipt = await waitFor('the receipt', async () =>
    (await gateway.receipts()).find((one) => one.args['celsius'] === 22),
  );
  expect(receipt).toMatchObject({ outcome: 'applied', reason_code: 'inferred_by_readback', attempt: 1 });
  expect(unit.writes('holding', 0)).toBe(1);
});

it('J2 a start with a doubt, and neither a device nor an operator to wait for, is a start all the same', async () => {
  const gateway = end.add(new RealGateway(end.folder()), (one) => one.stop());
  writeFiles(gateway.dir, {
    ...DESK_FILES,
    'site.yaml': `${HEAD}
profiles: ./profiles
connections: { fcu: { driver: modbus, url: 'tcp://127.0.0.1:${await freePort()}' } }
devices: [{ id: fcu-412, connection: fcu, unit: 1, profile: quick, entity: 'zone:412' }]
`,
  });
  const clock = systemClock();
  const journal = openJournal({ dataDir: gateway.data, clock, bootId: 'b', onFailure: () => undefined });
  const boot = { boot_id: 'b', gateway_uid: 'gw_test', software: '0', site: 's' };
  journal.append({ type: 'boot/1', epoch: 1, ...boot });
  const action = actionOf(idAt('pl', journal.nextSeq), 0);
  journal.append(planOf(action.plan_id, [action]));
  journal.append(intentOf(action, 1));
  await journal.durable();
  journal.close();
  await gateway.start();
  expect(await gateway.stop()).toBe(0);
});
