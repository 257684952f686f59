/**
 * Kills the real gateway at random moments while it writes to simulated devices that count, and then asks what happened.
 *
 *   npm run crash -- --cycles 1000 [--seed 1] [--jobs 2]
 *
 * `--jobs` gateways side by side share the cycles, each with devices and a journal of its own, and a report each.
 *
 * Reported, and all of them must be 0: writes without an intent, tickets that fired twice, actions without exactly one receipt,
 * and wrong conclusions (a receipt says applied and the device says no, or the reverse). Breakers that open meanwhile are closed as a
 * person would, and `idle_cycles`, the most cycles one after another in which no pulse came, says that there was something to kill.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import type { Entry, Row } from '@fibric/gateway/journal/entries';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import { rowsAfter } from '@fibric/gateway/journal/store';
import { systemClock } from '@fibric/gateway/system';
import { createModbusServer, ModbusUnit } from '@fibric/simulators/modbus/server';
import { person } from './person.ts';

const RIGS = 4;
const DEMAND_EVERY_MS = 15;
/** Cycles without a pulse, one after another, that no seed explains. */
const IDLE_CYCLES = 40;
const root = join(import.meta.dirname, '..', '..');

/** What the devices saw, in their own words. */
class Witness {
  readonly levels = new Map<string, number>();
  readonly fired = new Map<string, number>();

  count(counts: Map<string, number>, key: string): void {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
}

/** Two registers, the high one first: ten thousand cycles ask for more than 16 bits can tell apart. */
const long = (high: number, low: number): number => high * 0x10000 + low;

function rigs(witness: Witness) {
  const units = Array.from(
    { length: RIGS },
    (_, i) =>
      new ModbusUnit({
        id: i + 1,
        input: { 0: 0, 1: 0, 10: 0 },
        holding: { 0: 0, 1: 0, 10: 0, 11: 0 },
        coil: { 0: 0 },
      }),
  );
  const server = createModbusServer({
    world: null,
    units,
    clock: systemClock(),
    onWrite(unit, table, address, values) {
      const [high = 0, low = 0] = values;
      if (table === 'holding' && address === 0) witness.count(witness.levels, `rig-${unit.id}:${long(high, low)}`);
      if (table !== 'coil' || high !== 1) return;
      const ticket = long(unit.get('holding', 10) ?? 0, unit.get('holding', 11) ?? 0);
      witness.count(witness.fired, `rig-${unit.id}:${ticket}`);
      unit.set('input', 10, ((unit.get('input', 10) ?? 0) + 1) & 0xffff);
      unit.set('coil', 0, 0);
    },
  });
  return { units, server };
}

function siteFile(dir: string, port: number): string {
  cpSync(join(import.meta.dirname, 'rig'), dir, { recursive: true });
  const numbers = Array.from({ length: RIGS }, (_, i) => i + 1);
  const devices = numbers.map(
    (n) => `  - { id: rig-${n}, connection: rigs, unit: ${n}, profile: rig, entity: 'rig:${n}' }`,
  );
  const file = join(dir, 'site.yaml');
  writeFileSync(
    file,
    `site: { tenant: t_local, workspace: ws_crash, name: Crash rig, timezone: UTC }
gateway: { listen: 127.0.0.1:0, data: ./data }
profiles: ./profiles
connections:
  rigs: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 500ms }
devices:
${devices.join('\n')}
bindings: { rig.level: [rigs], rig.fire: [rigs] }
operators:
  rig: { mode: live, path: ${join(import.meta.dirname, 'rig', 'operators', 'rig')}, policy: ./policy.yaml }
`,
  );
  return file;
}

class Gateway {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Where its API is, once it is ready. */
  readonly ready: Promise<string>;
  text = '';

