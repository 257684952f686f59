/** The policy of a running site, changed from outside: the real process, a Modbus device, SIGHUP. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PolicyView } from '@fibric/gateway/policies/view';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine } from './desk.ts';

const end = ends();
let desk: Desk;
let gateway: RealGateway;
const policyFile = (): string => join(gateway.dir, 'puppet/policy.yaml');

beforeAll(async () => {
  desk = await Desk.open(end, 1);
  const { port } = await openLine(end, 1);
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }
devices:
${desk.devices()}
  - { id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line] }
operators: { ${PUPPET_OPERATOR} }
`,
  });
  await waitFor('unit-1 to be read', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
});

const running = async (): Promise<PolicyView> =>
  rows<PolicyView>((await gateway.fibric('policy', 'ls', '--json')).out)[0] as PolicyView;

/** Sends SIGHUP and waits for what comes of it. */
async function hangUp(found: (now: PolicyView) => boolean): Promise<PolicyView> {
  gateway.signal('SIGHUP');
  return waitFor('the policies to be read again', async () => {
    const now = await running();
    return found(now) ? now : null;
  });
}

test('P7 P8 SIGHUP takes a new policy over; a bad or missing one leaves the last good one, over a restart (rows 15, 16)', async () => {
  expect(await desk.order(gateway, 1, 22)).toMatchObject({ outcome: 'applied' });
  const first = await running();

  writeFileSync(
    policyFile(),
    'version: 1\nrules:\n  - { id: mild, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { range: { arg: celsius, max: 23, unit: degC } } }\n',
  );
  const mild = await hangUp(({ hash }) => hash !== first.hash);
  expect(mild).toMatchObject({ state: 'active', activated: { who: 'SIGHUP' } });
  const refused = await desk.order(gateway, 1, 24);
  expect(refused).toMatchObject({
    outcome: 'blocked',
    reason_code: 'out_of_range',
    policy: { rule: 'mild', hash: mild.hash },
  });

  const asked = await gateway.fibric('policy', 'explain', 'hvac.setpoint', 'zone:1', '--value', '24');
  expect(asked).toMatchObject({
    code: 3,
    out: expect.stringContaining('  range: FAILS, celsius is 24 degC, at most 23 degC allowed'),
  });
  expect(await gateway.fibric('policy', 'explain', 'hvac.setpoint', 'zone:1', '--value', '21.5')).toMatchObject({
    code: 0,
  });

  expect((await gateway.fibric('why', refused.receipt_id)).out).toMatch(
    /^policy +.\/puppet\/policy.yaml, in force since .*Z by SIGHUP, row \d+$/m,
  );
  writeFileSync(policyFile(), `${readFileSync(policyFile(), 'utf8')}alow: [hvac.setpoint]\n`);
  const kept = await hangUp(({ state }) => state === 'kept');
  expect(kept).toMatchObject({
    hash: mild.hash,
    findings: [{ line: 4, message: "unknown key 'alow'; did you mean 'allow'?" }],
  });
  expect(gateway.log.find(({ msg }) => msg.startsWith('alert: the policy of puppet is refused'))).toMatchObject({
    level: 'error',
  });
  expect((await gateway.fibric('status')).out).toContain("unknown key 'alow'");
  expect(await desk.order(gateway, 1, 25)).toMatchObject({ outcome: 'blocked', reason_code: 'out_of_range' });

  rmSync(policyFile());
  await gateway.stop();
  await gateway.start();
  expect(await running()).toMatchObject({ state: 'kept', hash: mild.hash, activated: { who: 'SIGHUP' } });
  await waitFor('unit-1 to be read', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
  expect(await desk.order(gateway, 1, 26)).toMatchObject({ outcome: 'blocked', policy: { hash: mild.hash } });
  expect(await desk.order(gateway, 1, 21)).toMatchObject({ outcome: 'applied', policy: { hash: mild.hash } });
});
