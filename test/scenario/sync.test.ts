/** Receipts on their way upstream: in order, through outages of the upstream and deaths of the gateway, kept once, none missing. */
import type { SyncStatus } from '@fibric/gateway/sync/sync';
import type { Receipt } from '@fibric/sdk';
import { Upstream } from '@fibric/simulators/upstream';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { freePort, HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

const TOKEN = 'upstream-token';
const end = ends();
let desk: Desk;
let line: Line;
let upstream: Upstream;
let gateway: RealGateway;
let celsius = 17;

/** Orders something that was never ordered before. */
const order = (): Promise<Receipt> => {
  celsius = (tenths(celsius) + 1) / 10;
  return desk.order(gateway, 1, celsius);
};

const sentReceipts = (): readonly Receipt[] =>
  upstream.received.flatMap(({ body }) =>
    body.event_type === 'receipt.written' ? [body.payload['receipt'] as Receipt] : [],
  );

/** Everything that is in the journal is upstream, whole, in the order of the journal, each once. */
async function inStep(): Promise<void> {
  await waitFor('the upstream to have all', async () => sentReceipts().length >= (await gateway.receipts()).length);
  expect(sentReceipts()).toEqual(await gateway.receipts());
  const keys = upstream.received.map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
}

const status = (): Promise<SyncStatus> => gateway.get<SyncStatus>('/v1/sync');

beforeAll(async () => {
  [desk, line] = [await Desk.open(end, 1), await openLine(end, 1)];
  upstream = end.add(new Upstream({ port: await freePort(), token: TOKEN }), (one) => one.stop());
  await upstream.start();
  gateway = await startGateway(
    end,
    {
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
upstream: { to: '${upstream.url}', auth: { secret: UPSTREAM_TOKEN }, events: [zone.order] }
`,
    },
    { UPSTREAM_TOKEN: TOKEN },
  );
  await waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
});

test('receipts arrive whole and in order, beside the events that the site wants to send', async () => {
  for (let i = 0; i < 3; i += 1) expect(await order()).toMatchObject({ outcome: 'applied' });
  await inStep();
  await waitFor(
    'the events',
    () => upstream.received.filter(({ body }) => body.event_type === 'zone.order').length >= 3,
  );
  expect(upstream.received.every(({ body }) => ['receipt.written', 'zone.order'].includes(body.event_type))).toBe(true);
  await waitFor('nothing more to send', async () => (await status()).state === 'idle');
  expect(await status()).toMatchObject({ receipts: { backlog: 0 }, dead_letters: { count: 0 } });
});

test('an upstream that is gone stops nothing here, and has everything when it is back', async () => {
  await upstream.stop();
  for (let i = 0; i < 3; i += 1) expect(await order()).toMatchObject({ outcome: 'applied' });
  await waitFor('the trouble to be shown', async () => (await status()).state === 'waiting');
  expect(await status()).toMatchObject({ receipts: { backlog: 3 }, last_error: { reason: 'ECONNREFUSED' } });
  const { code, out } = await gateway.fibric('sync', 'status');
  expect([code, out]).toEqual([0, expect.stringContaining('waiting, 3 receipts')]);
  await upstream.start();
  await inStep();
});

test('an answer that is lost leads to a repeat, which the upstream does not keep twice (row 111)', async () => {
  const before = upstream.requests;
  upstream.trouble({ kind: 'lose_response' }, { kind: 'refuse', status: 503 });
  await order();
  await waitFor('the repeats', () => upstream.requests - before >= 3);
  await inStep();
});

test.each([
  ['SIGKILL', 'stall'],
  ['SIGKILL', 'lose_response'],
  ['SIGTERM', 'stall'],
] as const)('a gateway that ends by %s while the upstream would %s sends on where it was', async (signal, kind) => {
  const before = upstream.requests;
  upstream.trouble({ kind });
  await order();
  await waitFor('a request on its way', () => upstream.requests > before);
  await order();
  await gateway.stop(signal);
  upstream.release();
  await gateway.start();
  await inStep();
  await waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
  expect(await order()).toMatchObject({ outcome: 'applied' });
  await inStep();
  expect(await status()).toMatchObject({ dead_letters: { count: 0 } });
});

test('a token that is refused stops the uplink and not the gateway, and loses nothing', async () => {
  upstream.trouble({ kind: 'refuse', status: 401, code: 'key_invalid' });
  expect(await order()).toMatchObject({ outcome: 'applied' });
  await waitFor('the refusal to be shown', async () => (await status()).state === 'locked_out');
  expect(await order()).toMatchObject({ outcome: 'applied' });
  expect((await status()).receipts.backlog).toBeGreaterThan(0);
  // The same token is not tried again and again: a restart reads it anew.
  await gateway.stop();
  await gateway.start();
  await inStep();
});
