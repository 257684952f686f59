/** Which requests a write becomes, and that they are one piece: M11, M12, D4. */
import { afterEach, describe, expect, it } from 'vitest';
import * as sim from '@fibric/simulators/modbus/server';
import { until } from '../../test/contract/harness.ts';
import { type ModbusBench, openModbus, type PointSetup } from '../../test/contract/modbus-bench.ts';

const open: ModbusBench[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.stop();
});

const POINTS: readonly PointSetup[] = [
  { unit: 3, name: 'a', options: { address: 0 } },
  { unit: 3, name: 'b', options: { address: 1, type: 'float32', word_order: 'CDAB' } },
  { unit: 3, name: 'c', options: { address: 3 } },
  { unit: 3, name: 'far', options: { address: 9 } },
  { unit: 3, name: 'alone', options: { address: 4, write_function: 'single' } },
  { unit: 3, name: 'many', options: { address: 6, write_function: 'multiple' } },
  { unit: 3, name: 'fan', options: { address: 7, type: 'bit', bit: 0 } },
  { unit: 3, name: 'valve', options: { address: 7, type: 'bit', bit: 4 } },
  { unit: 3, name: 'on', options: { table: 'coil', address: 0, type: 'bool' } },
  { unit: 3, name: 'boost', options: { table: 'coil', address: 1, type: 'bool' } },
  { unit: 3, name: 'measured', options: { table: 'input', address: 0 } },
  { unit: 3, name: 'shown', options: { address: 8 }, access: 'read' },
];

async function bench(): Promise<ModbusBench & { readonly unit: sim.ModbusUnit }> {
  const holding = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [i, 0]));
  const unit = new sim.ModbusUnit({ id: 3, holding: { ...holding, 7: 0x0f02 }, coil: { 0: 0, 1: 0 }, input: { 0: 0 } });
  const made = await openModbus({ units: [unit], points: POINTS });
  open.push(made);
  return { ...made, unit };
}

const asked = ({ requests }: ModbusBench): unknown[] =>
  requests.map((r) => [r.function, r.address, r.values ?? r.count]);

describe('the requests of a write', () => {
  it('are FC 6 for one register, FC 5 for one coil, and FC 16 where one value takes two', async () => {
    const made = await bench();
    await made.write(3, { a: -1 });
    await made.write(3, { on: true });
    await made.write(3, { b: 21.5 });
    expect(asked(made)).toEqual([
      [6, 0, [0xffff]],
      [5, 0, [1]],
      [16, 1, [0x0000, 0x41ac]],
    ]);
  });

  it('join points that lie side by side in the order of the command', async () => {
    const made = await bench();
    expect((await made.write(3, { a: 1, b: 21.5, c: 3, far: 9, on: true, boost: true })).kind).toBe('acknowledged');
    expect(asked(made)).toEqual([
      [16, 0, [1, 0, 0x41ac, 3]],
      [6, 9, [9]],
      [15, 0, [1, 1]],
    ]);
  });

  it('keep the order of the command where it is not that of the addresses', async () => {
    const made = await bench();
    await made.write(3, { c: 3, a: 1 });
    expect(asked(made)).toEqual([
      [6, 3, [3]],
      [6, 0, [1]],
    ]);
  });

  it('go alone, or by FC 16, for a point that says so', async () => {
    const made = await bench();
    await made.write(3, { c: 3, alone: 4 });
    await made.write(3, { many: 6 });
    expect(asked(made)).toEqual([
      [6, 3, [3]],
      [6, 4, [4]],
      [16, 6, [6]],
    ]);
  });

  it('M12 change bits by reading and writing the register once, and leave its other bits alone', async () => {
    const made = await bench();
    await made.write(3, { fan: true, valve: true });
    expect(asked(made)).toEqual([
      [3, 7, 1],
      [6, 7, [0x0f13]],
    ]);
    expect((await made.read(3, 'fan', 'valve')).map((r) => r.value)).toEqual([true, true]);
  });

  it('M12 two writers of two bits of one register do not undo each other', async () => {
    const made = await bench();
    await Promise.all([made.write(3, { fan: true }), made.write(3, { valve: true }), made.write(3, { fan: false })]);
    expect(made.unit.get('holding', 7)).toBe(0x0f12);
    expect(made.requests.map((r) => r.function)).toEqual([3, 6, 3, 6, 3, 6]);
  });
});

