/** What devices and links do wrong, on the wire, and in which words the gateway hears of it. */
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@fibric/simulators/clock';
import * as sim from '@fibric/simulators/modbus/server';
import { testContext, RecordingSink, until } from '../../test/contract/harness.ts';
import { type BenchSetup, type ModbusBench, openModbus } from '../../test/contract/modbus-bench.ts';
import { modbus } from './index.ts';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.stop();
});

async function bench(setup: Partial<BenchSetup> = {}): Promise<ModbusBench & { readonly unit: sim.ModbusUnit }> {
  const unit = new sim.ModbusUnit({ id: 3, holding: { 10: 200 } });
  const made = await openModbus({
    units: [unit],
    points: [{ unit: 3, name: 'setpoint', options: { address: 10, scale: 0.1 } }],
    farClock: new VirtualClock(),
    ...setup,
  });
  open.push(made);
  return { ...made, unit };
}

interface Fault {
  readonly behaviour: sim.Behaviour;
  readonly kind: 'refused' | 'doubt';
  readonly reason_code: string;
  readonly message: string;
  /** What a read of the point is then bad for, and whether the device took the write all the same. */
  readonly reading: string;
  readonly took: boolean;
}

const text = 'the answer does not fit: Data length error, expected';

/** The first request on the link is the identification, transaction 1; the faulty one is transaction 2. */
const FAULTS: Readonly<Record<string, Fault>> = {
  silence: {
    ...{ behaviour: sim.silent(), kind: 'doubt', reason_code: 'timeout', reading: 'timeout', took: false },
    message: 'unit 3 did not answer within 200 ms',
  },
  'an answer that never comes to a write that was done': {
    ...{ behaviour: sim.dropAnswer(), kind: 'doubt', reason_code: 'timeout', reading: 'timeout', took: true },
    message: 'unit 3 did not answer within 200 ms',
  },
  'an answer after its time': {
    ...{ behaviour: sim.answerLate(4_000), kind: 'doubt', reason_code: 'timeout', reading: 'timeout', took: true },
    message: 'unit 3 did not answer within 200 ms',
  },
  'an answer that stops half-way': {
    ...{ behaviour: sim.byteByByte(1_000), kind: 'doubt', reason_code: 'timeout', reading: 'timeout', took: true },
    message: 'unit 3 sent only 1 bytes of its answer within 200 ms',
  },
  'a close in mid-frame': {
    ...{
      behaviour: sim.closeMidFrame(4),
      kind: 'doubt',
      reason_code: 'disconnected',
      reading: 'disconnected',
      took: true,
    },
    message: 'the other side closed the link after 4 bytes of the answer',
  },
  'a close instead of an answer (row 63)': {
    ...{
      behaviour: sim.closeMidFrame(0),
      kind: 'doubt',
      reason_code: 'disconnected',
      reading: 'disconnected',
      took: true,
    },
    message: 'the other side closed the link before the answer',
  },
  'a wrong transaction id (row 62)': {
    ...{
      behaviour: sim.wrongTransaction(),
      kind: 'doubt',
      reason_code: 'wrong_transaction',
      reading: 'malformed',
      took: true,
    },
    message: 'the answer is to transaction 9 instead of 2',
  },
  'a wrong unit (row 62)': {
    ...{ behaviour: sim.wrongUnit(9), kind: 'doubt', reason_code: 'wrong_unit', reading: 'malformed', took: true },
    message: 'unit 9 answered instead of unit 3',
  },
  'a wrong function (row 62)': {
    ...{
      behaviour: sim.wrongFunction(sim.writes),
      kind: 'doubt',
      reason_code: 'wrong_function',
      reading: '',
      took: true,
    },
    message: 'the answer is to function 38 instead of 6',
  },
  'an answer cut short': {
    ...{ behaviour: sim.shortAnswer(3), kind: 'doubt', reason_code: 'malformed', reading: 'malformed', took: true },
    message: `${text} 8 got 6`,
  },
};

for (const [code, kind, reason_code, words] of [
  [1, 'refused', 'illegal_function', 'illegal function'],
  [2, 'refused', 'illegal_address', 'illegal data address'],
  [3, 'refused', 'illegal_value', 'illegal data value'],
  [4, 'refused', 'device_failure', 'device failure'],
  [5, 'doubt', 'acknowledged_late', 'acknowledge, still working'],
  [6, 'doubt', 'device_busy', 'device busy'],
  [8, 'refused', 'memory_parity', 'memory parity error'],
  [10, 'refused', 'gateway_no_path', 'gateway path unavailable'],
  [11, 'doubt', 'gateway_no_answer', 'gateway target failed to respond'],
  [99, 'refused', 'device_exception', 'unknown exception'],
] as const) {
  Object.assign(FAULTS, {
    [`exception ${code} (row 61)`]: {
      behaviour: sim.exception(code),
      kind,
      reason_code,
      message: `unit 3 answered exception ${code} (${words})`,
      reading: code === 10 || code === 11 ? 'timeout' : 'device_error',
      took: false,
    },
  });
}

