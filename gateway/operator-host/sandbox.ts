/**
 * How an operator host is started: Node's permission model, no environment, bounded memory, another user where possible.
 *
 * H7 The process may read the operator's folder and the code it is made of. It may not write, connect, listen, resolve,
 * spawn, start threads or load native code.
 */
import { constants, existsSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FibricError, LIMITS } from '@fibric/sdk';

export interface HostCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** The user to run as; null: the gateway's own. */
  readonly uid: number | null;
}

/** `nobody` on every Linux: owns no file and no process. */
const NOBODY = 65_534;

/** No core dumps; private memory bounded by the kernel, for what the engine's own heap limit does not count. */
const LIMIT_AND_RUN = `ulimit -c 0; ulimit -d ${LIMITS.hostDataMib * 1024} 2>/dev/null; exec "$@"`;

/** Where a package is found from here, as a link and as the folder behind it: the loader asks for both. */
function packageFolders(name: string): readonly string[] {
  const parents = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const link = parents.map((parent) => join(parent, name)).find((path) => existsSync(path));
  if (link === undefined)
    throw new FibricError('operator_invalid', `package ${name} is not installed: operators cannot be run`);
  return [link, realpathSync(link)];
}

/** Whether somebody who is neither owner nor group reaches `path` and reads it. */
function isPublic(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    const stat = statSync(at, { throwIfNoEntry: false });
    const needed = stat?.isDirectory() ? constants.S_IXOTH : constants.S_IROTH;
    if (stat === undefined || (stat.mode & needed) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** The user for a host: nobody, when we may change it and that user can read what the host is made of. */
function chooseUid(needed: readonly string[]): number | null {
  return process.getuid?.() === 0 && needed.every(isPublic) ? NOBODY : null;
}

/** The operator's file in its folder: source or compiled, whichever this program itself is, before the other. */
export function operatorFile(folder: string): string {
  const own = extname(import.meta.url);
  const names = [`operator${own}`, 'operator.ts', 'operator.js'];
  const found = names.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new FibricError('operator_invalid', `there is no operator.ts in ${folder}`);
  return realpathSync(found);
}

/** The command that starts `program` (the host's own file unless a test asks for another) for the operator in `folder`. */
export function hostCommand(folder: string, program = hostProgram()): HostCommand {
  const readable = [realpathSync(folder), dirname(program), ...packageFolders('@fibric/sdk'), ...packageFolders('zod')];
  return {
    file: '/bin/sh',
    args: [
      '-c',
      LIMIT_AND_RUN,
      'sh',
      process.execPath,
      '--permission',
      ...readable.map((path) => `--allow-fs-read=${path}`),
      `--max-old-space-size=${LIMITS.hostHeapMib}`,
      // Node 26.10 does not put node:sqlite under its permission model: it would open any file.
      '--no-experimental-sqlite',
      '--no-experimental-ffi',
      '--no-experimental-webstorage',
      '--no-experimental-websocket',
      '--disable-sigusr1',
      '--disable-warning=ExperimentalWarning',
      program,
    ],
    uid: chooseUid([process.execPath, program, ...readable]),
  };
}

function hostProgram(): string {
  return fileURLToPath(new URL(`./host${extname(import.meta.url)}`, import.meta.url));
}
