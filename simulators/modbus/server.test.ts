/** The simulated Modbus server against frames written out by hand from the standard: no encoder of ours on this side. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../clock.ts';
import * as modbus from './server.ts';

const open: { stop(): void | Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.stop();
});

/** A client that sends hex and collects what comes, also how the link ends. */
class Raw {
  received = '';
  chunks = 0;
  closed = false;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => {
      this.received += chunk.toString('hex');
      this.chunks += 1;
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
    });
    open.push({ stop: () => void this.#socket.destroy() });
  }

  async send(hex: string): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex'), () => resolve()),
    );
  }

  async expect(hex: string): Promise<void> {
    await expect.poll(() => this.received, { timeout: 10_000, interval: 2 }).toBe(hex.replaceAll(' ', ''));
    this.received = '';
  }

  async expectClosed(): Promise<void> {
    await expect.poll(() => this.closed, { timeout: 10_000, interval: 2 }).toBe(true);
  }
}

interface Bench {
  readonly raw: Raw;
  readonly unit: modbus.ModbusUnit;
  readonly server: modbus.ModbusServer;
  readonly clock: VirtualClock;
  readonly written: unknown[];
}

async function bench(behaviours: readonly modbus.Behaviour[] = [], world: string | null = 'w1'): Promise<Bench> {
  const unit = new modbus.ModbusUnit({
    id: 0x11,
    coil: { 0: 1, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 0, 7: 0, 8: 1, 9: 0 },
    discrete: { 0: 0, 1: 1 },
    input: { 8: 10, 20: 0 },
    holding: { 0: 0x022b, 1: 0, 2: 0x0064 },
    behaviours,
  });
  const clock = new VirtualClock();
  const written: unknown[] = [];
  const server = modbus.createModbusServer({
    world,
    units: [unit],
    clock,
    onWrite: (at, table, address, values) => written.push([at.id, table, address, values]),
  });
  const { port } = await server.start();
  open.push(server);
  return { raw: new Raw(port), unit, server, clock, written };
}

const READ_HOLDING = '0001 0000 0006 11 03 0000 0003';
const HOLDING_ANSWER = '0001 0000 0009 11 03 06 022b 0000 0064';

describe('the simulated Modbus server', () => {
  it('answers FC 1 to 4 as the standard prints them', async () => {
    const { raw } = await bench();
    await raw.send('0001 0000 0006 11 01 0000 000a');
    await raw.expect('0001 0000 0005 11 01 02 0d01');
    await raw.send('0002 0000 0006 11 02 0000 0002');
    await raw.expect('0002 0000 0004 11 02 01 02');
    await raw.send(READ_HOLDING);
    await raw.expect(HOLDING_ANSWER);
    await raw.send('0004 0000 0006 11 04 0008 0001');
    await raw.expect('0004 0000 0005 11 04 02 000a');
  });

  it('takes FC 5, 6, 15 and 16, echoes them, counts each address and tells the hook', async () => {
    const { raw, unit, written } = await bench();
    await raw.send('0001 0000 0006 11 05 0001 ff00');
    await raw.expect('0001 0000 0006 11 05 0001 ff00');
    await raw.send('0002 0000 0006 11 06 0001 0003');
    await raw.expect('0002 0000 0006 11 06 0001 0003');
    await raw.send('0003 0000 0009 11 0f 0000 000a 02 cd01');
    await raw.expect('0003 0000 0006 11 0f 0000 000a');
    await raw.send('0004 0000 000b 11 10 0001 0002 04 000a 0102');
    await raw.expect('0004 0000 0006 11 10 0001 0002');
    expect([unit.get('coil', 1), unit.get('coil', 2), unit.get('coil', 8)]).toEqual([0, 1, 1]);
    expect([unit.get('holding', 1), unit.get('holding', 2)]).toEqual([0x0a, 0x0102]);
    expect([unit.writes('holding', 1), unit.writes('holding', 2), unit.writes('holding', 0)]).toEqual([2, 1, 0]);
    expect(written).toEqual([
      [0x11, 'coil', 1, [1]],
      [0x11, 'holding', 1, [3]],
      [0x11, 'coil', 0, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]],
      [0x11, 'holding', 1, [0x0a, 0x0102]],
    ]);
  });

  it('puts partial chunks together and answers several frames of one chunk', async () => {
    const { raw } = await bench();
    await raw.send(READ_HOLDING.slice(0, 9));
    await raw.send(READ_HOLDING.slice(9, 20));
    await raw.send(READ_HOLDING.slice(20));
    await raw.expect(HOLDING_ANSWER);
    await raw.send(`${READ_HOLDING}${READ_HOLDING.replace('0001', '0002')}`);
    await raw.expect(`${HOLDING_ANSWER}${HOLDING_ANSWER.replace('0001', '0002')}`);
  });

  it('refuses what the standard has it refuse, with the code of §7', async () => {
    const { raw } = await bench();
    const cases: [string, string][] = [
      ['11 07', '11 87 01'],
      ['11 03 0000 0000', '11 83 03'],
      ['11 03 0000 007e', '11 83 03'],
      ['11 03 0002 0002', '11 83 02'],
      ['11 04 ffff 0002', '11 84 02'],
      ['11 05 0000 1234', '11 85 03'],
      ['11 10 0001 0002 03 000a01', '11 90 03'],
      ['22 03 0000 0001', '22 83 0b'],
    ];
    for (const [request, answer] of cases) {
      const bytes = request.replaceAll(' ', '').length / 2;
      await raw.send(`0009 0000 ${bytes.toString(16).padStart(4, '0')} ${request}`);
      await raw.expect(`0009 0000 0003 ${answer}`);
    }
  });

  it('identifies itself as the simulator of its world (FC 43/14), and a device without a world does not', async () => {
    const ask = '0001 0000 0005 11 2b 0e 01 00';
    const simulator = await bench();
    await simulator.raw.send(ask);
    const objects = [
      '00 10',
      Buffer.from('Fibric simulator').toString('hex'),
      '01 02',
      Buffer.from('w1').toString('hex'),
      '02 03',
      Buffer.from('1.0').toString('hex'),
    ];
    await simulator.raw.expect(`0001 0000 0023 11 2b 0e 01 01 00 00 03 ${objects.join('')}`);
    const device = await bench([], null);
    await device.raw.send(ask);
    await device.raw.expect('0001 0000 0003 11 ab 01');
  });

  it('closes a link on which something else than Modbus is spoken', async () => {
    const { raw } = await bench();
    await raw.send(Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex'));
    await raw.expectClosed();
  });

  it('frees its port on stop and can be started again on it', async () => {
    const { raw, server } = await bench();
    await raw.send(READ_HOLDING);
    await raw.expect(HOLDING_ANSWER);
    expect(server.links()).toBe(1);
    await server.stop();
    await raw.expectClosed();
    expect(server.links()).toBe(0);
    await server.start();
  });
});

