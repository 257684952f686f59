/**
 * What an operator finds when it looks around: no signals, no native code, no other user, no imports but its own.
 *
 * The permission model of the process (`sandbox.ts`) closes files, network, children and threads. It leaves open signals
 * to processes of the same user and a change of user, and a defect in it would leave open more; this file is the second
 * fence. Both together are a strong belt, not a proof against an exploit of the engine itself.
 *
 * H3 Before any code of an operator is loaded, the process object is out of its reach and its dangerous members are gone.
 * H4 An operator imports `@fibric/sdk`, `zod` and files of its own folder, and nothing else, Node's built-ins included.
 */
import { registerHooks } from 'node:module';

const TAKEN_AWAY = [
  '_debugEnd',
  '_debugProcess',
  '_getActiveHandles',
  '_getActiveRequests',
  '_kill',
  '_linkedBinding',
  '_startProfilerIdleNotifier',
  '_stopProfilerIdleNotifier',
  'abort',
  'binding',
  'chdir',
  'dlopen',
  'execve',
  'getBuiltinModule',
  'initgroups',
  'kill',
  'loadEnvFile',
  'mainModule',
  'report',
  'setegid',
  'seteuid',
  'setgid',
  'setgroups',
  'setuid',
  'umask',
] as const;

const NETWORK = ['fetch', 'WebSocket', 'EventSource'] as const;

function noNetwork(): never {
  throw new Error('operators have no network: sense through a capability instead');
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: false, configurable: false, enumerable: false });
}

/** What is left of `process`: what libraries ask to find out where they run. */
function harmlessProcess(real: NodeJS.Process): object {
  return Object.freeze({
    version: real.version,
    versions: Object.freeze({ ...real.versions }),
    platform: real.platform,
    arch: real.arch,
    env: Object.freeze({}),
    argv: Object.freeze([]),
    nextTick: real.nextTick.bind(real),
  });
}

export interface ImportWall {
  /** URL of the operator's folder, with a slash at its end. */
  readonly folder: string;
  /** URL of the host's own file: what it may import by name, an operator may. */
  readonly host: string;
}

/** Whether `specifier` names a package an operator may import. */
function isShared(specifier: string): boolean {
  return specifier === '@fibric/sdk' || specifier === 'zod' || specifier.startsWith('zod/');
}

function buildWall({ folder, host }: ImportWall): void {
  registerHooks({
    resolve(specifier, context, next) {
      const own = context.parentURL === undefined || context.parentURL.startsWith(folder);
      if (own && isShared(specifier)) return next(specifier, { ...context, parentURL: host });
      const found = next(specifier, context);
      // The packages' own files, loaded late, come from somewhere else; nobody but the host ever needed a built-in.
      const allowed = own ? found.url.startsWith(folder) : found.url.startsWith('file:');
      if (allowed) return found;
      throw new Error(`operators may import @fibric/sdk, zod and files of their own folder, not '${specifier}'`);
    },
  });
}

/** Call once, last, before the operator is imported. */
export function lockDown(wall: ImportWall): void {
  const real = process;
  for (const name of TAKEN_AWAY) {
    Reflect.deleteProperty(real, name);
    if (name in real) define(real, name, undefined);
  }
  define(globalThis, 'process', harmlessProcess(real));
  for (const name of NETWORK) define(globalThis, name, noNetwork);
  buildWall(wall);
}
