/** Polling: coalesced, split where a device refuses, each unit for itself. M9, M10. */
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@fibric/simulators/clock';
import * as sim from '@fibric/simulators/modbus/server';
import { until } from '../../test/contract/harness.ts';
import { type ModbusBench, openModbus, type PointSetup } from '../../test/contract/modbus-bench.ts';

const open: ModbusBench[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.stop();
});

async function bench(units: readonly sim.ModbusUnit[], points: readonly PointSetup[], more = {}): Promise<ModbusBench> {
  const made = await openModbus({ units, points, ...more });
  open.push(made);
  return made;
}

const unitWith = (id: number, registers: number): sim.ModbusUnit =>
  new sim.ModbusUnit({ id, holding: Object.fromEntries(Array.from({ length: registers }, (_, i) => [i, i + 1])) });

const polled = (unit: number, count: number, pollMs = 20): PointSetup[] =>
  Array.from({ length: count }, (_, i) => ({ unit, name: `p${i}`, options: { address: i }, pollMs }));

const of = (made: ModbusBench, unit: number, point: string) => made.sink.of({ device: `u${unit}`, point });

describe('polling', () => {
  it('asks once for neighbours, and delivers every answer', async () => {
    const made = await bench([unitWith(3, 60)], polled(3, 60));
    await until('five rounds', () => of(made, 3, 'p59').length >= 5);
    expect(made.requests.slice(0, 5).map((r) => [r.function, r.address, r.count])).toEqual(
      Array.from({ length: 5 }, () => [3, 0, 60]),
    );
    expect(
      of(made, 3, 'p59')
        .slice(0, 5)
        .map((r) => r.value),
    ).toEqual(Array(5).fill(60));
  });

  it('splits what a device refuses as a whole, and remembers how', async () => {
    const unit = unitWith(3, 16);
    unit.behaviours = [sim.refuseRange('holding', 5, 1)];
    const made = await bench([unit], polled(3, 16));
    await until('two rounds', () => of(made, 3, 'p15').length >= 2);
    const good = Array.from({ length: 16 }, (_, i) => of(made, 3, `p${i}`).at(-1)?.value ?? null);
    expect(good).toEqual(Array.from({ length: 16 }, (_, i) => (i === 5 ? null : i + 1)));
    expect(of(made, 3, 'p5')).toMatchObject([{ quality: 'bad', quality_reason: 'device_error' }]);
    const before = made.requests.length;
    await until('another round', () => made.requests.length >= before + 12);
    expect(made.requests.slice(before).every((r) => r.count < 16)).toBe(true);
    expect(of(made, 3, 'p5')).toHaveLength(1);
  });

  it('each unit gets its own answers, however many ask at once', async () => {
    const units = [unitWith(1, 1), unitWith(2, 2), unitWith(3, 3)];
    const last = (unit: number): PointSetup => ({ unit, name: 'last', options: { address: unit - 1 } });
    const made = await bench(units, [last(1), last(2), last(3)]);
    const reads = Array.from({ length: 600 }, (_, i) => made.read((i % 3) + 1, 'last'));
    const values = (await Promise.all(reads)).map(([reading]) => reading?.value);
    expect(values).toEqual(Array.from({ length: 600 }, (_, i) => (i % 3) + 1));
  });

  it('M9 a slow unit is not asked again before it answered, and the polls left out are counted', async () => {
    const unit = unitWith(3, 1);
    const [clock, farClock] = [new VirtualClock(), new VirtualClock()];
    unit.behaviours = [sim.answerLate(100, sim.reads)];
    const made = await bench([unit], polled(3, 1, 10), { clock, farClock, connection: { timeout: '20s' } });
    await until('the poll to be on its way', () => {
      clock.advance(0);
      return made.requests.length === 1;
    });
    clock.advance(55);
    unit.behaviours = [];
    farClock.advance(100);
    await until('the value', () => of(made, 3, 'p0').length === 1);
    expect(made.requests).toHaveLength(1);
    expect((await made.driver.probe()).detail).toMatch(/; 5 polls left out for want of time$/);
  });
});

