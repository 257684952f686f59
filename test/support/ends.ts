/** What the tests of one file share is ended after the last of them, the newest first. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export interface Ends {
  /** Notes how to end something and hands it on. */
  add<T>(thing: T, end: (thing: T) => unknown): T;
  /** A folder that goes when the tests are over, readable by everybody: operators run as another user. */
  folder(): string;
}

/** Call once, at the top of a file of tests. */
export function ends(): Ends {
  const open: (() => unknown)[] = [];
  afterAll(async () => {
    for (const end of open.splice(0).toReversed()) await end();
  });
  function add<T>(thing: T, end: (thing: T) => unknown): T {
    open.push(() => end(thing));
    return thing;
  }
  return {
    add,
    folder() {
      const folder = add(mkdtempSync(join(tmpdir(), 'fibric-')), (dir) =>
        rmSync(dir, { recursive: true, force: true }),
      );
      chmodSync(folder, 0o755);
      return folder;
    },
  };
}