  constructor(site: string) {
    this.process = spawn(process.execPath, [join(root, 'cli', 'fibric.cjs'), 'up', site], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.ended = new Promise((resolve) => this.process.once('exit', (code) => resolve(code)));
    this.ready = new Promise((resolve) => {
      this.process.stderr?.on('data', (chunk: Buffer) => {
        this.text += chunk.toString();
        const said = /"url":"([^"]+)".*"msg":"ready"/.exec(this.text);
        if (said?.[1]) resolve(said[1]);
      });
    });
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** mulberry32: enough to repeat a run by its seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Until every action has its receipt, a minute at the most. */
async function quiet(dataDir: string): Promise<void> {
  const db = new Database(join(dataDir, 'journal.db'), { readonly: true });
  const open = db.prepare("SELECT count(*) FROM state WHERE tab = 'open'").pluck();
  const until = performance.now() + 60_000;
  do await sleep(200);
  while (open.get() !== 0 && performance.now() < until);
  db.close();
}

interface Report {
  readonly cycles: number;
  readonly actions: number;
  readonly pulses: number;
  readonly in_doubt: number;
  readonly unknown: number;
  readonly writes_without_intent: number;
  readonly doubles: number;
  readonly missing_receipts: number;
  readonly wrong_conclusions: number;
  readonly chain: string;
  readonly breakers_closed: number;
  readonly idle_cycles: number;
}

interface Tally {
  readonly intents: Map<string, number>;
  readonly applied: Set<string>;
  readonly notApplied: Set<string>;
  readonly open: Set<string>;
  actions: number;
  doubts: number;
  unknown: number;
}

const keyOf = (device: string, value: unknown): string => `${device}:${String(value)}`;

function tallyRow(tally: Tally, row: Row<Entry>): void {
  if (row.type === 'plan/1') {
    for (const { action } of row.actions) tally.open.add(action.action_id);
    tally.actions += row.actions.length;
  } else if (row.type === 'intent/1') {
    const point = row.target[0];
    if (point)
      tally.intents.set(
        `${point.point}/${keyOf(row.device, point.value)}`,
        (tally.intents.get(`${point.point}/${keyOf(row.device, point.value)}`) ?? 0) + 1,
      );
  } else if (row.type === 'receipt/1') {
    tally.open.delete(row.action_id);
    if (row.reason_code === 'inferred_by_readback' || row.reason_code === 'not_applied') tally.doubts++;
    if (row.outcome === 'unknown') tally.unknown++;
    if (row.capability !== 'rig.fire' || !row.device) return;
    const key = keyOf(row.device, row.args['ticket']);
    if (row.outcome === 'applied') tally.applied.add(key);
    else if (row.outcome === 'failed') tally.notApplied.add(key);
  }
}

function judge(dataDir: string, witness: Witness): Omit<Report, 'cycles' | 'breakers_closed' | 'idle_cycles'> {
  const db = new Database(join(dataDir, 'journal.db'), { readonly: true });
  const tally: Tally = {
    intents: new Map(),
    applied: new Set(),
    notApplied: new Set(),
    open: new Set(),
    actions: 0,
    doubts: 0,
    unknown: 0,
  };
  for (const { row } of rowsAfter(db, 0)) tallyRow(tally, row);
  db.close();
  const reader = openJournalReader(dataDir);
  const verified = reader.verify();
  reader.close();
  const over = (counts: Map<string, number>, point: string) =>
    [...counts].filter(([key, n]) => n > (tally.intents.get(`${point}/${key}`) ?? 0)).length;
  const fired = (key: string) => witness.fired.get(key) ?? 0;
  const wrongYes = [...tally.applied].filter((key) => fired(key) === 0).length;
  const wrongNo = [...tally.notApplied].filter((key) => fired(key) > 0 && !tally.applied.has(key)).length;
  return {
    actions: tally.actions,
    pulses: witness.fired.size,
    in_doubt: tally.doubts,
    unknown: tally.unknown,
    writes_without_intent: over(witness.levels, 'level') + over(witness.fired, 'ticket'),
    doubles: [...witness.fired.values()].filter((n) => n > 1).length,
    missing_receipts: tally.open.size,
    wrong_conclusions: wrongYes + wrongNo,
    chain: verified.kind === 'proved' ? `proved, ${verified.rows} rows` : `row ${verified.seq}: ${verified.reason}`,
  };
}

async function run(cycles: number, seed: number): Promise<Report> {
  const dir = mkdtempSync(join(tmpdir(), 'fibric-crash-'));
  const witness = new Witness();
  const { units, server } = rigs(witness);
  const { port } = await server.start();
  const site = siteFile(dir, port);
  // From here on both registers are in use soon.
  let demand = 65_000;
  const pace = setInterval(() => {
    demand++;
    for (const unit of units) {
      unit.set('input', 0, demand >>> 16);
      unit.set('input', 1, demand & 0xffff);
    }
  }, DEMAND_EVERY_MS);
  const random = seeded(seed);
  let [cycle, breakers_closed, idle, idle_cycles] = [0, 0, 0, 0];
  // Ends early, and still says what came of the cycles so far.
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const tidy = (api: string): Promise<number> => person(api, join(dir, 'data')).tidy();
  try {
    for (; cycle < cycles && !interrupted.signal.aborted; cycle++) {
      const gateway = new Gateway(site);
      const before = witness.fired.size;
      void gateway.ready.then(async (api) => (breakers_closed += await tidy(api)));
      // One kill in five falls into start-up and recovery, the others into the work.
      if (random() < 0.2) await sleep(random() * 600);
      else await Promise.race([gateway.ready.then(() => sleep(random() * 250)), gateway.ended]);
      if (gateway.process.exitCode !== null)
        throw new Error(`the gateway ended by itself in cycle ${cycle + 1}:\n${gateway.text}`);
      await gateway.kill('SIGKILL');
      idle = witness.fired.size > before ? 0 : idle + 1;
      idle_cycles = Math.max(idle_cycles, idle);
      if (cycle % 50 === 49) process.stdout.write(`${cycle + 1} cycles, ${witness.fired.size} pulses\n`);
    }
    clearInterval(pace);
    const last = new Gateway(site);
    const api = await last.ready;
    // What waits is more than one page, and no more comes.
    for (let i = 0; i < 20; i++) breakers_closed += await tidy(api);
    await quiet(join(dir, 'data'));
    await last.kill('SIGTERM');
    return { cycles: cycle, ...judge(join(dir, 'data'), witness), breakers_closed, idle_cycles };
  } finally {
    clearInterval(pace);
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
  },
});
const [cycles, seed, jobs] = [Number(values.cycles), Number(values.seed), Number(values.jobs)];

async function job(n: number): Promise<boolean> {
  const share = Math.floor(cycles / jobs) + (n < cycles % jobs ? 1 : 0);
  const report = await run(share, seed + n);
  process.stdout.write(`${JSON.stringify({ seed: seed + n, ...report })}\n`);
  const wrong = report.writes_without_intent + report.doubles + report.missing_receipts + report.wrong_conclusions;
  return wrong === 0 && report.chain.startsWith('proved') && report.idle_cycles <= IDLE_CYCLES;
}

const held = await Promise.all(Array.from({ length: jobs }, (_, n) => job(n)));
process.exit(held.every(Boolean) ? 0 : 1);