describe('a write that meets a fault says what is known (D2), and is not sent twice', () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    it(`${name}: ${fault.kind}, ${fault.message}`, async () => {
      const { write, read, unit, requests } = await bench();
      unit.behaviours = [fault.behaviour];
      const { kind, reason_code, message } = fault;
      expect(await write(3, { setpoint: 21.5 })).toMatchObject({ kind, reason_code, message });
      unit.behaviours = [];
      await until('a good read', async () => (await read(3, 'setpoint'))[0]?.quality === 'good');
      expect(unit.writes('holding', 10)).toBe(fault.took ? 1 : 0);
      expect(requests.filter((request) => request.values !== null)).toHaveLength(1);
    });
  }
});

describe('a read that meets a fault is bad with a reason (D1)', () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    if (fault.reading === '') continue;
    it(`${name}: ${fault.reading}`, async () => {
      const { read, unit } = await bench();
      unit.behaviours = [fault.behaviour];
      expect(await read(3, 'setpoint')).toEqual([
        {
          ...{ device: 'u3', point: 'setpoint', value: null, quality: 'bad', quality_reason: fault.reading },
          ...{ provenance: 'simulated', observed_at: null },
        },
      ]);
    });
  }
});

describe('a link whose bytes can no longer be told apart', () => {
  for (const [name, behaviour, why] of [
    ['an answer that stopped half-way', sim.byteByByte(1_000), 'an answer stopped half-way'],
    ['an answer to somebody else', sim.wrongTransaction(), 'the answer is to transaction 9 instead of 2'],
  ] as const) {
    it(`is given up, after ${name} (rows 62, 63)`, async () => {
      const clock = new VirtualClock();
      const { read, unit, requests, sink, port } = await bench({ clock });
      unit.behaviours = [behaviour];
      const reading = read(3, 'setpoint');
      await until('the request', () => requests.length === 1);
      // A byte of the answer is on its way: without it this would be plain silence, which does not cost the link.
      await until('the end of the link', () => {
        clock.advance(1);
        return sink.now?.status === 'error';
      });
      expect((await reading)[0]?.quality).toBe('bad');
      expect(sink.now?.detail).toBe(`lost 127.0.0.1:${port}: ${why}`);
    });
  }
});

describe('a unit that nobody answers for', () => {
  it('is refused by the gateway in front of it, and no other unit speaks for it', async () => {
    const { read, sink } = await bench({
      points: [
        { unit: 3, name: 'setpoint', options: { address: 10, scale: 0.1 } },
        { unit: 4, name: 'setpoint', options: { address: 10 }, pollMs: 20 },
      ],
    });
    expect((await read(4, 'setpoint'))[0]?.quality_reason).toBe('timeout');
    await until('the state', () => sink.now?.status === 'degraded');
    expect(sink.now?.detail).toBe('unit 4 answered exception 11 (gateway target failed to respond)');
    expect((await read(3, 'setpoint'))[0]?.value).toBe(20);
  });
});

describe('the record for the receipt', () => {
  it('has the frames in hex, the time it took and what came of it', async () => {
    const { write, unit } = await bench();
    expect(await write(3, { setpoint: 21.5 })).toEqual({
      kind: 'acknowledged',
      response: {
        ...{ protocol: 'modbus', code: 'ok', latency_ms: expect.any(Number) },
        ...{ request: '0002000000060306000a00d7', reply: '0002000000060306000a00d7' },
      },
    });
    unit.behaviours = [sim.exception(2)];
    const refused = await write(3, { setpoint: 22 });
    expect(refused).toMatchObject({ response: { code: 'exception 2', reply: '000300000003038602' } });
    unit.behaviours = [sim.silent()];
    const doubt = await write(3, { setpoint: 23 });
    expect(doubt).toMatchObject({ response: { code: 'timeout', request: '0004000000060306000a00e6', reply: null } });
  });
});

