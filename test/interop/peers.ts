/** Foreign peers: programs from Debian packages that share no line with the gateway. Each is ended by the process that started it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Proof } from '@fibric/gateway/journal/types';
import { describe, test } from 'vitest';
import type { Ends } from '../support/ends.ts';
import { freePort } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';
const PUB = '/usr/bin/mosquitto_pub';
const SUB = '/usr/bin/mosquitto_sub';
const MBPOLL = '/usr/bin/mbpoll';
/** Debian's own: pymodbus is a package for this one. */
const PYTHON = '/usr/bin/python3';
const MODBUS_PEER = join(import.meta.dirname, 'modbus-peer.py');
const VERIFIER = join(import.meta.dirname, '../../tools/verify_receipts.py');

/** Debian package to what it brings. */
const PACKAGES = {
  mosquitto: MOSQUITTO,
  'mosquitto-clients': PUB,
  mbpoll: MBPOLL,
  'python3-pymodbus': '/usr/lib/python3/dist-packages/pymodbus',
  'python3-cryptography': '/usr/lib/python3/dist-packages/cryptography',
} as const;

/** A group of tests against these packages. Where one is missing it is skipped, or fails when FIBRIC_INTEROP=required. */
export function against(packages: readonly (keyof typeof PACKAGES)[], tests: () => void): void {
  const missing = packages.filter((name) => !existsSync(PACKAGES[name]));
  const needed = `needs the Debian packages ${missing.join(', ')}`;
  if (missing.length === 0) describe(`against ${packages.join(', ')}`, tests);
  else if (process.env['FIBRIC_INTEROP'] !== 'required') {
    console.warn(`skipped: ${needed}`);
    describe.skip(needed, tests);
  } else {
    test(needed, () => {
      throw new Error(`not installed: apt-get install ${missing.join(' ')}`);
    });
  }
}

/** A program that runs until it is ended. */
class Program {
  text = '';
  readonly child: ChildProcess;
  readonly #gone: Promise<void>;

  constructor(file: string, args: readonly string[]) {
    this.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    for (const pipe of [this.child.stdout, this.child.stderr])
      pipe?.on('data', (chunk: Buffer) => void (this.text += chunk.toString()));
    this.child.stdin?.on('error', () => undefined);
    this.#gone = new Promise((resolve) => this.child.once('close', () => resolve()));
  }

  async says(what: string): Promise<void> {
    await waitFor(`'${what}' from ${this.child.spawnfile}`, () => {
      if (this.child.exitCode !== null)
        throw new Error(`${this.child.spawnfile} ended with ${this.child.exitCode}: ${this.text}`);
      return this.text.includes(what);
    });
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#gone;
  }
}

