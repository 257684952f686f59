/** Alerts on the wire: the real process, a device, and a receiver of webhooks and a mail server that go away and come back. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AlertView } from '@fibric/gateway/journal/alert-reader';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { HookReceiver } from '../support/hook-receiver.ts';
import { MAIL_USER, MailReceiver } from '../support/mail-receiver.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine } from './desk.ts';

const ZONES = [1, 2, 3];
const KEY = 'canary4711';
const POLICY = `version: 1
rules: [{ id: told, match: { capability: hvac.setpoint }, decision: ALERT }]
`;

const end = ends();
const receiver = new HookReceiver();
const mail = new MailReceiver();
let desk: Desk;
let gateway: RealGateway;
const lines = new Map<number, Line>();

beforeAll(async () => {
  await receiver.up();
  end.add(receiver, (one) => one.down());
  await mail.up();
  end.add(mail, (one) => one.down());
  desk = await Desk.open(end, ZONES.length);
  for (const zone of ZONES) lines.set(zone, await openLine(end, zone));
  const all = [...lines];
  gateway = await startGateway(
    end,
    {
      ...DESK_FILES,
      'puppet/policy.yaml': POLICY,
      'site.yaml': `${HEAD}
alerts:
  to:
    - { file: alerts.ndjson }
    - { webhook: '${receiver.url}', secret: HOOK_KEY }
    - smtp: { host: 127.0.0.1, port: ${mail.port}, tls: none, from: gateway@example.com, to: [duty@example.com], auth: { user: MAIL_USER, pass: MAIL_PASS } }
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
${all.map(([zone, { port }]) => `  line-${zone}: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }`).join('\n')}
devices:
${desk.devices()}
${all.map(([zone]) => `  - { id: unit-${zone}, connection: line-${zone}, unit: ${zone}, profile: quick, entity: 'zone:${zone}' }`).join('\n')}
bindings: { hvac.setpoint: [${all.map(([zone]) => `line-${zone}`).join(', ')}] }
operators: { ${PUPPET_OPERATOR} }
`,
    },
    { HOOK_KEY: KEY, MAIL_USER: MAIL_USER.user, MAIL_PASS: MAIL_USER.pass },
  );
  for (const [zone] of all)
    await waitFor(
      `unit-${zone} to be read`,
      async () => (await gateway.point(`unit-${zone}/setpoint`)).quality === 'good',
    );
});

const alerts = async (): Promise<AlertView[]> => {
  const all = rows<AlertView>((await gateway.fibric('alerts', 'ls', '--json')).out);
  return all.filter(({ kind }) => kind === 'alerted');
};
const received = () => receiver.received.map(({ body }) => JSON.parse(body) as { id: string; kind: string });
const pages = () => received().filter(({ kind }) => kind === 'alerted');

/** Alerts by mail, by their ids. */
const mailed = () =>
  mail.mails.flatMap((one) => (one.includes('puppet does') ? (/al_[0-9a-z]{8}/.exec(one) ?? []) : []));

test('N1 what is done is told, and what was told while nobody listened is told when somebody does, also after a kill', async () => {
  await desk.order(gateway, 1, 21);
  await waitFor('the first page', () => pages().length === 1);
  await waitFor('the first mail', () => mailed().length === 1);
  await receiver.down();
  await mail.down();
  await desk.order(gateway, 2, 22);
  await waitFor('the file to have it', () =>
    readFileSync(join(gateway.data, 'alerts.ndjson'), 'utf8').includes('zone:2'),
  );
  expect((await alerts()).map(({ state }) => state)).toEqual(['delivered', 'sending']);
  await gateway.stop('SIGKILL');
  await gateway.start();
  await desk.order(gateway, 3, 23);
  await receiver.up();
  await mail.up();
  await waitFor('everything to be delivered', async () => (await alerts()).every(({ state }) => state === 'delivered'));
  const ids = (await alerts()).map(({ alert_id }) => alert_id);
  expect(ids).toHaveLength(3);
  expect([...new Set(pages().map(({ id }) => id))].sort()).toEqual(ids);
  expect([...new Set(mailed())].sort()).toEqual(ids);
});

test('N1 each is there for whoever reads the folder, and the secret nowhere', async () => {
  const file = join(gateway.data, 'alerts.ndjson');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const listed = (await gateway.request('/v1/alerts?limit=100')).text;
  expect(listed).toContain('puppet does hvac.setpoint on zone:1: setpoint to 21');
  expect([readFileSync(file, 'utf8'), listed, gateway.text].some((text) => text.includes(KEY))).toBe(false);
  await gateway.stop();
  const checked = await gateway.fibric('fsck');
  expect([checked.code, checked.out.split('\n')[0]]).toEqual([0, expect.stringContaining('clean')]);
  expect(rows<AlertView>((await gateway.fibric('alerts', 'ls', '--json', '--limit', '2')).out)).toHaveLength(2);
});
