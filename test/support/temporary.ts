/** One folder for all that a run of the tests puts into the temporary one, removed at its end with whatever a test has left. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default function temporary(): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'fibric-tests-'));
  // As the temporary folder itself: operators run as nobody.
  chmodSync(dir, 0o755);
  process.env['TMPDIR'] = dir;
  return () => rmSync(dir, { recursive: true, force: true });
}
