/** Reads on demand that share a request, and what happens when the request brings no answer. M13. */
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@fibric/simulators/clock';
import * as sim from '@fibric/simulators/modbus/server';
import { type ModbusBench, openModbus, type PointSetup } from '../../test/contract/modbus-bench.ts';

const open: ModbusBench[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.stop();
});

const unitWith = (id: number, registers: number): sim.ModbusUnit =>
  new sim.ModbusUnit({
    id,
    holding: Object.fromEntries(Array.from({ length: registers }, (_, i) => [i, 100 * id + i])),
  });

const point = (unit: number, address: number): PointSetup => ({ unit, name: `p${address}`, options: { address } });

async function bench(units: readonly sim.ModbusUnit[], points: readonly PointSetup[]): Promise<ModbusBench> {
  const made = await openModbus({ units, points, farClock: new VirtualClock() });
  open.push(made);
  return made;
}

/** One read keeps the link while the others are asked for; returns what those brought. */
async function together(made: ModbusBench, ...wanted: readonly (readonly [unit: number, address: number])[]) {
  const first = made.read(wanted[0]?.[0] ?? 0, `p${wanted[0]?.[1]}`);
  const reads = await Promise.all(wanted.map(([unit, address]) => made.read(unit, `p${address}`)));
  await first;
  return reads.map(([reading]) => reading?.value ?? reading?.quality_reason);
}

const asked = (made: ModbusBench) => made.requests.map((r) => [r.unit, r.address, r.count]);

describe('reads that wait for the link together', () => {
  it('leave as one request where they lie side by side in one unit', async () => {
    const made = await bench([unitWith(3, 40)], [point(3, 5), point(3, 6), point(3, 7)]);
    expect(await together(made, [3, 6], [3, 5], [3, 7], [3, 6])).toEqual([306, 305, 307, 306]);
    expect(asked(made)).toEqual([
      [3, 6, 1],
      [3, 5, 3],
    ]);
  });

  it('leave by themselves where they do not', async () => {
    const made = await bench([unitWith(3, 40), unitWith(4, 40)], [point(3, 5), point(3, 9), point(4, 6)]);
    expect(await together(made, [3, 5], [3, 9], [4, 6])).toEqual([305, 309, 406]);
    expect(asked(made)).toEqual([
      [3, 5, 1],
      [3, 5, 1],
      [3, 9, 1],
      [4, 6, 1],
    ]);
  });

  it('fill requests of 125 registers and not one more', async () => {
    const points = Array.from({ length: 130 }, (_, i) => point(3, i));
    const made = await bench([unitWith(3, 130)], points);
    const values = await together(made, ...points.map((_, i) => [3, i] as const));
    expect(values).toEqual(points.map((_, i) => 300 + i));
    expect(asked(made).slice(1)).toEqual([
      [3, 0, 125],
      [3, 125, 5],
    ]);
  });

  it('M13 each read for itself when the device refuses the joint request', async () => {
    const unit = unitWith(3, 40);
    unit.behaviours = [sim.refuseRange('holding', 6, 1)];
    const made = await bench([unit], [point(3, 5), point(3, 6), point(3, 7)]);
    expect(await together(made, [3, 5], [3, 6], [3, 7])).toEqual([305, 'device_error', 307]);
    expect(asked(made).filter(([, , count]) => count === 3)).toHaveLength(1);
  });

  it('M13 each have their own time when the joint request goes unanswered', async () => {
    const unit = unitWith(3, 40);
    unit.behaviours = [(request, next) => (request.count > 1 ? { kind: 'silent' } : next(request))];
    const made = await bench([unit], [point(3, 5), point(3, 6), point(3, 7)]);
    expect(await together(made, [3, 5], [3, 6], [3, 7])).toEqual(['timeout', 306, 307]);
  });

  it('M13 see what was written before they were asked for', async () => {
    const made = await bench([unitWith(3, 40)], [point(3, 5), point(3, 6)]);
    const early = made.read(3, 'p5');
    const waiting = made.read(3, 'p6');
    await made.write(3, { p5: 21, p6: 22 });
    expect(await together(made, [3, 5], [3, 6])).toEqual([21, 22]);
    expect([(await early)[0]?.value, (await waiting)[0]?.value]).toEqual([305, 22]);
  });
});