const WRITE = '0001 0000 0006 11 06 0001 00ff';

describe('behaviours of simulated devices', () => {
  it('clamp and quantise change the value and echo what was sent', async () => {
    const { raw, unit } = await bench([modbus.clamp('holding', 1, 0, 100), modbus.quantise('holding', 1, 8)]);
    await raw.send(WRITE);
    await raw.expect(WRITE);
    expect(unit.get('holding', 1)).toBe(104);
  });

  it('a device that ignores writes acknowledges them', async () => {
    const { raw, unit } = await bench([modbus.ignoreWrites()]);
    await raw.send(WRITE);
    await raw.expect(WRITE);
    expect(unit.get('holding', 1)).toBe(0);
  });

  it('refuses n times, or a range for ever', async () => {
    const { raw } = await bench([modbus.exception(6, 1, modbus.writes), modbus.refuseRange('holding', 2, 1)]);
    await raw.send(WRITE);
    await raw.expect('0001 0000 0003 11 86 06');
    await raw.send(WRITE);
    await raw.expect(WRITE);
    await raw.send(READ_HOLDING);
    await raw.expect('0001 0000 0003 11 83 02');
  });

  it('silence does nothing, a dropped answer does it all the same', async () => {
    const { raw, unit } = await bench([modbus.silent(modbus.reads), modbus.dropAnswer(modbus.writes)]);
    await raw.send(`${READ_HOLDING}${WRITE}0002 0000 0006 22 03 0000 0001`);
    await raw.expect('0002 0000 0003 22 83 0b');
    expect(unit.get('holding', 1)).toBe(0xff);
  });

  it('answers late by the clock it was given, after it did it', async () => {
    const { raw, unit, clock } = await bench([modbus.answerLate(4_000, modbus.writes)]);
    await raw.send(`${WRITE}${READ_HOLDING.replace('0001', '0002')}`);
    await raw.expect('0002 0000 0009 11 03 06 022b 00ff 0064');
    expect(unit.writes('holding', 1)).toBe(1);
    clock.advance(4_000);
    await raw.expect(WRITE);
  });

  it('closes in the middle of a frame', async () => {
    const { raw } = await bench([modbus.closeMidFrame(4)]);
    await raw.send(READ_HOLDING);
    await raw.expectClosed();
    expect(raw.received).toBe('00010000');
  });

  it('answers under a wrong transaction, unit or function, or too short', async () => {
    for (const [behaviour, answer] of [
      [modbus.wrongTransaction(), HOLDING_ANSWER.replace('0001', '0008')],
      [modbus.wrongUnit(0x55), HOLDING_ANSWER.replace(' 11 ', ' 55 ')],
      [modbus.wrongFunction(), HOLDING_ANSWER.replace('11 03', '11 23')],
      [modbus.shortAnswer(4), '0001 0000 0005 11 03 06 022b'],
    ] as const) {
      const { raw } = await bench([behaviour]);
      await raw.send(READ_HOLDING);
      await raw.expect(answer);
    }
  });

  it('sends one byte at a time', async () => {
    const { raw, clock } = await bench([modbus.byteByByte(1_000)]);
    await raw.send(READ_HOLDING);
    const answered = (): string => {
      clock.advance(1_000);
      return raw.received;
    };
    await expect.poll(answered, { timeout: 10_000, interval: 2 }).toBe(HOLDING_ANSWER.replaceAll(' ', ''));
    expect(raw.chunks).toBeGreaterThan(5);
  });

  it('a pulse output counts and falls back by itself', async () => {
    const { raw, unit } = await bench([modbus.pulseCounter(1, 20)]);
    await raw.send('0001 0000 0006 11 05 0001 ff00');
    await raw.expect('0001 0000 0006 11 05 0001 ff00');
    await raw.send('0002 0000 0006 11 05 0001 0000');
    await raw.expect('0002 0000 0006 11 05 0001 0000');
    expect([unit.get('input', 20), unit.get('coil', 1)]).toEqual([1, 0]);
  });
});
