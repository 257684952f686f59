/** Everything that CI checks, in one run: format, lint, types, dead exports, tests, documents. `npm test` and `npm run verify`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'fibric-verify-'));
const report = join(scratch, 'tests.json');

const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['format', 'biome', ['format', '.']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings']],
  ['types', 'tsc', ['--noEmit']],
  ['dead code', 'knip', []],
  ['documents', 'node', ['tools/docs.ts', '--check']],
  ['schemas', 'node', ['tools/schema.ts', '--check']],
  ['faults', 'node', ['tools/faults.ts', '--check']],
  ['tests', 'vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]],
];

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const failed: string[] = [];
const path = `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`;
for (const [name, command, args] of steps) {
  say(`\n== ${name}`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
  });
  if (error) say(String(error));
  if (status !== 0) failed.push(name);
}

say(failed.length === 0 ? '\nverify: everything holds' : `\nverify: ${failed.join(', ')} failed`);
try {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  say(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
} catch {
  say('0 passed, 1 failed');
}
rmSync(scratch, { recursive: true, force: true });
process.exit(failed.length === 0 ? 0 : 1);
