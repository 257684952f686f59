/**
 * Pages of lists.
 *
 * A4 A limit outside 1–100 is refused, never clamped; a cursor works only for the list and the filters it came from.
 */
import { FibricError, LIMITS, matchesGlob } from '@fibric/sdk';
import { z } from 'zod';
import type { EventReader, StoredEvent } from '../journal/types.ts';

export interface List<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

const whole = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a whole number')
  .transform(Number);

/** `limit` and `cursor` of every list. */
export const pageShape = {
  limit: whole
    .refine((n) => n >= 1 && n <= LIMITS.pageMax, `expected 1 to ${LIMITS.pageMax}`)
    .default(LIMITS.pageDefault),
  cursor: z.string().max(1_000).optional(),
};

/** `after` of lists that can be read in the order they were written. */
export const afterShape = { after: whole.optional() };

/** Makes and reads the cursors of one list: `filters` are those it is bound to. */
export function cursorsFor(list: string, filters: Readonly<Record<string, unknown>>) {
  const bound = JSON.stringify([list, filters]);
  return {
    write: (position: number | string): string =>
      `cur_${Buffer.from(JSON.stringify([position, bound])).toString('base64url')}`,
    read: (cursor: string | undefined): number | string | undefined => {
      if (cursor === undefined) return undefined;
      const position = unpack(cursor, bound);
      if (position === null) throw new FibricError('invalid_cursor', 'the cursor is not one of this list');
      return position;
    },
  };
}

export type Cursors = ReturnType<typeof cursorsFor>;

function unpack(cursor: string, bound: string): number | string | null {
  try {
    const [position, filters] = JSON.parse(
      Buffer.from(cursor.slice('cur_'.length), 'base64url').toString(),
    ) as unknown[];
    if (!cursor.startsWith('cur_') || filters !== bound) return null;
    return typeof position === 'number' || typeof position === 'string' ? position : null;
  } catch {
    return null;
  }
}

/** A page of `rows`, which hold one more than `limit` when there is more. */
export function pageOf<T>(
  rows: readonly T[],
  options: { readonly limit: number; readonly cursors: Cursors; readonly position: (row: T) => number | string },
): List<T> {
  const data = rows.slice(0, options.limit);
  const last = data.at(-1);
  const more = rows.length > options.limit && last !== undefined;
  return {
    object: 'list',
    data,
    has_more: more,
    next_cursor: more ? options.cursors.write(options.position(last)) : null,
  };
}

/** A page of something small that is held in memory, in the order of its key. */
export function pageInMemory<T>(
  rows: readonly T[],
  options: {
    readonly list: string;
    readonly query: { readonly limit: number; readonly cursor?: string | undefined };
    readonly key: (row: T) => string;
  },
): List<T> {
  const { key, query } = options;
  const cursors = cursorsFor(options.list, {});
  const after = cursors.read(query.cursor);
  const sorted = rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const rest = after === undefined ? sorted : sorted.filter((row) => key(row) > String(after));
  return pageOf(rest, { limit: query.limit, cursors, position: key });
}

/** How much of the log one request may look through: a rare type must not hold the process up. */
const SCAN_EVENTS = 20_000;
const WINDOW = 2_000;

/** Some of the events asked for. `reached`: where the look ended without finding enough; null at the end of the log. */
export interface Look {
  readonly rows: readonly StoredEvent[];
  readonly reached: number | null;
}

interface LookQuery {
  readonly from: number;
  readonly limit: number;
  readonly type: string | undefined;
}

/** Up to `limit` + 1 events below cursor `from`, newest first. */
export function eventsBefore(events: EventReader, query: LookQuery): Look {
  const oldest = events.eventsAfter(0, 1)[0]?.cursor ?? query.from;
  const floor = Math.max(oldest, query.from - SCAN_EVENTS);
  const rows: StoredEvent[] = [];
  let high = query.from;
  while (high > floor && rows.length <= query.limit) {
    const size = windowOf(query);
    const low = Math.max(high - 1 - size, 0);
    const window = events.eventsAfter(low, size).filter((event) => event.cursor < high && wanted(event, query));
    rows.push(...window.toReversed());
    high = low + 1;
  }
  return { rows: rows.slice(0, query.limit + 1), reached: high > oldest ? high : null };
}

/** Up to `limit` + 1 events behind cursor `from`, oldest first. */
export function eventsFrom(events: EventReader, query: LookQuery): Look {
  const rows: StoredEvent[] = [];
  const size = windowOf(query);
  let reached = query.from;
  for (let scanned = 0; scanned < SCAN_EVENTS && rows.length <= query.limit; scanned += size) {
    const window = events.eventsAfter(reached, size);
    rows.push(...window.filter((event) => wanted(event, query)));
    reached = window.at(-1)?.cursor ?? reached;
    if (window.length < size) return { rows: rows.slice(0, query.limit + 1), reached: null };
  }
  return { rows: rows.slice(0, query.limit + 1), reached };
}

const windowOf = (query: LookQuery): number => (query.type === undefined ? query.limit + 1 : WINDOW);

function wanted(event: StoredEvent, query: LookQuery): boolean {
  return query.type === undefined || matchesGlob(query.type, event.envelope.event_type);
}
