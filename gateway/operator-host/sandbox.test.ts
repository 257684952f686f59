/** The process itself, without the second fence: what Node's permission model and the kernel close. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openLink } from './link.ts';
import { hostCommand, operatorFile } from './sandbox.ts';
import { keptLog, manualClock, operatorFolder, until } from './testing.ts';

/** Tries everything with Node's own modules, and tells on descriptor 3 what came of it. */
const PROBE = `
import fs from 'node:fs';
const [secretFile, siblingFile, port] = JSON.parse(fs.readFileSync('targets.json', 'utf8'));
const results = {};
async function attempt(name, act) {
  try { const value = await act(); results[name] = 'open: ' + String(value).slice(0, 80); }
  catch (error) { results[name] = 'closed: ' + (error.cause?.code ?? error.code ?? error.message); }
}
const net = await import('node:net');
const connect = (target) => new Promise((resolve, reject) => net.connect(target).on('error', reject).on('connect', resolve));
await attempt('read own folder', () => fs.readFileSync('operator.ts', 'utf8').length);
await attempt('read outside', () => fs.readFileSync(secretFile, 'utf8'));
await attempt('read a folder whose name begins alike', () => fs.readFileSync(siblingFile, 'utf8'));
await attempt('read /proc', () => fs.readFileSync('/proc/self/environ', 'utf8'));
await attempt('list /', () => fs.readdirSync('/'));
await attempt('write own folder', () => fs.writeFileSync('written', 'x'));
await attempt('write /tmp', () => fs.writeFileSync('/tmp/written-by-an-operator', 'x'));
await attempt('link', () => fs.symlinkSync('/etc', 'etc'));
await attempt('fetch', () => fetch('http://127.0.0.1:' + port));
await attempt('tcp', () => connect({ host: '127.0.0.1', port }));
await attempt('unix socket', () => connect({ path: '/tmp/any.sock' }));
await attempt('listen', () => new Promise((resolve, reject) => net.createServer().on('error', reject).listen(0, resolve)));
await attempt('udp', async () => {
  const socket = (await import('node:dgram')).createSocket('udp4');
  return new Promise((resolve, reject) => { socket.on('error', reject); socket.send('x', 9, '127.0.0.1', (e) => (e ? reject(e) : resolve('sent'))); });
});
await attempt('dns', async () => (await import('node:dns')).promises.lookup('localhost'));
await attempt('websocket', () => new Promise((resolve, reject) => { const s = new WebSocket('ws://127.0.0.1:' + port); s.onopen = resolve; s.onerror = (e) => reject(e.error ?? new Error('refused')); }));
await attempt('child', async () => (await import('node:child_process')).execFileSync('/bin/true'));
await attempt('exec', () => process.execve('/bin/true', ['true'], {}));
await attempt('worker', async () => new (await import('node:worker_threads')).Worker('0', { eval: true }));
await attempt('binding', () => process.binding('fs'));
await attempt('dlopen', () => process.dlopen({ exports: {} }, '/tmp/x.node'));
await attempt('inspector', async () => (await import('node:inspector')).open(0));
await attempt('heap snapshot', async () => (await import('node:v8')).writeHeapSnapshot());
await attempt('wasi', async () => new (await import('node:wasi')).WASI({ version: 'preview1' }));
await attempt('sqlite file', async () => new (await import('node:sqlite')).DatabaseSync(secretFile));
await attempt('sqlite in memory', async () => new (await import('node:sqlite')).DatabaseSync(':memory:'));
await attempt('foreign functions', async () => new (await import('node:ffi')).DynamicLibrary('libc.so.6'));
await attempt('local storage', () => localStorage.setItem('a', 'b'));
await attempt('signal', () => process.kill(process.ppid, 0));
results.env = Object.keys(process.env).join(' ');
results.uid = String(process.getuid());
fs.writeSync(3, JSON.stringify(results) + '\\n');
process.exit(0);
`;

async function tryEverything(): Promise<Record<string, string>> {
  const folder = operatorFolder('export default 1;');
  const secret = operatorFolder('secret');
  const sibling = `${folder}-sibling`;
  mkdirSync(sibling);
  onTestFinished(() => rmSync(sibling, { recursive: true }));
  writeFileSync(join(sibling, 'secret'), 'secret');
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await until(() => server.listening, 'the server');
  const { port } = server.address() as { port: number };
  writeFileSync(
    join(folder, 'targets.json'),
    JSON.stringify([join(secret, 'operator.ts'), join(sibling, 'secret'), port]),
  );
  writeFileSync(join(folder, 'probe.mjs'), PROBE);
  const log = keptLog();
  let answer: Record<string, string> | null = null;
  const link = openLink({
    operator: 'probe',
    folder,
    command: hostCommand(folder, join(folder, 'probe.mjs')),
    log,
    clock: manualClock(),
    onLine: (line) => {
      answer = JSON.parse(line) as Record<string, string>;
    },
    onEnd: () => {},
  });
  await link.gone;
  server.close();
  if (answer === null) throw new Error(`the probe said nothing: ${log.lines.join('\n')}`);
  return answer;
}

describe('the sandbox of an operator host', () => {
  test('H7 closes files, network, children, threads, native code and the environment, and leaves the own folder readable (rows 14, 118)', async () => {
    const { env, uid, signal, ...results } = await tryEverything();
    const open = Object.keys(results).filter((name) => results[name]?.startsWith('open'));
    expect(open).toEqual(['read own folder']);
    for (const name of [
      'read outside',
      'write own folder',
      'tcp',
      'dns',
      'child',
      'worker',
      'binding',
      'udp',
      'listen',
    ]) {
      expect(results[name], name).toBe('closed: ERR_ACCESS_DENIED');
    }
    // What a shell sets for itself names the folder the process was started in, and nothing of ours.
    expect(
      env
        ?.split(' ')
        .filter((name) => name !== 'PWD')
        .join(' '),
    ).toBe('');
    if (process.getuid?.() === 0) {
      expect(uid).toBe('65534');
      expect(signal).toBe('closed: EPERM');
    }
  });

  test('an operator is looked for as source and as compiled code', () => {
    const folder = operatorFolder('export default 1;');
    expect(dirname(operatorFile(folder))).toBe(folder);
    expect(() => operatorFile(join(folder, 'nothing'))).toThrow('there is no operator.ts in');
  });
});
