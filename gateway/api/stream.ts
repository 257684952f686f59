/**
 * The event log as a live stream of server-sent events.
 *
 * A6 From a cursor on, every matching event is sent once and in order: the stream reads the log, it does not listen beside it.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type Clock, matchesGlob, sleep } from '@fibric/sdk';
import type { EventReader, StoredEvent } from '../journal/types.ts';

/** Looking whether something came costs next to nothing; people see this as at once. */
const POLL_MS = 200;
/** A comment now and then, so that proxies and clients see that the line is alive. */
const KEEP_ALIVE_MS = 15_000;
const BATCH = 500;

export interface StreamOptions {
  readonly events: EventReader;
  readonly clock: Clock;
  /** Cursor of the last event that the client has. */
  readonly from: number;
  readonly type: string | undefined;
  readonly out: ServerResponse;
  /** Ends the stream: the client went away or the server closes. */
  readonly signal: AbortSignal;
}

/** Writes events to `out` until `signal` aborts, as fast as the client takes them. */
export async function streamEvents(options: StreamOptions): Promise<void> {
  const { events, clock, out, signal } = options;
  out.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  out.write(': open\n\n');
  let cursor = options.from;
  let saidMs = clock.monoMs();
  while (!signal.aborted) {
    const batch = events.head() > cursor ? events.eventsAfter(cursor, BATCH) : [];
    cursor = batch.at(-1)?.cursor ?? cursor;
    const nowMs = clock.monoMs();
    const text = framesOf(batch, options.type) || (nowMs - saidMs >= KEEP_ALIVE_MS ? ': keep-alive\n\n' : '');
    if (text !== '') {
      saidMs = nowMs;
      if (!out.write(text)) await once(out, 'drain', { signal }).catch(() => undefined);
    }
    // A full batch means more behind it: on at once, but others get their turn.
    await sleep(clock, batch.length === BATCH ? 0 : POLL_MS, signal);
  }
  out.end();
}

function framesOf(batch: readonly StoredEvent[], type: string | undefined): string {
  const wanted = batch.filter(({ envelope }) => type === undefined || matchesGlob(type, envelope.event_type));
  return wanted.map(frame).join('');
}

function frame(event: StoredEvent): string {
  const data = JSON.stringify({ ...event.envelope, cursor: event.cursor, at: event.at });
  return `id: ${event.envelope.event_id}\nevent: envelope\ndata: ${data}\n\n`;
}
