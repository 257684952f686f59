/** Which data folder is meant, and whether a gateway runs there. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FibricError } from '@fibric/sdk';
import { z } from 'zod';
import type { Call } from './call.ts';

const runFile = z.object({ url: z.url(), pid: z.int() });
export type Running = z.infer<typeof runFile>;

/** Where `npm start` puts its sites, relative to where it is run. */
const USUAL = ['.fibric/hotel', '.fibric/office'];
const HEALTH_MS = 3_000;

/** The folder of `--data`, of FIBRIC_DATA, or the one usual folder in which a gateway runs. */
export async function dataFolder(call: Call): Promise<string> {
  const named = call.options.data ?? call.io.variable('FIBRIC_DATA');
  if (named) return resolve(call.io.cwd, named);
  const folders = USUAL.map((folder) => resolve(call.io.cwd, folder));
  const answers = await Promise.all(folders.map(runningIn));
  const running = folders.filter((_, i) => answers[i] !== null);
  if (running.length > 1) {
    throw new FibricError('invalid_parameter', `gateways run in ${running.join(' and ')}: say which with --data <dir>`);
  }
  if (running[0] === undefined) {
    throw new FibricError(
      'not_reachable',
      `no gateway runs in ./${USUAL.join(' or ./')}, and no --data <dir> was given`,
    );
  }
  return running[0];
}

/** Where the gateway of a folder listens; null when none answers. A stale file may name a port that another gateway has now. */
export async function runningIn(folder: string): Promise<Running | null> {
  const file = join(folder, 'run.json');
  if (!existsSync(file)) return null;
  try {
    const running = runFile.parse(JSON.parse(readFileSync(file, 'utf8')));
    const response = await fetch(new URL('/healthz', running.url), { signal: AbortSignal.timeout(HEALTH_MS) });
    const health = z.object({ pid: z.int() }).parse(await response.json());
    return health.pid === running.pid ? running : null;
  } catch {
    return null;
  }
}
