import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RECORDING_HEADER } from './recording.ts';

const ROOT = dirname(import.meta.dirname);
const WAIT = { timeout: 60_000, interval: 50 };
let folder = '';
let running: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fibric-start-'));
  running = [];
});
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly exit: Promise<number | null>;
}

function start(...args: readonly string[]): Run {
  const launcher = join(ROOT, 'cli/fibric.cjs');
  const child = spawn(process.execPath, [launcher, '--entry', 'simulators/start.ts', ...args], { cwd: folder });
  running.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, said: () => said, exit };
}

/** Two rooms for 70 minutes; somebody is in room 12 all the time, nobody in room 7. One line is broken. */
function recording(): string {
  const file = join(folder, 'day.csv');
  const lines: string[] = [RECORDING_HEADER.join()];
  for (let minute = 0; minute < 70; minute++) {
    const time = `2013-08-26T${String(Math.floor(minute / 60) + 9).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}:00`;
    const drift = (minute / 100).toFixed(2);
    lines.push(`${time},7,${22 + Number(drift)},50,400,10,0`, `${time},12,${23 - Number(drift)},50,600,300,4`);
  }
  lines.splice(20, 0, 'broken');
  writeFileSync(file, lines.join('\n'));
  return file;
}

function gatewayPid(): number {
  return (JSON.parse(readFileSync(join(folder, 'data/run.json'), 'utf8')) as { pid: number }).pid;
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('npm start', () => {
  it('ends with 2 and a sentence when the command line asks for what cannot be', async () => {
    const unknown = start('--sped', '60');
    expect(await unknown.exit).toBe(2);
    expect(unknown.said()).toBe("npm start: Unknown option '--sped'; --help shows what there is\n");
    const missing = start('--site', 'office', '--recording', 'none.csv');
    expect(await missing.exit).toBe(2);
    expect(missing.said()).toBe(`npm start: there is no file ${join(folder, 'none.csv')}\n`);
    expect(existsSync(join(folder, '.fibric'))).toBe(false);
  });

  it('plays a recording to its end, sums up, stops the gateway, and refuses to play into the same folder again', async () => {
    const args = [
      '--site',
      'office',
      '--recording',
      recording(),
      '--speed',
      '720',
      '--data',
      'data',
      '--port-base',
      '0',
    ];
    const run = start(...args, '--exit-at-end');
    expect(await run.exit, run.said()).toBe(0);
    const said = run.said();
    expect(said).toContain('This is a simulated world, not a live site.');
    expect(said).toContain('  line 21: 1 cell instead of 7');
    expect(said).toMatch(/receipt {3}zone:12 .*21 → 21.5 {2}applied/);
    expect(said).toMatch(/\n {2}7 {12}17\.0 °C {8}1 {3}good\n/);
    expect(said).toMatch(/\n {2}12 {11}21\.5 °C {8}1 {3}good\n/);
    expect(said).toContain('recording   140 rows played, 1 line that could not be read');
    expect(said).toContain('receipts    2: 2 applied');
    expect(existsSync(join(folder, 'data/run.json'))).toBe(false);
    const again = start(...args);
    expect(await again.exit).toBe(2);
    expect(again.said()).toContain('data holds a finished run of');
  }, 90_000);

  it('stops the gateway and then the world when it is told to', async () => {
    const run = start('--data', 'data', '--port-base', '0');
    await expect.poll(() => run.said(), WAIT).toContain('Ctrl-C stops everything');
    const pid = gatewayPid();
    run.child.kill('SIGINT');
    expect(await run.exit, run.said()).toBe(0);
    expect(lives(pid)).toBe(false);
    expect(existsSync(join(folder, 'data/world.json'))).toBe(true);
  }, 90_000);

  it('ends with 1 and the end of its log when the gateway dies', async () => {
    const run = start('--data', 'data', '--port-base', '0');
    await expect.poll(() => run.said(), WAIT).toContain('Ctrl-C stops everything');
    process.kill(gatewayPid(), 'SIGKILL');
    expect(await run.exit).toBe(1);
    expect(run.said()).toContain('npm start: the gateway has ended by itself; the last lines of');
  }, 90_000);
});
