import { mkdirSync, renameSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type AirHandlerServer, createAirHandlerServer } from '@fibric/simulators/opcua/air-handler';
import { systemClock } from '@fibric/simulators/system';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../test/contract/harness.ts';
import { listRejected } from './index.ts';
import { connectionSpec, DEVICE, portOf, type Running, startDriver, temporaryFolder } from './test-rig.ts';

const folder = temporaryFolder();
let server: AirHandlerServer;
let guarded: AirHandlerServer;

beforeAll(async () => {
  const common = { port: 0, world: 'plant-world', clock: systemClock(), pkiDir: `${folder.path}/server` };
  server = createAirHandlerServer(common);
  guarded = createAirHandlerServer({ ...common, security: { user: { name: 'edge', password: 'open sesame' } } });
  await server.start();
  await guarded.start();
});
afterAll(async () => {
  await server.stop();
  await guarded.stop();
  folder.remove();
});

const running: Running[] = [];
afterEach(async () => {
  for (const { driver } of running.splice(0)) await driver.stop();
});

async function drive(at: AirHandlerServer, options: object, state: string, secrets: Record<string, string> = {}) {
  const points = [{ name: 'supply_setpoint', node: 'SupplySetpoint', access: 'read_write' as const }];
  const started = await startDriver(connectionSpec(portOf(at.url()), points, options), join(folder.path, state), {
    secret: (slot) => secrets[slot] ?? null,
  });
  running.push(started);
  return started;
}

function status({ sink }: Running, wanted: string): Promise<unknown> {
  return until(wanted, () => sink.now?.status === wanted);
}

/** What a person does who trusts a server: moves the file. */
function trust(stateDir: string): void {
  const [rejected] = listRejected(stateDir);
  if (rejected === undefined) throw new Error('there is nothing to trust');
  const trusted = join(stateDir, 'pki', 'trusted', 'certs');
  mkdirSync(trusted, { recursive: true });
  renameSync(rejected.file, join(trusted, basename(rejected.file)));
}

describe('U4 the certificate of a server', () => {
  it.each(['Sign', 'SignAndEncrypt'])(
    'is rejected under %s until a person trusts it, and then it connects by itself',
    async (mode) => {
      const stateDir = join(folder.path, mode);
      const started = await drive(server, { security: { mode } }, mode);
      await status(started, 'pending_auth');
      const [rejected, ...more] = listRejected(stateDir);
      expect(more).toEqual([]);
      expect(rejected).toMatchObject({
        file: expect.stringContaining(join(stateDir, 'pki', 'rejected')),
        subject_alt_name: expect.stringContaining('urn:fibric:simulator:plant-world'),
        thumbprint: expect.stringMatching(/^[0-9a-f]{40}$/),
      });
      expect(started.sink.now?.detail).toContain(rejected?.file);
      expect(started.sink.now?.detail).toContain(join(stateDir, 'pki', 'trusted', 'certs'));
      expect(started.sink.delivered).toMatchObject([{ quality: 'bad', quality_reason: 'disconnected' }]);
      trust(stateDir);
      await status(started, 'connected');
      expect(listRejected(stateDir)).toEqual([]);
      const written = await started.driver.write({
        device: DEVICE,
        writes: [{ point: 'supply_setpoint', value: 19.5 }],
        timeoutMs: 5_000,
        idempotencyKey: 'test',
        mayStillSend: () => true,
      });
      expect(written).toMatchObject({ kind: 'acknowledged' });
      expect(server.get('supply_setpoint')).toBe(19.5);
    },
  );

  it('is not asked for without security, and our own key is ours alone', async () => {
    const started = await drive(server, {}, 'open');
    await status(started, 'connected');
    expect(listRejected(join(folder.path, 'open'))).toEqual([]);
    expect(statSync(join(folder.path, 'open/pki/own/private/private_key.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'open/pki')).mode & 0o077).toBe(0);
  });
});

describe('a user', () => {
  const auth = { user: 'PLANT_USER', pass: 'PLANT_PASS' };

  it('is let in with the name and password of the secret slots', async () => {
    const started = await drive(guarded, { auth }, 'user', { PLANT_USER: 'edge', PLANT_PASS: 'open sesame' });
    await status(started, 'connected');
  });

  it('is not let in with others, and the slots are named, never what is in them', async () => {
    const started = await drive(guarded, { auth }, 'user', { PLANT_USER: 'edge', PLANT_PASS: 'guess' });
    await status(started, 'pending_auth');
    expect(started.sink.now?.detail).toContain('PLANT_USER and PLANT_PASS');
    expect(started.sink.now?.detail).not.toContain('guess');
  });

  it('is not tried with an empty slot', async () => {
    const started = await drive(guarded, { auth }, 'user', { PLANT_USER: 'edge' });
    await status(started, 'pending_auth');
    expect(started.sink.now?.detail).toContain('secret slot PLANT_PASS is empty');
    expect(guarded.sessions()).toBe(0);
  });

  it('is needed where anonymous users are not let in', async () => {
    const started = await drive(guarded, {}, 'user');
    await status(started, 'pending_auth');
    expect(started.sink.now?.detail).toContain('give user and pass under auth');
  });
});

it('a folder of an earlier life with rubbish in it lists only certificates', () => {
  expect(listRejected(join(folder.path, 'server'))).toEqual([]);
  expect(listRejected('/nonexistent/state')).toEqual([]);
});