function run(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: 15_000 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${file} ${args.join(' ')}: ${err || out || error.message}`));
    });
  });
}

export type MqttVersion = 'mqttv311' | 'mqttv5';

/** What `mosquitto_sub` printed of a message. */
export interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly userProperties: string;
}

/** The broker. */
export class Mosquitto {
  readonly port: number;
  readonly #config: string;
  #program: Program | null = null;

  constructor(port: number, config: string) {
    this.port = port;
    this.#config = config;
  }

  static async start(ends: Ends): Promise<Mosquitto> {
    const port = await freePort();
    const config = join(ends.folder(), 'mosquitto.conf');
    writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    const broker = ends.add(new Mosquitto(port, config), (one) => one.kill());
    await broker.start();
    return broker;
  }

  async start(): Promise<void> {
    this.#program = new Program(MOSQUITTO, ['-c', this.#config]);
    await this.#program.says('running');
  }

  async kill(): Promise<void> {
    await this.#program?.end();
    this.#program = null;
  }

  /** Publishes one message with `mosquitto_pub`, QoS 1. */
  async publish(
    topic: string,
    payload: string,
    options: { readonly version?: MqttVersion; readonly retain?: boolean } = {},
  ): Promise<void> {
    const { version = 'mqttv311', retain = false } = options;
    await run(PUB, [...this.#where(version), '-q', '1', ...(retain ? ['-r'] : []), '-t', topic, '-m', payload]);
  }

  /** `mosquitto_pub -l`: publishes every line that it is given, QoS 1. */
  publisher(ends: Ends, topic: string, version: MqttVersion): (payload: string) => void {
    const program = ends.add(new Program(PUB, [...this.#where(version), '-q', '1', '-t', topic, '-l']), (one) =>
      one.end(),
    );
    return (payload) => void program.child.stdin?.write(`${payload}\n`);
  }

  /** `mosquitto_sub`: calls back with every message under a topic. Resolves when it is subscribed. */
  async subscribe(ends: Ends, topic: string, version: MqttVersion, heard: (message: Heard) => void): Promise<void> {
    const args = [...this.#where(version), '-q', '1', '-t', topic, '-t', `probe/${topic}`, '-F', '%t\t%q\t%r\t%P\t%p'];
    const program = ends.add(new Program(SUB, args), (one) => one.end());
    const probed = Promise.withResolvers<void>();
    let rest = '';
    program.child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [on = '', qos = '', retain = '', userProperties = '', payload = ''] = line.split('\t');
        if (on.startsWith('probe/')) probed.resolve();
        else heard({ topic: on, payload, qos: Number(qos), retain: retain === '1', userProperties });
      }
    });
    // Retained, so that it also reaches a subscriber that is a little later.
    await this.publish(`probe/${topic}`, 'x', { retain: true });
    await probed.promise;
  }

  #where(version: MqttVersion): readonly string[] {
    return ['-h', '127.0.0.1', '-p', String(this.port), '-V', version];
  }
}

/** A value in holding registers, for pymodbus to encode or decode. Addresses count from 0. */
export interface Item {
  readonly unit: number;
  readonly address: number;
  readonly type: string;
  readonly order: string;
  readonly value?: number;
}

/** A device made of pymodbus: units 1 to 40, each with the registers of a fan-coil unit and 200 holding registers. */
export class ModbusDevice {
  readonly port: number;
  #program: Program | null = null;

  constructor(port: number) {
    this.port = port;
  }

  static async start(ends: Ends): Promise<ModbusDevice> {
    const device = ends.add(new ModbusDevice(await freePort()), (one) => one.kill());
    await device.start();
    return device;
  }

  async start(): Promise<void> {
    this.#program = new Program(PYTHON, [MODBUS_PEER, 'serve', String(this.port)]);
    await this.#program.says('ready');
  }

  async kill(): Promise<void> {
    await this.#program?.end();
    this.#program = null;
  }

  /** pymodbus as a client writes these. */
  async write(items: readonly Item[]): Promise<void> {
    await run(PYTHON, [MODBUS_PEER, 'write', String(this.port), JSON.stringify(items)]);
  }

  /** pymodbus as a client reads these. */
  async read(items: readonly Item[]): Promise<readonly number[]> {
    return JSON.parse(await run(PYTHON, [MODBUS_PEER, 'read', String(this.port), JSON.stringify(items)])) as number[];
  }

  /** What `mbpoll` reads in holding registers; `type` is its `-t`, such as `4` or `4:float`, `reference` counts from 1. */
  async mbpoll(unit: number, reference: number, type = '4', ...more: readonly string[]): Promise<number> {
    const out = await run(MBPOLL, [...this.#where(unit, reference, type), '-1', ...more, '127.0.0.1']);
    const value = /^\[\d+\]:\s+(\S+)/m.exec(out)?.[1];
    if (value === undefined) throw new Error(`mbpoll: ${out}`);
    return Number(value);
  }

  /** `mbpoll` writes. */
  async mbpollWrite(
    unit: number,
    reference: number,
    type: string,
    value: number,
    ...more: readonly string[]
  ): Promise<void> {
    await run(MBPOLL, [...this.#where(unit, reference, type), ...more, '127.0.0.1', '--', String(value)]);
  }

  #where(unit: number, reference: number, type: string): readonly string[] {
    return ['-m', 'tcp', '-p', String(this.port), '-a', String(unit), '-t', type, '-r', String(reference)];
  }
}

/** The verifier of receipts in Python: one process that answers for one bundle after the other, as this trust file has it. */
export class PythonVerifier {
  readonly #program: Program;
  readonly #asked: PromiseWithResolvers<Proof>[] = [];

  constructor(trustFile: string) {
    this.#program = new Program(PYTHON, [VERIFIER, '--batch', '--trust', trustFile]);
    const { stdout, stderr } = this.#program.child;
    if (stdout === null || stderr === null) throw new Error('no pipes');
    createInterface(stdout)
      .on('line', (line) => {
        const { id: _, ...proof } = JSON.parse(line) as Proof & { readonly id: null };
        this.#asked.shift()?.resolve(proof);
      })
      .on('close', () => {
        for (const one of this.#asked.splice(0)) one.reject(new Error(`${VERIFIER} ended: ${this.#program.text}`));
      });
  }

  verify(bundle: Buffer): Promise<Proof> {
    const asked = Promise.withResolvers<Proof>();
    this.#asked.push(asked);
    this.#program.child.stdin?.write(`${JSON.stringify({ id: null, bundle_base64: bundle.toString('base64') })}\n`);
    return asked.promise;
  }

  end(): Promise<void> {
    return this.#program.end();
  }
}

/** The verifier in Python as a person calls it: its exit code and what it prints. */
export function pythonVerify(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  return new Promise((resolve) => {
    const child = execFile(PYTHON, [VERIFIER, ...args], (_, out) => resolve({ code: child.exitCode ?? -1, out }));
  });
}
