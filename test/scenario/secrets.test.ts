/**
 * Secrets that stand in the environment, among peers that try to give them away: the broker asks for them, the upstream and the
 * booking system repeat them in their errors. None may appear in a log line, a receipt, an event, an answer or a file.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { freePort, HEAD, type RealGateway, startGateway, writeFiles } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, openLine } from './desk.ts';

/** Stands in every secret, so that one search finds them all. */
const CANARY = 'canary4711';
const SECRETS = {
  FIELD_USER: `user-${CANARY}`,
  FIELD_PASS: `pass-${CANARY}`,
  UPSTREAM_TOKEN: `upstream-${CANARY}`,
  PMS_KEY: `pms-${CANARY}`,
};

const end = ends();
let gateway: RealGateway;
/** What the systems over HTTP were shown. */
const shown: string[] = [];

/** Answers everything with an error that repeats what it was sent. */
async function echo(status: number): Promise<number> {
  const said = (headers: IncomingHttpHeaders): string => {
    shown.push(headers.authorization ?? '');
    return JSON.stringify({
      error: {
        type: 'authentication_error',
        code: 'key_invalid',
        message: `bad credentials: ${headers.authorization}`,
      },
    });
  };
  const server = createServer((request, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(said(request.headers)),
  );
  end.add(server, (one) => {
    one.closeAllConnections();
    one.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** Senses bookings, so that the run fails with what the booking system said. */
const CURIOUS = `import { defineOperator } from '@fibric/sdk';
export default defineOperator({
  name: 'curious', goal: 'Ask for bookings.', requires: ['bookings.read'], trigger: { on: 'ask' },
  async run(ctx) { await ctx.sense('bookings.read'); return []; },
});
`;

beforeAll(async () => {
  const port = await freePort();
  const [upstream, pms] = [await echo(401), await echo(400)];
  const [desk, line] = [await Desk.open(end, 1), await openLine(end, 1)];
  const folder = end.folder();
  writeFiles(folder, { pms: `${SECRETS.PMS_KEY}\n` });
  const { PMS_KEY: _, ...env } = SECRETS;
  gateway = await startGateway(
    end,
    {
      ...DESK_FILES,
      'curious/operator.ts': CURIOUS,
      'site.yaml': `${HEAD}
profiles: ./profiles
broker: { listen: 127.0.0.1:${port}, auth: { user: FIELD_USER, pass: FIELD_PASS } }
connections:
  field: { driver: mqtt, url: 'mqtt://127.0.0.1:${port}', auth: { user: FIELD_USER, pass: FIELD_PASS } }
  stranger: { driver: mqtt, url: 'mqtt://127.0.0.1:${port}', auth: { user: FIELD_PASS, pass: FIELD_USER } }
  pms: { driver: http, connector: pms-http, url: 'http://127.0.0.1:${pms}', auth: { secret: PMS_KEY } }
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
  line: { driver: modbus, url: 'tcp://127.0.0.1:${line.port}' }
devices:
  - { id: room-1, connection: field, topic: room/1, profile: room-sensor, entity: 'zone:1' }
${desk.devices()}
  - { id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }
bindings: { hvac.setpoint: [line], climate.read: [field, line], bookings.read: [pms] }
operators:
  ${PUPPET_OPERATOR}
  curious: { mode: live, path: ./curious, policy: ./puppet/policy.yaml }
upstream: { to: 'http://127.0.0.1:${upstream}', auth: { secret: UPSTREAM_TOKEN } }
`,
    },
    { ...env, PMS_KEY_FILE: join(folder, 'pms') },
  );
  await waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
  await desk.order(gateway, 1, 21);
  expect((await gateway.run('curious')).failure).not.toBeNull();
});

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

test('they are used: the broker lets in who has them and nobody else, the other systems were shown theirs', async () => {
  await waitFor(
    'the refusal of the stranger',
    async () => (await gateway.connection('stranger')).status === 'pending_auth',
  );
  expect(await gateway.connection('field')).toMatchObject({ status: 'connected' });
  await waitFor(
    'the upstream to refuse',
    async () => (await gateway.get<{ state: string }>('/v1/sync')).state === 'locked_out',
  );
  expect(new Set(shown)).toEqual(new Set([`Bearer ${SECRETS.UPSTREAM_TOKEN}`, `Bearer ${SECRETS.PMS_KEY}`]));
});

test('no answer of the API shows one (row 117)', async () => {
  const paths = [
    'status',
    'sync',
    'points',
    'devices',
    'connectors',
    'capabilities',
    'operators',
    'plans',
    'receipts',
    'events',
  ];
  for (const path of paths) {
    const { status, text } = await gateway.request(`/v1/${path}`);
    expect([path, status]).toEqual([path, 200]);
    expect(text).not.toContain(CANARY);
  }
  for (const id of ['field', 'stranger', 'pms']) {
    const probe = await gateway.request(`/v1/connectors/${id}/test`, {});
    expect([id, probe.status]).toEqual([id, 200]);
    expect(probe.text).not.toContain(CANARY);
  }
  expect(JSON.stringify(await gateway.run('curious'))).not.toContain(CANARY);
  expect(JSON.stringify([await gateway.receipts(), await gateway.events('*.*')])).not.toContain(CANARY);
});

test('no command prints one (row 117)', async () => {
  for (const line of [
    'status',
    'doctor',
    'sync status',
    'connectors ls',
    'connectors test stranger',
    'receipts ls',
    'operators run curious',
  ]) {
    const { out, err } = await gateway.fibric(...line.split(' '));
    expect([line, out + err]).toEqual([line, expect.not.stringContaining(CANARY)]);
  }
});

test('no line of the log and no file of the data folder holds one, also after the end (row 117)', async () => {
  expect(await gateway.stop()).toBe(0);
  expect(gateway.text).not.toContain(CANARY);
  const files = filesBelow(gateway.data);
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) expect([file, readFileSync(file).includes(CANARY)]).toEqual([file, false]);
});