describe('what is not sent', () => {
  it('says why, for each reason', async () => {
    const { write, requests } = await bench();
    const none = { kind: 'not_sent' };
    expect(await write(3, { nothing: 1 })).toEqual({
      ...none,
      reason_code: 'unknown_point',
      message: "device 'u3' has no point 'nothing'",
    });
    expect(await write(9, { a: 1 })).toEqual({
      ...none,
      reason_code: 'unknown_point',
      message: "device 'u9' has no point 'a'",
    });
    expect(await write(3, { measured: 1 })).toEqual({
      ...none,
      reason_code: 'not_writable',
      message: "point 'measured' cannot be written",
    });
    expect(await write(3, { shown: 1 })).toEqual({
      ...none,
      reason_code: 'not_writable',
      message: "point 'shown' cannot be written",
    });
    expect(await write(3, { a: 1, c: 40_000 })).toEqual({
      ...none,
      reason_code: 'out_of_range',
      message: "point 'c': 40000 does not fit: a int16 here holds -32768 to 32767",
    });
    expect(requests).toEqual([]);
  });

  it('a write whose time is up before the link is free', async () => {
    const { write, read, unit, requests } = await bench();
    unit.behaviours = [sim.silent(sim.reads)];
    const reading = read(3, 'a');
    await until('the read to be on its way', () => requests.length === 1);
    expect(await write(3, { a: 1 }, { timeoutMs: 20 })).toMatchObject({ kind: 'not_sent', reason_code: 'timeout' });
    await reading;
    expect(unit.writes('holding', 0)).toBe(0);
  });

  it('a bit whose register cannot be read', async () => {
    const { write, unit } = await bench();
    unit.behaviours = [sim.exception(4, 1, sim.reads)];
    expect(await write(3, { fan: true })).toEqual({
      kind: 'not_sent',
      reason_code: 'read_before_write_failed',
      message: 'the register around the bit could not be read: unit 3 answered exception 4 (device failure)',
    });
  });

  it('is asked about immediately before the first byte, and only then', async () => {
    const { write, requests, unit } = await bench();
    const seen: number[] = [];
    const mayStillSend = (): boolean => {
      seen.push(requests.length);
      return true;
    };
    await write(3, { fan: true, a: 1, far: 2 }, { mayStillSend });
    expect(seen).toEqual([1]);
    expect(requests).toHaveLength(4);
    expect(await write(3, { fan: false }, { mayStillSend: () => false })).toMatchObject({
      kind: 'not_sent',
      reason_code: 'send_withdrawn',
    });
    expect(unit.writes('holding', 7)).toBe(1);
  });
});

describe('M11 what was partly done', () => {
  it('is in doubt when a later request is refused', async () => {
    const { write, unit } = await bench();
    unit.behaviours = [sim.refuseRange('holding', 9, 1)];
    expect(await write(3, { a: 1, far: 2, on: true })).toMatchObject({
      kind: 'doubt',
      reason_code: 'partly_written',
      message: 'only a part was written: unit 3 answered exception 2 (illegal data address)',
      response: { code: 'ok, exception 2' },
    });
    expect([unit.get('holding', 0), unit.get('coil', 0)]).toEqual([1, 0]);
  });

  it('is refused when the first one is', async () => {
    const { write, unit } = await bench();
    unit.behaviours = [sim.refuseRange('holding', 0, 1)];
    expect((await write(3, { a: 1, far: 2 })).kind).toBe('refused');
    expect(unit.writes('holding', 9)).toBe(0);
  });
});

describe('a device that makes something else of it', () => {
  it('has acknowledged, and reading back shows what it made of it (row 60)', async () => {
    const { write, read, unit } = await bench();
    unit.behaviours = [sim.clamp('holding', 0, 0, 100)];
    expect((await write(3, { a: 500 })).kind).toBe('acknowledged');
    expect((await read(3, 'a'))[0]?.value).toBe(100);
  });
});
