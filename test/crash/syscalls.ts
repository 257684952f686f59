/**
 * Lets every file call of one action fail, in turn, on the real gateway: with an I/O error, a full disk, half a write, as the last
 * thing that the process does, or as the last one before the power went, with everything that was not flushed gone; then starts it
 * again and asks what happened.
 *
 *   node test/crash/syscalls.ts [--every 1] [--classes level,fire,ring,start] [--modes eio,enospc,kill,tear,power]
 *
 * Reported, and all of them must be 0: writes without an intent, tickets that fired twice, actions without a receipt, wrong
 * conclusions, rows that were there and are gone.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { fsck } from '@fibric/gateway/journal/fsck';
import { rowsAfter } from '@fibric/gateway/journal/store';
import { systemClock } from '@fibric/gateway/system';
import { createModbusServer, ModbusUnit } from '@fibric/simulators/modbus/server';
import { waitFor } from '../support/wait.ts';
import { person } from './person.ts';

/** `start` is no action: the calls of opening, recovering and booting. */
const CLASSES = ['level', 'fire', 'ring', 'start'] as const;
type Class = (typeof CLASSES)[number];
const RIGS = ['level', 'fire', 'ring'] as const;
/** As in fault.c. */
const MODES = { eio: 1, enospc: 2, kill: 3, tear: 4, power: 5 } as const;
type Mode = keyof typeof MODES;

const root = join(import.meta.dirname, '..', '..');
const CONTROL_BYTES = 5 * 8 + 512 * 24;

/** The shim and what it shares with us. */
class Faults {
  readonly library: string;
  readonly control: string;
  readonly #fd: number;

  constructor(dir: string) {
    this.library = join(dir, 'fault.so');
    this.control = join(dir, 'control');
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', this.library, join(import.meta.dirname, 'fault.c'), '-ldl']);
    writeFileSync(this.control, Buffer.alloc(CONTROL_BYTES));
    this.#fd = openSync(this.control, 'r+');
  }

  arm(mode: Mode, nth: number): void {
    const words = Buffer.alloc(CONTROL_BYTES);
    words.writeBigInt64LE(BigInt(MODES[mode]), 8);
    words.writeBigInt64LE(BigInt(nth), 16);
    writeSync(this.#fd, words, 0, words.length, 0);
    this.#set(1);
  }

  disarm(): { readonly fired: boolean; readonly calls: readonly string[] } {
    this.#set(0);
    const words = Buffer.alloc(CONTROL_BYTES);
    readSync(this.#fd, words, 0, words.length, 0);
    const count = Math.min(512, Number(words.readBigInt64LE(24)));
    const name = (i: number): string => words.toString('latin1', 40 + i * 24, 64 + i * 24).replace(/\0.*$/s, '');
    return { fired: words.readBigInt64LE(32) === 1n, calls: Array.from({ length: count }, (_, i) => name(i)) };
  }

  close(): void {
    closeSync(this.#fd);
  }

  #set(armed: number): void {
    const word = Buffer.alloc(8);
    word.writeBigInt64LE(BigInt(armed));
    writeSync(this.#fd, word, 0, 8, 0);
  }
}

interface Life {
  readonly url: () => string | null;
  readonly ended: () => boolean;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** What it said. */
  text: string;
}

class House {
  readonly dir = mkdtempSync(join(tmpdir(), 'fibric-syscalls-'));
  readonly data = join(this.dir, 'data');
  readonly image = join(this.dir, 'image');
  readonly faults = new Faults(this.dir);
  /** `rig:ticket` to how often it came. */
  readonly fired = new Map<string, number>();
  readonly levels = new Map<string, number>();
  /**
   * Last rows that were there beside a gateway at rest, by number: they must never be gone. What is found after a kill alone may not have
   * been flushed: nobody was told of it.
   */
  readonly seen = new Map<number, string>();
  readonly units = RIGS.map(
    (_, i) => new ModbusUnit({ id: i + 1, input: { 0: 0, 10: 0 }, holding: { 0: 0, 10: 0 }, coil: { 0: 0 } }),
  );
  readonly server = createModbusServer({
    world: null,
    units: this.units,
    clock: systemClock(),
    onWrite: (unit, table, address, values) => this.#written(unit, table, address, values[0] ?? 0),
  });
  #demand = 0;

  #written(unit: ModbusUnit, table: string, address: number, value: number): void {
    const count = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
    const rig = RIGS[unit.id - 1] ?? '';
    if (table === 'holding' && address === 0) count(this.levels, `${rig}:${value}`);
    if (table !== 'coil' || value !== 1) return;
    count(this.fired, `${rig}:${unit.get('holding', 10)}`);
    unit.set('input', 10, ((unit.get('input', 10) ?? 0) + 1) & 0xffff);
    unit.set('coil', 0, 0);
  }

  async open(): Promise<void> {
    const { port } = await this.server.start();
    mkdirSync(this.image);
    cpSync(join(import.meta.dirname, 'classes'), this.dir, { recursive: true });
    const devices = RIGS.map(
      (name, i) => `  - { id: rig-${name}, connection: rigs, unit: ${i + 1}, profile: rig, entity: 'rig:${name}' }`,
    );
    writeFileSync(
      join(this.dir, 'site.yaml'),
      `site: { tenant: t_local, workspace: ws_crash, name: Crash rig, timezone: UTC }
gateway: { listen: 127.0.0.1:0, data: ./data }
profiles: ./profiles
connections:
  rigs: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 500ms }
devices:
${devices.join('\n')}
bindings: { rig.level: [rigs], rig.fire: [rigs], rig.ring: [rigs] }
operators:
  one: { mode: live, path: ${join(import.meta.dirname, 'classes', 'operators', 'one')}, policy: ./policy.yaml }
`,
    );
  }

  async close(): Promise<void> {
    await this.server.stop();
    this.faults.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Asks a rig for its next action; returns what that is known by. */
  demand(rig: (typeof RIGS)[number]): string {
    this.units[RIGS.indexOf(rig)]?.set('input', 0, ++this.#demand);
    return `${rig}:${this.#demand}`;
  }

  start(): Life {
    // What this rig tries is one failure at a time; three in ten minutes have a test of their own.
    rmSync(join(this.data, 'journal-failures'), { force: true });
    const env = {
      ...process.env,
      LD_PRELOAD: this.faults.library,
      FAULT_CONTROL: this.faults.control,
      FAULT_DIR: this.data,
      FAULT_IMAGE: this.image,
    };
    const args = [join(root, 'cli', 'fibric.cjs'), 'up', join(this.dir, 'site.yaml')];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let over = false;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve(void (over = true))));
    const life: Life = {
      text: '',
      url: () => /"url":"([^"]+)".*"msg":"ready"/.exec(life.text)?.[1] ?? null,
      ended: () => over,
      async kill(signal) {
        child.kill(signal);
        await ended;
      },
    };
    child.stderr.on('data', (chunk: Buffer) => void (life.text += chunk.toString()));
    return life;
  }

