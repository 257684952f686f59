/** The crash rig as CI runs it; `npm run crash -- --cycles 10000` for more. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const cycles = process.env['CI'] ? 500 : 10;

it(`X1 X3 J3 ends ${cycles} kills with 0 writes without an intent, 0 doubles, 0 missing receipts, 0 wrong conclusions (row 48)`, {
  retry: 0,
  timeout: 1_500_000,
}, () => {
  const run = spawnSync(process.execPath, [join(import.meta.dirname, 'crash.ts'), '--cycles', String(cycles)], {
    encoding: 'utf8',
  });
  const report = run.stdout.trim().split('\n').at(-1) ?? '';
  expect(run.status, run.stdout + run.stderr).toBe(0);
  expect(JSON.parse(report)).toMatchObject({
    cycles,
    writes_without_intent: 0,
    doubles: 0,
    missing_receipts: 0,
    wrong_conclusions: 0,
    chain: expect.stringMatching(/^proved/),
  });
  process.stdout.write(`${report}\n`);
});
