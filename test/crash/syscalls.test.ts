/** The file-call rig on a sample of the calls, another one for each class and mode. `npm run syscalls` for all of them. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const every = process.env['CI'] ? 6 : 12;
const gcc = spawnSync('gcc', ['--version']).status === 0;
if (!gcc)
  process.stdout.write(
    'skipped: faults are put between the gateway and its disk by a library that gcc makes, and there is none\n',
  );

interface Report {
  readonly faults: number;
  readonly survived: number;
}

/** `stride`: every so manieth call; recovery makes a hundred of them. */
function run(classes: string, modes: string, stride = every): Report {
  const rig = join(import.meta.dirname, 'syscalls.ts');
  const args = ['--every', String(stride), '--classes', classes, '--modes', modes];
  const ended = spawnSync(process.execPath, [rig, ...args], { encoding: 'utf8' });
  const report = ended.stdout.trim().split('\n').at(-1) ?? '';
  expect(ended.status, ended.stdout + ended.stderr).toBe(0);
  process.stdout.write(`${report}\n`);
  const told = JSON.parse(report) as Report;
  expect(told).toMatchObject({
    writes_without_intent: 0,
    doubles: 0,
    missing_receipts: 0,
    lost_rows: 0,
    wrong_conclusions: 0,
    fsck: 'clean',
  });
  return told;
}

describe.skipIf(!gcc)(
  'one action of each effect class, each file call on the journal in turn',
  { retry: 0, timeout: 1_800_000 },
  () => {
    it('X1 X3 J3 J5 is the last thing that the process does: nothing doubles, nothing is lost (rows 49, 52)', () => {
      expect(run('level,fire,ring', 'kill,tear').faults).toBeGreaterThan(0);
    });

    it('J2 is the last one before the power goes: every row that was acknowledged is there (row 51)', () => {
      expect(run('level,fire,ring', 'power').faults).toBeGreaterThan(0);
    });

    it('J3 fails with an I/O error: frozen, restarted, settled (row 97)', () => {
      expect(run('level,fire,ring', 'eio').faults).toBeGreaterThan(0);
    });

    it('F3 finds the disk full: the reserve is given up, and the outcome is recorded without a restart (row 95)', () => {
      expect(run('level,fire,ring', 'enospc').survived).toBeGreaterThan(0);
    });

    it('of starting and recovering is the last one, or fails: the next start goes on (rows 50, 97)', () => {
      run('ring,start', 'kill,eio,power', 3 * every);
    });
  },
);
