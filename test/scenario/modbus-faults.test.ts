/** Modbus devices that misbehave on the wire, against the running gateway: the receipt or the point says what happened. */
import type { Receipt } from '@fibric/sdk';
import * as sim from '@fibric/simulators/modbus/server';
import { beforeAll, describe, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { PUPPET_OPERATOR } from '../support/puppet.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

interface WriteFault {
  readonly meets: string;
  readonly behaviour: sim.Behaviour;
  /** What the receipt says; `N` stands for the unit. */
  readonly receipt: Partial<Receipt>;
  /** Where the device is afterwards, °C. */
  readonly at: number;
}

const inferred = (message: string): Partial<Receipt> => ({
  ...{ outcome: 'applied', reason_code: 'inferred_by_readback' },
  reason: `${message}; read twice after the late-write window: the device is at the target`,
});
const failed = (reason_code: string, reason: string, attempt: number): Partial<Receipt> => ({
  ...{ outcome: 'failed', reason_code, reason, attempt },
});

const WRITES: readonly WriteFault[] = [
  {
    ...{ meets: 'an exception', behaviour: sim.exception(3, Infinity, sim.writes), at: 17 },
    receipt: failed('illegal_value', 'the device refused: unit N answered exception 3 (illegal data value)', 1),
  },
  {
    ...{ meets: 'the answer of a wrong unit', behaviour: sim.wrongUnit(99, sim.writes), at: 22 },
    receipt: inferred('unit 99 answered instead of unit N'),
  },
  {
    ...{ meets: 'an answer that never comes', behaviour: sim.dropAnswer(sim.writes), at: 22 },
    receipt: inferred('unit N did not answer within 300 ms'),
  },
  {
    ...{ meets: 'silence', behaviour: sim.silent(sim.writes), at: 17 },
    receipt: failed(
      'attempts',
      '3 attempts without effect; unit N did not answer within 300 ms; read twice after the late-write window: the device is as it was before',
      3,
    ),
  },
  {
    ...{ meets: 'a close in mid-frame', behaviour: sim.closeMidFrame(4, sim.writes), at: 22 },
    receipt: inferred('the other side closed the link after 4 bytes of the answer'),
  },
  {
    // The transaction id in the sentence counts up with every request on the link.
    ...{ meets: 'a wrong transaction id', behaviour: sim.wrongTransaction(sim.writes), at: 22 },
    receipt: { outcome: 'applied', reason_code: 'inferred_by_readback' },
  },
  {
    ...{ meets: 'a limit of the device', behaviour: sim.clamp('holding', 0, 0, tenths(19)), at: 19 },
    receipt: failed('device_altered', 'the device took another value than it was sent', 1),
  },
  {
    ...{ meets: 'a panel that is locked', behaviour: sim.ignoreWrites(), at: 17 },
    receipt: failed('no_effect', 'acknowledged, but the value did not change', 3),
  },
];

/** What a poll meets, and for what the point is then bad. */
const READS: readonly { readonly meets: string; readonly behaviour: sim.Behaviour; readonly reason: string }[] = [
  { meets: 'an exception', behaviour: sim.exception(4, Infinity, sim.reads), reason: 'device_error' },
  { meets: 'nobody behind the unit', behaviour: sim.exception(11, Infinity, sim.reads), reason: 'timeout' },
  { meets: 'the answer of a wrong unit', behaviour: sim.wrongUnit(99, sim.reads), reason: 'malformed' },
  { meets: 'silence', behaviour: sim.silent(sim.reads), reason: 'timeout' },
  { meets: 'a close in mid-frame', behaviour: sim.closeMidFrame(4, sim.reads), reason: 'disconnected' },
  { meets: 'a wrong transaction id', behaviour: sim.wrongTransaction(sim.reads), reason: 'malformed' },
];

const end = ends();
let desk: Desk;
let gateway: RealGateway;
/** A line for each fault, so that one does not disturb the other; units and zones count from 1. */
const lines = new Map<number, Line>();

beforeAll(async () => {
  const zones = WRITES.length + READS.length;
  desk = await Desk.open(end, zones);
  for (let zone = 1; zone <= zones; zone += 1) lines.set(zone, await openLine(end, zone));
  const all = [...lines];
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'site.yaml': `${HEAD}
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
  });
  for (const [zone] of all) await setpoint(zone, { quality: 'good' });
});

const setpoint = (zone: number, wanted: Record<string, unknown>) =>
  waitFor(`unit-${zone}/setpoint to be ${JSON.stringify(wanted)}`, async () => {
    const now: Record<string, unknown> = { ...(await gateway.point(`unit-${zone}/setpoint`)) };
    return Object.entries(wanted).every(([key, value]) => now[key] === value);
  });

describe.concurrent('a write that meets', () => {
  test.for(WRITES.map((fault, i) => ({ ...fault, zone: i + 1 })))(
    '$meets: the receipt says so',
    async (fault, { expect }) => {
      const { behaviour, receipt, at, zone } = fault;
      const { unit } = lines.get(zone) as Line;
      unit.behaviours = [behaviour];
      const said = await desk.order(gateway, zone, 22);
      const reason = receipt.reason?.replaceAll('unit N', `unit ${zone}`) ?? expect.any(String);
      expect(said).toMatchObject({ ...receipt, reason, baseline: [{ point: 'setpoint', value: 17 }] });
      expect(unit.get('holding', 0)).toBe(tenths(at));
      unit.behaviours = [];
      await setpoint(zone, { quality: 'good', value: at });
      expect(await desk.order(gateway, zone, 23)).toMatchObject({ outcome: 'applied', readback: [{ value: 23 }] });
    },
  );
});

describe.concurrent('a poll that meets', () => {
  test.for(READS.map((fault, i) => ({ ...fault, zone: WRITES.length + 1 + i })))(
    '$meets: the point is bad/$reason, nothing is written on it, and the end of the fault is seen',
    async ({ behaviour, reason, zone }, { expect }) => {
      const { unit } = lines.get(zone) as Line;
      unit.behaviours = [behaviour];
      await setpoint(zone, { quality: 'bad', quality_reason: reason, value: null });
      expect(await desk.order(gateway, zone, 22)).toMatchObject({
        ...{ outcome: 'failed', reason_code: 'device_unreadable' },
        reason: expect.stringMatching(new RegExp(`^nothing was sent: unit-${zone}/setpoint reads bad \\(\\w+\\)$`)),
      });
      expect(unit.writes('holding', 0)).toBe(0);
      unit.behaviours = [];
      await setpoint(zone, { quality: 'good', value: 17 });
    },
  );
});
