/** The log that the tree over the rows is signed as, as it follows from the rows: its key, and how far it was signed and cosigned. */
import type { CheckpointEntry, CosignatureEntry, IncarnationEntry } from './entries.ts';
import type { Projection } from './projection.ts';

export interface LogState {
  readonly origin: string;
  readonly key: string;
  /** What the upstream knows its receipts by. */
  readonly source: string;
  /** Its newest checkpoint, and the newest that a witness has cosigned, as notes. */
  readonly signed: string | null;
  readonly cosigned: string | null;
}

/** There is one, under this key. */
const LOG = 'receipts';

export function logRow({ logs }: Projection, row: IncarnationEntry | CheckpointEntry | CosignatureEntry): void {
  const log = logs.rows.get(LOG);
  if (row.type === 'incarnation/1') logs.set(LOG, begun(row, log));
  else if (log) logs.set(LOG, { ...log, [row.type === 'checkpoint/1' ? 'signed' : 'cosigned']: row.note });
}

/** The upstream knows a journal by its gateway's uid; one that turned out to be a copy must not go on under the name of the other. */
function begun({ origin, key, cause }: IncarnationEntry, before: LogState | undefined): LogState {
  const uid = origin.slice(0, origin.indexOf('/'));
  const source = cause === 'forked' ? origin : (before?.source ?? uid);
  return { origin, key, source, signed: null, cosigned: null };
}