describe('a dead unit', () => {
  it('backs off alone: the others go on, over the same link', async () => {
    const dead = unitWith(9, 1);
    dead.behaviours = [sim.silent((request) => request.function !== 43)];
    const made = await bench([unitWith(3, 1), dead], [...polled(3, 1), ...polled(9, 1)]);
    await until('the dead unit to be known', () => made.sink.now?.status === 'degraded');
    expect(made.sink.now?.detail).toBe('unit 9 did not answer within 200 ms');
    const before = of(made, 3, 'p0').length;
    await until('twenty more values', () => of(made, 3, 'p0').length >= before + 20);
    expect(of(made, 9, 'p0')).toMatchObject([{ quality: 'bad', quality_reason: 'timeout' }]);
    expect(made.requests.filter((r) => r.unit === 9).length).toBeLessThanOrEqual(2);
    expect(of(made, 3, 'p0').every((r) => r.quality === 'good')).toBe(true);
    expect(made.server.links()).toBe(1);
    dead.behaviours = [];
    await until('its recovery', () => of(made, 9, 'p0').at(-1)?.quality === 'good');
    await until('the state', () => made.sink.now?.status === 'connected');
    expect(of(made, 9, 'p0').filter((r) => r.quality === 'bad')).toHaveLength(1);
  });

  it('backs off alone also when asking it costs the link each time', async () => {
    const rude = unitWith(9, 1);
    rude.behaviours = [sim.closeMidFrame(3, sim.reads)];
    const made = await bench([unitWith(3, 1), rude], [...polled(3, 1), ...polled(9, 1)]);
    await until('the outage', () => of(made, 9, 'p0').length > 0);
    const good = (): number => of(made, 3, 'p0').filter((r) => r.quality === 'good').length;
    const before = good();
    await until('fifty more values of the other', () => good() >= before + 50);
    expect(of(made, 9, 'p0')).toMatchObject([{ quality: 'bad', quality_reason: 'disconnected' }]);
  });

  it('is asked again at once when a read on demand found it alive', async () => {
    const unit = unitWith(3, 2);
    const made = await bench([unit], polled(3, 1));
    await until('a value', () => of(made, 3, 'p0').length > 0);
    unit.behaviours = [sim.silent()];
    await until('the outage', () => of(made, 3, 'p0').at(-1)?.quality === 'bad');
    unit.behaviours = [];
    await until('a good read', async () => (await made.read(3, 'p0'))[0]?.quality === 'good');
    await until('the poll', () => of(made, 3, 'p0').at(-1)?.quality === 'good');
  });

  it('a late answer is dropped, and never taken for that of another request (row 62)', async () => {
    const farClock = new VirtualClock();
    const slow = unitWith(9, 1);
    slow.behaviours = [sim.answerLate(60_000, sim.reads)];
    const points = [
      { unit: 3, name: 'p', options: { address: 0 } },
      { unit: 9, name: 'p', options: { address: 0 } },
    ];
    const made = await bench([unitWith(3, 1), slow], points, { farClock });
    slow.set('holding', 0, 777);
    expect((await made.read(9, 'p'))[0]?.quality_reason).toBe('timeout');
    // As many requests as bring an eight-bit transaction id round to the abandoned one.
    for (let i = 0; i < 255; i += 1) expect((await made.read(3, 'p'))[0]?.value).toBe(1);
    const next = made.read(3, 'p');
    farClock.advance(60_000);
    expect((await next)[0]?.value).toBe(1);
    expect((await made.read(3, 'p'))[0]?.value).toBe(1);
    expect(made.server.links()).toBe(1);
    expect(made.sink.statuses.map(({ status }) => status)).toEqual(['connected']);
  });

  it('costs the link only when three requests in a row went unanswered', async () => {
    const unit = unitWith(3, 1);
    const clock = new VirtualClock();
    const made = await bench([unit], [{ unit: 3, name: 'p', options: { address: 0 } }], { clock });
    unit.behaviours = [sim.silent()];
    for (let i = 1; i <= 3; i += 1) {
      expect(made.sink.statuses).toHaveLength(1);
      const reading = made.read(3, 'p');
      await until('the request', () => made.requests.length === i);
      clock.advance(200);
      expect((await reading)[0]?.quality_reason).toBe('timeout');
    }
    await until('the state', () => made.sink.now?.status === 'error');
    expect(made.sink.now?.detail).toBe(`lost 127.0.0.1:${made.port}: 3 requests in a row went unanswered`);
  });
});

describe('M10 an outage', () => {
  it('of the whole link makes every polled point bad once, also those polled seldom', async () => {
    const made = await bench(
      [unitWith(3, 2)],
      [...polled(3, 1), { unit: 3, name: 'seldom', options: { address: 1 }, pollMs: 3_600_000 }],
    );
    await until('values', () => of(made, 3, 'seldom').length === 1 && of(made, 3, 'p0').length > 0);
    await made.server.stop();
    await until('the outage', () => of(made, 3, 'seldom').length === 2);
    expect(of(made, 3, 'seldom').at(-1)).toMatchObject({ value: null, quality: 'bad', quality_reason: 'disconnected' });
    await made.server.start(made.port);
    await until('the recovery', () => of(made, 3, 'seldom').length === 3);
    expect(of(made, 3, 'seldom').at(-1)?.value).toBe(2);
  });

  it('a sensor that says it has no value is bad once, until it has one', async () => {
    const unit = unitWith(3, 1);
    const made = await bench([unit], [{ unit: 3, name: 't', options: { address: 0, invalid: [0x8000] }, pollMs: 20 }]);
    await until('a value', () => of(made, 3, 't').length > 0);
    unit.set('holding', 0, 0x8000);
    await until('the fault', () => of(made, 3, 't').at(-1)?.quality_reason === 'sensor_fault');
    const before = made.requests.length;
    await until('five more polls', () => made.requests.length > before + 5);
    expect(of(made, 3, 't').filter((r) => r.quality === 'bad')).toHaveLength(1);
    unit.set('holding', 0, 5);
    await until('the value', () => of(made, 3, 't').at(-1)?.value === 5);
  });

  it('a reset by the gateway is no outage, though it meets a poll under way', async () => {
    const unit = unitWith(3, 1);
    const made = await bench([unit], polled(3, 1), { farClock: new VirtualClock(), connection: { timeout: '20s' } });
    for (let round = 0; round < 3; round += 1) {
      const good = of(made, 3, 'p0').length;
      await until('values', () => of(made, 3, 'p0').length > good);
      unit.behaviours = [sim.answerLate(1_000, sim.reads)];
      const before = made.requests.length;
      await until('a poll under way', () => made.requests.length > before);
      unit.behaviours = [];
      await made.driver.reset('u3');
    }
    const good = of(made, 3, 'p0').length;
    await until('values', () => of(made, 3, 'p0').length > good);
    expect(of(made, 3, 'p0').every((r) => r.quality === 'good')).toBe(true);
    expect(made.sink.statuses.map(({ status }) => status)).toEqual(['connected']);
  });
});
