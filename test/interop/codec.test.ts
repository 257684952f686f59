/** Registers and what stands in them: pymodbus and mbpoll are the second opinion on every type in every order of its words. */
import type { PointView } from '@fibric/gateway/api/view';
import { beforeAll, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { against, type Item, ModbusDevice } from './peers.ts';

const end = ends();
let device: ModbusDevice;
let gateway: RealGateway;

const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'];
const UNIT = 7;
/** Types with a value that uses all their bytes; single registers have only the order of their two bytes. */
const VALUES: Readonly<Record<string, number>> = {
  ...{ int16: -12_345, uint16: 0xfed1, int32: -1_234_567_890, uint32: 0xfedc_ba91, float32: -21.3 },
  ...{ int64: -1_234_567_890_123_456, uint64: 9_007_199_254_740_111, float64: -21.300_000_000_000_07 },
};

interface Cell extends Item {
  readonly name: string;
  readonly value: number;
}

/** One cell for every type and order, side by side from address 10. */
const CELLS: readonly Cell[] = Object.entries(VALUES).flatMap(([type, value], i) =>
  ORDERS.slice(0, type.endsWith('16') ? 1 : 4).map((order, j) => {
    const address = 10 + 16 * i + 4 * j;
    return { unit: UNIT, address, type, order, value, name: `${type}_${order.toLowerCase()}` };
  }),
);
const WIDE = CELLS.filter(({ type }) => !type.endsWith('16'));

/** Every other point is named as manuals do that count from 1. */
function pointLine({ name, address, type, order }: Cell, i: number): string {
  const base = i % 2;
  return `  ${name}: { table: holding, address: ${address + base}, base: ${base}, type: ${type}, word_order: ${order}, access: read_write }`;
}

const PROFILE = `description: A meter with everything.
driver: modbus
points:
${CELLS.map(pointLine).join('\n')}
tools:
  meter.preset:
    effect: absolute_set
    input: { meter: name, whole: integer, fraction: number }
    entity: meter:{meter}
    writes: { ${WIDE.map(({ name, type }) => `${name}: ${type.startsWith('float') ? 'fraction' : 'whole'}`).join(', ')} }
    verify: { settle: 10ms }
`;

const WHOLE = 1_234_567_890;
const FRACTION = 0.1;

const OPERATOR = `import { defineOperator } from '@fibric/sdk';
export default defineOperator({
  name: 'preset', goal: 'Preset the meter.', requires: ['meter.preset'], trigger: { on: 'ask' },
  run: (ctx) => ctx.propose([{ capability: 'meter.preset', args: { meter: '1', whole: ${WHOLE}, fraction: ${FRACTION} } }], 'asked'),
});
`;

/** What the gateway reads from the device now. */
async function read(cells: readonly Cell[]): Promise<Record<string, unknown>> {
  const { out } = await gateway.fibric('points', 'read', '--json', ...cells.map(({ name }) => `meter-1/${name}`));
  return Object.fromEntries(
    rows<PointView>(out).map(({ point, value, quality }) => [point, quality === 'good' ? value : quality]),
  );
}

const expected = (cells: readonly Cell[]): Record<string, number> =>
  Object.fromEntries(cells.map(({ name, value }) => [name, value]));

against(['python3-pymodbus', 'mbpoll'], () => {
  beforeAll(async () => {
    device = await ModbusDevice.start(end);
    gateway = await startGateway(end, {
      'site.yaml': `${HEAD}
profiles: ./profiles
connections: { line: { driver: modbus, url: 'tcp://127.0.0.1:${device.port}' } }
devices: [{ id: meter-1, connection: line, unit: ${UNIT}, profile: everything, entity: 'meter:1' }]
bindings: { meter.preset: [line] }
operators: { preset: { mode: live, path: ./preset, policy: ./open.yaml } }
`,
      'profiles/everything.yaml': PROFILE,
      'preset/operator.ts': OPERATOR,
      'open.yaml': 'version: 1\nallow: [meter.preset]\n',
    });
    await waitFor('the device', async () => (await gateway.connection('line')).status === 'connected');
  });

  test('what pymodbus writes is read as that, in every type and order', async () => {
    await device.write(CELLS);
    expect(await read(CELLS)).toEqual(expected(CELLS));
  });

  test('what mbpoll writes is read as that: big-endian words are ABCD, little-endian ones CDAB', async () => {
    const cells = ['int32', 'float32'].flatMap((type) =>
      ['ABCD', 'CDAB'].map((order) => {
        const cell = CELLS.find((one) => one.type === type && one.order === order) as Cell;
        return { ...cell, value: type === 'int32' ? -1_000_001 : 98.625 };
      }),
    );
    for (const { address, type, order, value } of cells) {
      const as = type === 'int32' ? '4:int' : '4:float';
      await device.mbpollWrite(UNIT, address + 1, as, value, ...(order === 'ABCD' ? ['-B'] : []));
    }
    expect(await read(cells)).toEqual(expected(cells));
    await device.mbpollWrite(UNIT, 11, '4', 0xffb3);
    expect(await read(CELLS.filter(({ type }) => type === 'int16'))).toEqual({ int16_abcd: -77 });
  });

  test('what the gateway writes is read as that by pymodbus and by mbpoll, and read back as that by itself', async () => {
    const [receipt] = (await gateway.run('preset')).receipts;
    expect(receipt).toMatchObject({ outcome: 'applied', reason_code: 'verified' });
    const written = WIDE.map(({ type }) => (type.startsWith('float') ? FRACTION : WHOLE));
    expect(receipt?.readback.map(({ value }) => value)).toEqual(written);
    const singles = (values: readonly number[]): number[] =>
      values.map((value, i) => (WIDE[i]?.type === 'float32' ? Math.fround(value) : value));
    expect(singles(await device.read(WIDE))).toEqual(singles(written));
    const address = (name: string): number => (WIDE.find((cell) => cell.name === name)?.address ?? 0) + 1;
    expect(await device.mbpoll(UNIT, address('int32_abcd'), '4:int', '-B')).toBe(WHOLE);
    expect(await device.mbpoll(UNIT, address('int32_cdab'), '4:int')).toBe(WHOLE);
    expect(await device.mbpoll(UNIT, address('float32_abcd'), '4:float', '-B')).toBeCloseTo(FRACTION, 6);
    expect(await device.mbpoll(UNIT, address('float32_cdab'), '4:float')).toBeCloseTo(FRACTION, 6);
  });
});
