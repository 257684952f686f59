import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualClock } from './clock.ts';
import { setpointOf, setpointWrites } from './devices.ts';
import { OfficeWorld } from './office-world.ts';
import { portsFrom } from './ports.ts';
import { RECORDING_HEADER, surveyRecording } from './recording.ts';
import { systemClock } from './system.ts';

const ZONE = 'America/Los_Angeles';
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fibric-office-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function office(): Promise<{ world: OfficeWorld; fromMs: number }> {
  const recording = join(folder, 'day.csv');
  const lines = [
    RECORDING_HEADER.join(),
    '2013-08-26T00:00:00,415,24.1,57,474,148,0',
    '2013-08-26T00:00:00,511,22.3,,350,337,3.5',
    '2013-08-26T00:10:00,415,24.2,57,474,148,0',
  ];
  writeFileSync(recording, `${lines.join('\n')}\n`);
  const looked = await surveyRecording(recording, ZONE);
  if (looked.kind !== 'ok') throw new Error(looked.message);
  const world = new OfficeWorld({
    world: 'test-office',
    recording,
    survey: looked.survey,
    timezone: ZONE,
    real: systemClock(),
    ports: portsFrom(0),
  });
  await world.start();
  return { world, fromMs: looked.survey.fromMs };
}

describe('the recorded office', () => {
  it('publishes each row when the site clock shows its time, and says nothing that was not recorded', async () => {
    const { world, fromMs } = await office();
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${world.ports.mqtt}`);
    const heard: [string, Record<string, unknown>][] = [];
    client.on('message', (topic, payload) => heard.push([topic, JSON.parse(payload.toString())]));
    await client.subscribeAsync('office/#', { qos: 1 });
    const clock = new VirtualClock(fromMs);
    const ended = world.play(clock, new AbortController().signal);
    clock.advance(0);
    await expect.poll(() => (clock.advance(0), heard.length)).toBe(2);
    expect(heard).toContainEqual([
      'office/511',
      {
        temperature: 22.3,
        co2: 350,
        light: 337,
        pir: 3.5,
        time: '2013-08-26T07:00:00.000Z',
        provenance: 'simulated',
        world: 'test-office',
      },
    ]);
    clock.advance(9 * 60_000);
    expect(world.played).toBe(2);
    await expect.poll(() => (clock.advance(10_000), world.played)).toBe(3);
    await ended;
    await client.endAsync(true);
    await world.stop();
  });

  it('has one thermostat a room, at 21 degC and never written', async () => {
    const { world } = await office();
    expect(world.rooms).toEqual(['415', '511']);
    for (const room of world.rooms) {
      expect(setpointOf(world.thermostat(room))).toBe(21);
      expect(setpointWrites(world.thermostat(room))).toBe(0);
    }
    await world.stop();
  });

  it('stops playing when it is told to', async () => {
    const { world, fromMs } = await office();
    const stop = new AbortController();
    const ended = world.play(new VirtualClock(fromMs - 1_000), stop.signal);
    stop.abort();
    await ended;
    expect(world.played).toBe(0);
    await world.stop();
  });
});
