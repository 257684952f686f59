/** Reads the folder of a gateway that is stopped. Nothing is written there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type EventLogReader, openEventReader } from '@fibric/gateway/events/reader';
import { EVENTS_FILE } from '@fibric/gateway/events/store';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import type { ListQuery } from '@fibric/gateway/journal/types';
import { deliveryOf } from '@fibric/gateway/sync/store';
import { FibricError, type Receipt } from '@fibric/sdk';
import { eventRow, found, type RecordQuery, type Records } from './records.ts';

const BATCH = 500;

/** Throws `not_found` when a list is asked for that the folder does not hold. */
export function offlineRecords(data: string): Records {
  const open: { close(): void }[] = [];
  function keep<T extends { close(): void }>(opened: T): T {
    open.push(opened);
    return opened;
  }
  const journal = once(() => keep(openJournalReader(data)));
  const events = once(() => keep(openEvents(data)));
  return {
    async *receipts(query) {
      if (query.limit !== undefined || query.operator !== undefined)
        yield* journal().receipts(newest(query)).toReversed();
      else
        yield* inBatches<Receipt>(
          (after) => journal().receiptsAfter(after, BATCH),
          (receipt) => receipt.seq,
        );
    },
    receipt: async (id) => found(journal().receipt(id), 'receipt', id),
    async why(id) {
      const story = found(journal().story(id), 'receipt', id);
      return { ...story, sync: deliveryOf(data, story.receipt.seq) };
    },
    async *alerts({ limit }) {
      if (limit !== undefined) yield* journal().alerts.newest({ limit }).toReversed();
      else
        yield* inBatches(
          (after) => journal().alerts.after(after, BATCH),
          ({ seq }) => seq,
        );
    },
    async *plans(query) {
      yield* journal().plans(newest(query)).toReversed();
    },
    plan: async (id) => found(journal().plan(id), 'plan', id),
    async *events({ limit, type }) {
      const rows =
        limit === undefined
          ? inBatches(
              (after) => events().eventsAfter(after, BATCH, type),
              (event) => event.cursor,
            )
          : events().eventsLast(limit, type);
      for (const row of rows) yield eventRow(row);
    },
    verify: async () => journal().verify(),
    close: () => {
      for (const one of open) one.close();
    },
  };
}

function openEvents(data: string): EventLogReader {
  if (!existsSync(join(data, EVENTS_FILE))) throw new FibricError('not_found', `no event log in ${data}`);
  return openEventReader(data);
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function newest(query: RecordQuery): ListQuery {
  const { limit = Number.MAX_SAFE_INTEGER, operator, waiting = false } = query;
  return { limit, waiting, ...(operator === undefined ? {} : { operator }) };
}

function* inBatches<T>(read: (after: number) => readonly T[], position: (row: T) => number): Generator<T> {
  let after = 0;
  for (;;) {
    const rows = read(after);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = position(last);
  }
}
