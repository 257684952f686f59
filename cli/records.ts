/** Plans, receipts and events to read: from a running gateway, or from the folder of one that is stopped. */
import type { WhyView } from '@fibric/gateway/api/view';
import type { AlertView } from '@fibric/gateway/journal/alert-reader';
import type { PlanView, StoredEvent, Verification } from '@fibric/gateway/journal/types';
import { type Envelope, FibricError, type Receipt } from '@fibric/sdk';
import type { Call } from './call.ts';
import { type Client, clientOf, type Page, type Query } from './client.ts';
import { dataFolder, runningIn } from './data-folder.ts';

/** An envelope with its place in the log, as the API lists it. */
export interface EventRow extends Envelope {
  readonly object: 'event';
  readonly cursor: number;
  readonly at: string;
}

/** `limit`: only the newest so many; all of them without. */
export interface RecordQuery {
  readonly limit?: number | undefined;
  readonly operator?: string | undefined;
  readonly type?: string | undefined;
  /** Of plans: only those that wait for a person. */
  readonly waiting?: boolean | undefined;
}

/** Lists are in the order in which things happened. */
export interface Records {
  receipts(query: RecordQuery): AsyncIterable<Receipt>;
  receipt(id: string): Promise<Receipt>;
  why(id: string): Promise<WhyView>;
  alerts(query: RecordQuery): AsyncIterable<AlertView>;
  plans(query: RecordQuery): AsyncIterable<PlanView>;
  plan(id: string): Promise<PlanView>;
  events(query: RecordQuery): AsyncIterable<EventRow>;
  verify(): Promise<Verification>;
  close(): void;
}

/** The records that the call means: of the gateway that runs on the folder, else of the folder itself. */
export async function openRecords(call: Call): Promise<Records> {
  const data = await dataFolder(call);
  const running = await runningIn(data);
  if (running !== null) return onlineRecords(clientOf(data, running));
  const { offlineRecords } = await import('./offline.ts');
  return offlineRecords(data);
}

export function eventRow(stored: StoredEvent): EventRow {
  return { object: 'event', ...stored.envelope, cursor: stored.cursor, at: stored.at };
}

function onlineRecords(client: Client): Records {
  return {
    receipts: ({ limit, operator }) =>
      limit === undefined && operator === undefined
        ? client.all<Receipt>('/v1/receipts', { after: 0 })
        : newest<Receipt>(client, '/v1/receipts', { operator }, limit),
    receipt: (id) => client.get(`/v1/receipts/${encodeURIComponent(id)}`),
    why: (id) => client.get(`/v1/receipts/${encodeURIComponent(id)}/why`),
    alerts: ({ limit }) =>
      limit === undefined
        ? client.all<AlertView>('/v1/alerts', { after: 0 })
        : newest<AlertView>(client, '/v1/alerts', {}, limit),
    plans: ({ limit, operator, waiting }) =>
      newest<PlanView>(client, '/v1/plans', { operator, ...(waiting ? { waiting: 'true' } : {}) }, limit),
    plan: (id) => client.get(`/v1/plans/${encodeURIComponent(id)}`),
    events: ({ limit, type }) =>
      limit === undefined
        ? client.all<EventRow>('/v1/events', { after: 0, event_type: type })
        : newest<EventRow>(client, '/v1/events', { event_type: type }, limit),
    verify: () => client.post('/v1/receipts/verify'),
    close: () => undefined,
  };
}

/** The API gives the newest first; people read downwards. */
async function* newest<T>(
  client: Client,
  path: string,
  filters: Query,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<T> {
  const rows: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await client.get(path, { ...filters, limit: Math.min(100, limit - rows.length), cursor });
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && rows.length < limit);
  yield* rows.toReversed();
}

/** The row, or the `not_found` that the API would have answered. */
export function found<T>(row: T | null, kind: string, id: string): T {
  if (row === null) throw new FibricError('not_found', `no ${kind} '${id}'`);
  return row;
}