/** A peer that answers the nth frame with the nth text of hex, and what is no frame at all as it comes. */
async function scripted(answers: readonly ((transaction: string) => string)[]): Promise<number> {
  const sockets = new Set<Socket>();
  let next = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const answer = answers[Math.min(next++, answers.length - 1)];
      if (answer) socket.write(Buffer.from(answer(chunk.subarray(0, 2).toString('hex')).replaceAll(' ', ''), 'hex'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return (server.address() as { port: number }).port;
}

async function against(port: number, kind: 'live' | 'simulated') {
  const options = modbus.connection.parse({ url: `tcp://127.0.0.1:${port}`, timeout: '200ms' });
  const address = modbus.point.parse({ table: 'holding', address: 0, base: 0, type: 'int16' });
  const point = { name: 'p', access: 'read_write', poll_ms: null, deadband: null, address } as const;
  const device = { id: 'u3', options: modbus.device.parse({ unit: 3 }), points: [point] };
  const world = kind === 'live' ? ({ kind } as const) : ({ kind, id: 'w1' } as const);
  const driver = (await modbus.load())({ id: 'line', options, devices: [device] }, testContext(world));
  const sink = new RecordingSink();
  open.push(driver);
  driver.start(sink);
  return { driver, sink, ref: { device: 'u3', point: 'p' } };
}

const UNKNOWN = (transaction: string): string => `${transaction} 0000 0003 03 ab 01`;

describe('bytes that are not Modbus', () => {
  for (const [name, answer, message] of [
    ['another protocol id', (t: string) => `${t} 1234 0005 03 03 02 0000`, 'the answer is not a Modbus frame'],
    ['a length of nothing', (t: string) => `${t} 0000 0001 03 03`, 'the answer is not a Modbus frame'],
    ['a web server', () => Buffer.from('HTTP/1.1 400 Bad Request').toString('hex'), 'the answer is not a Modbus frame'],
    [
      'a byte count that lies',
      (t: string) => `${t} 0000 0006 03 06 0001 0001`,
      'the answer does not fit: it is not about what was asked',
    ],
  ] as const) {
    it(`${name}: ${message} (row 68)`, async () => {
      const { driver, ref, sink } = await against(await scripted([UNKNOWN, answer]), 'live');
      await until('the connection', () => sink.now?.status === 'connected');
      const writes = [{ point: ref.point, value: 1 }];
      const command = { device: 'u3', writes, timeoutMs: 5_000, idempotencyKey: 'k', mayStillSend: () => true };
      expect(await driver.write(command)).toMatchObject({ kind: 'doubt', reason_code: 'malformed', message });
    });
  }

  it('a read whose byte count lies is bad, never a shifted value', async () => {
    const lie = (t: string): string => `${t} 0000 0005 03 03 04 0007`;
    const { driver, ref, sink } = await against(await scripted([UNKNOWN, lie]), 'live');
    await until('the connection', () => sink.now?.status === 'connected');
    expect((await driver.read([ref], 5_000))[0]).toMatchObject({ value: null, quality_reason: 'malformed' });
  });
});

describe('who is there (D7)', () => {
  it('an identification that promises more and then fails does not bring the process down', async () => {
    const more = (t: string): string => `${t} 0000 000c 03 2b0e01 01 ff 01 01 00 02 4142`;
    const { sink } = await against(await scripted([more, UNKNOWN]), 'simulated');
    await until('the refusal', () => sink.now?.status === 'error');
    expect(sink.now?.detail).toMatch(/^lost 127\.0\.0\.1:\d+: the answer is cut short$/);
  });

  it('a device of another make is no simulator', async () => {
    const acme = (t: string): string => `${t} 0000 000e 03 2b0e01 01 00 00 01 00 04 41434d45`;
    const { sink } = await against(await scripted([acme]), 'simulated');
    await until('the refusal', () => sink.now?.status === 'error');
    expect(sink.now?.detail).toMatch(/is no simulator \(its vendor is 'ACME'\)$/);
  });

  it('a real device that says nothing to the question is spoken to all the same', async () => {
    const value = (t: string): string => `${t} 0000 0005 03 03 02 0007`;
    const { driver, ref, sink } = await against(await scripted([() => '', value]), 'live');
    await until('the connection', () => sink.now?.status === 'connected');
    expect((await driver.read([ref], 5_000))[0]).toMatchObject({ value: 7, provenance: 'live' });
  });

  it('a real device that hangs up over the question is in the end not asked', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        if (chunk.readUInt8(7) === 43) socket.destroy();
        else socket.write(Buffer.from(`${chunk.subarray(0, 2).toString('hex')}0000000503030200ff`, 'hex'));
      });
      open.push({ stop: async () => void socket.destroy() });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ stop: () => new Promise((resolve) => server.close(() => resolve())) });
    const { driver, ref } = await against((server.address() as { port: number }).port, 'live');
    await until('a value', async () => (await driver.read([ref], 5_000))[0]?.value === 255);
  });
});
