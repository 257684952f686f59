/** The crash rig as CI runs it; `npm run crash -- --cycles 10000` for more. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const cycles = process.env['CI'] ? 500 : 10;
/** Gateways side by side: one leaves half of the smallest machine idle. */
const JOBS = 2;

it(`X1 X3 J3 ends ${cycles} kills with 0 writes without an intent, 0 doubles, 0 missing receipts, 0 wrong conclusions (row 48)`, {
  retry: 0,
  timeout: 1_500_000,
}, () => {
  const rig = join(import.meta.dirname, 'crash.ts');
  const run = spawnSync(process.execPath, [rig, '--cycles', String(cycles), '--jobs', String(JOBS)], {
    encoding: 'utf8',
  });
  expect(run.status, run.stdout + run.stderr).toBe(0);
  const reports = run.stdout.split('\n').filter((line) => line.startsWith('{'));
  expect(reports).toHaveLength(JOBS);
  for (const report of reports)
    expect(JSON.parse(report)).toMatchObject({
      cycles: cycles / JOBS,
      writes_without_intent: 0,
      doubles: 0,
      missing_receipts: 0,
      wrong_conclusions: 0,
      chain: expect.stringMatching(/^proved/),
    });
  process.stdout.write(`${reports.join('\n')}\n`);
});