  /** The power went: of the journal there is what was flushed. */
  cutPower(): void {
    for (const file of ['journal.db', 'journal.db-wal', 'journal.db-shm']) {
      rmSync(join(this.data, file), { force: true });
      if (existsSync(join(this.image, file))) copyFileSync(join(this.image, file), join(this.data, file));
    }
  }

  story(): {
    open: Set<string>;
    intents: Map<string, number>;
    yes: Set<string>;
    no: Set<string>;
    done: Set<string>;
    actions: number;
    receipts: number;
    kept: number;
    last: readonly [number, string] | null;
  } {
    const story = {
      open: new Set<string>(),
      intents: new Map<string, number>(),
      yes: new Set<string>(),
      no: new Set<string>(),
      done: new Set<string>(),
      actions: 0,
      receipts: 0,
      kept: 0,
      last: null as readonly [number, string] | null,
    };
    const db = new Database(join(this.data, 'journal.db'), { readonly: true });
    for (const { row, hash } of rowsAfter(db, 0)) {
      story.last = [row.seq, hash];
      if (this.seen.has(row.seq)) story.kept += this.seen.get(row.seq) === hash ? 1 : 0;
      if (row.type === 'plan/1') {
        for (const { action } of row.actions) story.open.add(action.action_id);
        story.actions += row.actions.length;
      } else if (row.type === 'intent/1') {
        const key = `${row.device.slice('rig-'.length)}:${String(row.target[0]?.value)}`;
        story.intents.set(key, (story.intents.get(key) ?? 0) + 1);
      } else if (row.type === 'receipt/1') {
        story.receipts++;
        story.open.delete(row.action_id);
        const key = `${String(row.args['rig'])}:${String(row.args['ticket'] ?? row.args['value'])}`;
        story.done.add(key);
        if (row.outcome === 'applied' || row.outcome === 'applied_unverified') story.yes.add(key);
        if (row.outcome === 'failed') story.no.add(key);
      }
    }
    db.close();
    return story;
  }
}

/** Nothing is open, and nothing that nobody waits for is still on its way: two looks at the head, one commit interval apart. */
async function idle(house: House, life: Life): Promise<void> {
  await waitFor('the gateway to be ready', () => life.ended() || life.url(), 30_000);
  const url = life.url();
  if (life.ended() || url === null) return;
  const { tidy } = person(url, house.data);
  await tidy();
  let before = -1;
  await waitFor('the gateway to have nothing to do', async () => {
    if (life.ended()) return true;
    const { receipts: now, open, last } = house.story();
    const quiet = now === before && open.size === 0;
    if (quiet && last && !life.ended()) house.seen.set(...last);
    before = now;
    if (!quiet) await new Promise((resolve) => setTimeout(resolve, 150));
    return quiet;
  });
  // A doubt that was settled just now may have opened one.
  if (!life.ended() && (await tidy()) > 0) await idle(house, life);
}

