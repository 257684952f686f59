/** `<data>/run.json`: where the gateway of a data folder listens. Written when it does, removed when it stops. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface RunFile {
  readonly url: string;
  readonly pid: number;
}

/** Written beside and renamed, so that nobody reads half of it. */
export function writeRunFile(dataDir: string, run: RunFile): void {
  const file = join(dataDir, 'run.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(run)}\n`);
  renameSync(`${file}.new`, file);
}

export function removeRunFile(dataDir: string): void {
  rmSync(join(dataDir, 'run.json'), { force: true });
}
