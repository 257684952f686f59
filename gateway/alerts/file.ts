/** The local channel, and the one there is when a site names none: a file of pages, one JSON object a line. */
import { open, rename, stat } from 'node:fs/promises';
import { LIMITS } from '@fibric/sdk';
import type { Channel } from './channel.ts';

/** `path`: absolute. A full file is kept beside the new one as `<path>.1`. */
export function fileChannel(id: string, path: string): Channel {
  return {
    id,
    label: `file ${path}`,
    async send(message) {
      const size = await stat(path).then(
        (found) => found.size,
        () => 0,
      );
      if (size > LIMITS.alertFileBytes) await rename(path, `${path}.1`);
      const file = await open(path, 'a', 0o600);
      try {
        await file.appendFile(`${JSON.stringify(message)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    },
  };
}