interface Tried {
  readonly calls: readonly string[];
  /** The n-th call was made. */
  readonly fired: boolean;
  readonly survived: boolean;
}

/** One action, or one start, in which the n-th call goes wrong. Leaves a gateway that runs, or null when it ended. */
async function tryOne(
  house: House,
  before: Life | null,
  kind: Class,
  mode: Mode,
  nth: number,
): Promise<Tried & { readonly life: Life | null }> {
  if (kind === 'start') {
    await before?.kill('SIGKILL');
    house.faults.arm(mode, nth);
    const life = house.start();
    await waitFor('a start to end one way or the other', () => life.ended() || life.url(), 30_000);
    const { calls, fired } = house.faults.disarm();
    if (mode === 'power' && life.ended()) house.cutPower();
    return { calls, fired, survived: !life.ended(), life: life.ended() ? null : life };
  }
  let life = before ?? house.start();
  await idle(house, life);
  // One that went on past its fault may have met its consequence only now.
  if (before?.ended()) await idle(house, (life = house.start()));
  if (life.ended()) throw new Error(`the gateway did not come back:\n${life.text}`);
  house.faults.arm(mode, nth);
  const asked = house.demand(kind);
  await waitFor(`${kind}, ${mode} at call ${nth}, to end`, () => life.ended() || house.story().done.has(asked));
  const { calls, fired } = house.faults.disarm();
  const survived = !life.ended();
  if (mode === 'power' && fired) {
    await life.kill('SIGKILL');
    house.cutPower();
  }
  // Without its reserve it would not admit the next action for some seconds.
  if (mode === 'enospc') await life.kill('SIGKILL');
  return { calls, fired, survived, life: life.ended() ? null : life };
}

interface Report {
  readonly faults: number;
  readonly survived: number;
  readonly calls: Readonly<Record<string, number>>;
  readonly actions: number;
  readonly writes_without_intent: number;
  readonly doubles: number;
  readonly missing_receipts: number;
  readonly lost_rows: number;
  readonly wrong_conclusions: number;
  readonly fsck: string;
}

function judge(house: House, tally: Pick<Report, 'faults' | 'survived' | 'calls'>): Report {
  const seen = house.seen.size;
  const { open, intents, yes, no, actions, kept } = house.story();
  const over = (counts: Map<string, number>): number =>
    [...counts].filter(([key, n]) => n > (intents.get(key) ?? 0)).length;
  const came = (key: string): boolean => house.fired.has(key) || house.levels.has(key);
  const checked = fsck(house.data);
  const findings = checked.findings.map(({ check, detail }) => `${check}: ${detail}`);
  return {
    ...tally,
    actions,
    writes_without_intent: over(house.levels) + over(house.fired),
    doubles: [...house.fired.values()].filter((n) => n > 1).length,
    missing_receipts: open.size,
    lost_rows: seen - kept,
    wrong_conclusions:
      [...yes].filter((key) => !came(key)).length + [...no].filter((key) => came(key) && !yes.has(key)).length,
    fsck: readdirSync(house.data).some((name) => name.startsWith('set-aside'))
      ? 'replaced'
      : findings.join('; ') || 'clean',
  };
}

async function run(classes: readonly Class[], modes: readonly Mode[], every: number): Promise<Report> {
  const house = new House();
  await house.open();
  const tally = { faults: 0, survived: 0, calls: {} as Record<string, number> };
  let life: Life | null = null;
  try {
    for (const kind of classes)
      for (const mode of modes)
        for (let nth = 1; ; nth += every) {
          const tried = await tryOne(house, life, kind, mode, nth);
          life = tried.life;
          if (!tried.fired) {
            tally.calls[kind] = tried.calls.length;
            break;
          }
          tally.faults++;
          if (tried.survived) tally.survived++;
          process.stdout.write(
            `${kind} ${mode} ${nth} ${tried.calls[nth - 1]}: ${tried.survived ? 'went on' : 'ended'}\n`,
          );
        }
    life ??= house.start();
    await idle(house, life);
    await life.kill('SIGTERM');
    return judge(house, tally);
  } finally {
    await life?.kill('SIGKILL');
    await house.close();
  }
}

const { values } = parseArgs({
  options: {
    every: { type: 'string', default: '1' },
    classes: { type: 'string', default: CLASSES.join(',') },
    modes: { type: 'string', default: Object.keys(MODES).join(',') },
  },
});
const classes = CLASSES.filter((name) => values.classes.split(',').includes(name));
const modes = (Object.keys(MODES) as Mode[]).filter((name) => values.modes.split(',').includes(name));
const report = await run(classes, modes, Number(values.every));
process.stdout.write(`${JSON.stringify(report)}\n`);
const { writes_without_intent, doubles, missing_receipts, lost_rows, wrong_conclusions } = report;
const wrong = writes_without_intent + doubles + missing_receipts + lost_rows + wrong_conclusions;
process.exit(wrong === 0 && report.fsck === 'clean' && report.faults > 0 ? 0 : 1);
