/**
 * `npm run bench` builds the product and runs every bench; `npm run bench -- loop --n 5` runs one of them with its options.
 * Interrupting it stops everything that was started.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './lib.ts';

const BENCHES = ['ingest', 'loop', 'idle', 'policy', 'receipts'];

function run(file: string, args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [join(ROOT, file), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const [name, ...options] = process.argv.slice(2);
const one = BENCHES.find((bench) => bench === name);
if (name !== undefined && one === undefined && !name.startsWith('--')) {
  process.stderr.write(`there is no bench '${name}': ${BENCHES.join(', ')}\n`);
  process.exit(2);
}
run('tools/build.ts', []);
for (const bench of one === undefined ? BENCHES : [one])
  run(`bench/${bench}.ts`, one === undefined ? process.argv.slice(2) : options);
