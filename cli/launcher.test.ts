import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';

/** A copy of the repository as far as the launcher sees it: itself, a runtime beside it, and an entry. */
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fibric-launcher-'));
  mkdirSync(join(root, 'cli'));
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
  copyFileSync(join(import.meta.dirname, 'fibric.cjs'), join(root, 'cli', 'fibric.cjs'));
  // Makes the real Node say that it is an old one, as the machine of a newcomer has it.
  writeFileSync(
    join(root, 'old.cjs'),
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });",
  );
  write('cli/main.ts', 'console.log(JSON.stringify([import.meta.main, process.argv.slice(2)] satisfies unknown[]));');
});

function write(file: string, text: string): void {
  writeFileSync(join(root, file), text, { mode: 0o755 });
}

const pin = () => symlinkSync(process.execPath, join(root, 'node_modules', '.bin', 'node'));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

function start(
  options: { readonly old: boolean },
  args: readonly string[],
): { child: ChildProcess; ended: Promise<Ended> } {
  const preload = options.old ? ['--require', join(root, 'old.cjs')] : [];
  const child = spawn(process.execPath, [...preload, join(root, 'cli', 'fibric.cjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As at a prompt: the tests themselves may run under the launcher, which has chosen a cache for its children.
    env: { ...process.env, NODE_COMPILE_CACHE: undefined },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, out, err }));
  return { child, ended };
}

const run = (options: { readonly old: boolean }, ...args: readonly string[]) => start(options, args).ended;

describe('under a Node that is new enough', () => {
  test('the command runs in this process, as the main program, with its arguments', async () => {
    expect(await run({ old: false }, 'status', '--json')).toEqual({
      code: 0,
      signal: null,
      out: '[true,["status","--json"]]\n',
      err: '',
    });
  });

  test('--entry runs another program of the repository, and the rest of the line is its own', async () => {
    write('start.ts', 'console.log(JSON.stringify([import.meta.main, process.argv.slice(2)]));');
    expect((await run({ old: false }, '--entry', 'start.ts', '--speed', '60')).out).toBe('[true,["--speed","60"]]\n');
  });

  test('where the entry was compiled, the compiled one runs', async () => {
    write('start.js', 'console.log("compiled");');
    expect((await run({ old: false }, '--entry', 'start.ts')).out).toBe('compiled\n');
  });

  test('an entry that is not there is named', async () => {
    const { code, err } = await run({ old: false }, '--entry', 'nothing.ts');
    expect([code, err]).toEqual([1, `fibric: there is no ${join(root, 'nothing.ts')}\n`]);
  });

  test('compiled code is kept for the next start', async () => {
    await run({ old: false });
    expect(existsSync(join(root, 'node_modules', '.cache', 'node'))).toBe(true);
  });
});

describe('under a Node that is too old', () => {
  test('the pinned runtime takes over: arguments, output and exit code are the same', async () => {
    pin();
    write(
      'start.ts',
      'console.log(JSON.stringify([import.meta.main, process.versions.node >= "26", process.argv.slice(2)])); process.exit(6);',
    );
    expect(await run({ old: true }, '--entry', 'start.ts', 'a b', '--json')).toEqual({
      code: 6,
      signal: null,
      out: '[true,true,["a b","--json"]]\n',
      err: '',
    });
  });

  test('the runtime is found by the name of its package as well', async () => {
    const bin = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync(process.execPath, join(bin, 'node'));
    expect((await run({ old: true }, 'x')).out).toBe('[true,["x"]]\n');
  });

  test('without a pinned runtime one line says what to do', async () => {
    const { code, out, err } = await run({ old: true }, 'status');
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe(`fibric: needs Node 26 and this is 20.20.2: run \`npm ci\` in ${root}, or install Node 26\n`);
  });

  test('a runtime that lacks libatomic is explained', async () => {
    const said = 'node: error while loading shared libraries: libatomic.so.1: cannot open shared object file';
    write('node_modules/.bin/node', `#!/bin/sh\necho '${said}' >&2\nexit 127\n`);
    const { code, err } = await run({ old: true }, 'status');
    expect(code).toBe(1);
    expect(err.split('\n')).toContain(
      'fibric: the pinned Node needs the system library libatomic.so.1: apt-get install libatomic1',
    );
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s reaches the program, which ends in its own time',
    async (signal) => {
      pin();
      write(
        'start.ts',
        `process.on('${signal}', () => { console.log('finished'); process.exit(4); }); console.log('ready'); setInterval(() => {}, 1e9);`,
      );
      const { child, ended } = start({ old: true }, ['--entry', 'start.ts']);
      await once(child.stdout ?? child, 'data');
      child.kill(signal);
      expect(await ended).toMatchObject({ code: 4, out: 'ready\nfinished\n' });
    },
  );

  test('a program that dies of a signal is seen to have died of it', async () => {
    pin();
    write('start.ts', "process.kill(process.pid, 'SIGKILL');");
    expect(await run({ old: true }, '--entry', 'start.ts')).toMatchObject({ code: null, signal: 'SIGKILL' });
  });
});
