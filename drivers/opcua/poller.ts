/**
 * Reads the points that nobody watches, in one batch a cadence. A watched point is read as well when nothing was heard of it for
 * a while: that shows a value that stands still to be alive, and a subscription that has gone silent to be dead.
 */
import { type Clock, sleep } from '@fibric/sdk';
import type { Link } from './link.ts';
import type { Outbox } from './outbox.ts';
import type { PlannedPoint } from './plan.ts';
import { readPoints } from './reader.ts';

/** Share of its interval after which a watched point without news is asked for: none stays unknown for two intervals. */
const SILENT_SHARE = 0.5;

export interface Polling {
  readonly link: Link;
  readonly points: readonly PlannedPoint[];
  readonly watched: ReadonlySet<string>;
  readonly outbox: Outbox;
  readonly clock: Clock;
  /** A server that leaves a poll unanswered for so long is taken for lost. */
  readonly timeoutMs: number;
}

async function cadence(polling: Polling, pollMs: number, group: readonly PlannedPoint[]): Promise<void> {
  const { link, watched, outbox, clock } = polling;
  let due = group.filter(({ key }) => !watched.has(key));
  while (!link.lost.aborted) {
    if (due.length > 0) {
      const { readings, silence } = await readPoints(link, due, polling.timeoutMs, clock);
      if (link.lost.aborted) return;
      if (silence !== null) {
        link.abort(silence === 'timeout' ? 'the server does not answer' : 'the server refuses to be read');
        return;
      }
      outbox.push(readings);
    }
    await sleep(clock, pollMs, link.lost);
    due = group.filter(({ key }) => !watched.has(key) || outbox.silentMs(key) >= SILENT_SHARE * pollMs);
  }
}

/** Polls until the link is lost. */
export function startPolling(polling: Polling): void {
  const cadences = Map.groupBy(polling.points, ({ pollMs }) => pollMs);
  for (const [pollMs, group] of cadences) {
    if (pollMs !== null) void cadence(polling, pollMs, group);
  }
}
