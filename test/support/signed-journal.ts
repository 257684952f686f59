/** A journal whose tree is signed as it is in a gateway, in a folder of its own. */
import type { Row } from '@fibric/gateway/journal/entries';
import { type Journal, openJournal } from '@fibric/gateway/journal/journal';
import { type Checkpoints, startCheckpoints } from '@fibric/gateway/proof/checkpoints';
import type { Log } from '@fibric/sdk';
import { VirtualClock } from './virtual-clock.ts';

export interface SignedJournal {
  readonly dir: string;
  readonly clock: VirtualClock;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  close(): void;
}

const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Opens the journal of `dir` and boots it: rows 1 to 3 of a new one are boot, incarnation and checkpoint. */
export async function signedJournal(dir: string, gatewayUid = 'gw_test'): Promise<SignedJournal> {
  const clock = new VirtualClock();
  let checkpoints: Checkpoints | null = null;
  // The same rows give the same bytes: what goes wrong with them can be looked at again.
  let salts = 0;
  const salt = (): Buffer => Buffer.alloc(16, ++salts);
  const onAppend = (row: Row): void => checkpoints?.appended(row);
  const journal = openJournal({ dataDir: dir, clock, bootId: 'boot', onFailure: () => undefined, onAppend, salt });
  const boot = { boot_id: 'boot', gateway_uid: gatewayUid, software: '0', site: 's', policies: {} };
  journal.append({ type: 'boot/1', epoch: journal.epoch + 1, ...boot });
  await journal.durable();
  checkpoints = startCheckpoints({ dataDir: dir, gatewayUid, journal, clock, log: QUIET });
  await journal.durable();
  const signing = checkpoints;
  return {
    ...{ dir, clock, journal, checkpoints },
    close() {
      signing.close();
      journal.close();
    },
  };
}
