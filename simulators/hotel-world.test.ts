import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceleratedClock } from './clock.ts';
import { readHotelSpec } from './hotel-spec.ts';
import { HotelWorld } from './hotel-world.ts';
import { portsFrom } from './ports.ts';
import { systemClock } from './system.ts';

const SPEC = readHotelSpec(readFileSync(join(import.meta.dirname, '../config/hotel.yaml'), 'utf8'));
const ORIGIN_MS = Temporal.Instant.from('2026-02-03T12:30:00Z').epochMilliseconds;
let folder = '';
let world: HotelWorld;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fibric-hotel-'));
  const real = systemClock();
  const site = acceleratedClock(real, { epochMs: ORIGIN_MS, startedMs: real.wallMs(), speed: 600 });
  world = new HotelWorld({
    spec: SPEC,
    world: 'test-world',
    seed: 1,
    originMs: ORIGIN_MS,
    site,
    real,
    ports: portsFrom(0),
    folder,
    memory: null,
  });
  await world.start();
}, 60_000);

afterAll(async () => {
  await world.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A Modbus request written by hand (Modbus Messaging on TCP/IP, clause 3.1.3): the PDU of the answer. */
function modbus(unit: number, pdu: readonly number[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(world.ports.modbus, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (answer: Buffer) => {
      socket.destroy();
      resolve(answer.subarray(7));
    });
    socket.write(Buffer.from([0, 1, 0, 0, 0, pdu.length + 1, unit, ...pdu]));
  });
}

describe('the simulated hotel', () => {
  it('has 24 rooms and two corridors, as its site file says', () => {
    expect(SPEC.rooms).toHaveLength(24);
    expect(SPEC.corridors).toHaveLength(2);
    const units = [...SPEC.rooms, ...SPEC.corridors].map(({ unit }) => unit);
    expect(new Set(units).size).toBe(units.length);
  });

  it('publishes readings over MQTT that carry the mark of its world', async () => {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${world.ports.mqtt}`);
    const message = new Promise<Record<string, unknown>>((resolve) => {
      client.on('message', (_topic, payload) => resolve(JSON.parse(payload.toString()) as Record<string, unknown>));
    });
    await client.subscribeAsync('hotel/room/412', { qos: 1 });
    const reading = await message;
    await client.endAsync(true);
    expect(reading).toMatchObject({ provenance: 'simulated', world: 'test-world', motion: expect.any(Boolean) });
    expect(reading['temperature']).toBeGreaterThan(10);
    expect(reading['temperature']).toBeLessThan(30);
    expect(Temporal.Instant.from(String(reading['time'])).epochMilliseconds).toBeGreaterThan(ORIGIN_MS);
    expect(world.listeners).toBeGreaterThan(0);
  });

  it('shows a room and takes its setpoint over Modbus, and identifies itself as a simulator', async () => {
    const unit = SPEC.rooms.find(({ room }) => room === '412')?.unit ?? 0;
    const temperature = await modbus(unit, [4, 0, 0, 0, 1]);
    expect(temperature.readInt16BE(2) / 10).toBeCloseTo(world.hotel.room('412').temperatureC, 0);
    await modbus(unit, [6, 0, 0, 0, 235]);
    expect(world.fanCoil('412').get('holding', 0)).toBe(235);
    expect(world.fanCoil('412').writes('holding', 0)).toBe(1);
    const identity = (await modbus(unit, [43, 14, 1, 0])).toString('latin1');
    expect(identity).toContain('Fibric simulator');
    expect(identity).toContain('test-world');
  });

  it('answers for its bookings over HTTP with the mark of its world', async () => {
    const response = await fetch(`http://127.0.0.1:${world.ports.bookings}/v1/bookings`);
    expect(response.headers.get('fibric-world')).toBe('test-world');
    const bookings = (await response.json()) as Record<string, string>[];
    expect(bookings.length).toBeGreaterThan(10);
    expect(Object.keys(bookings[0] ?? {})).toEqual([
      'booking_id',
      'room',
      'guest_ref',
      'arrives_at',
      'departs_at',
      'status',
    ]);
    const wrong = await fetch(`http://127.0.0.1:${world.ports.bookings}/v1/bookings?from=yesterday`);
    expect(wrong.status).toBe(400);
  });

  it('remembers its rooms and registers for a restart', () => {
    const memory = world.memory();
    expect(memory.fan_coils['412']).toEqual({ setpoint_c: 23.5, mode: 'heat' });
    expect(memory.hotel.rooms['412']?.temperatureC).toBeGreaterThan(10);
    expect(memory.scenes['corridor-4']).toBe('normal');
  });
});
