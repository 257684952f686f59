/** Plans and receipts: newest first by cursor, or in the order they were written from `after` on. */
import { FibricError, type Receipt } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { JournalReader, ListQuery } from '../../journal/types.ts';
import { reason, who } from '../person.ts';
import { afterShape, cursorsFor, type List, pageOf, pageShape } from '../pages.ts';
import type { GatewayView } from '../view.ts';

const operator = z.string().max(200).optional();
const plansQuery = z.strictObject({ ...pageShape, operator, waiting: z.enum(['true']).optional() });
const receiptsQuery = z
  .strictObject({ ...pageShape, ...afterShape, operator })
  .refine((query) => query.after === undefined || query.operator === undefined, 'after goes without operator');
const eraseBody = z.strictObject({
  field: z.string().min(1).max(100),
  who,
  reason,
});
type ById = { Params: { id: string } };

export function recordRoutes(app: FastifyInstance, view: GatewayView): void {
  const { journal } = view;

  app.get('/v1/plans', async (request) => {
    const query = plansQuery.parse(request.query);
    return newestFirst('plans', query, (list) => journal.plans(list));
  });

  app.get<ById>('/v1/plans/:id', async (request) => found(journal.plan(request.params.id), 'plan', request.params.id));

  app.get('/v1/receipts', async (request) => {
    const query = receiptsQuery.parse(request.query);
    if (query.after !== undefined) return receiptsFrom(journal, { ...query, after: query.after });
    return newestFirst('receipts', query, (list) => journal.receipts(list));
  });

  app.get<ById>('/v1/receipts/:id', async (request) =>
    found(journal.receipt(request.params.id), 'receipt', request.params.id),
  );

  app.get<ById>('/v1/receipts/:id/why', async (request) =>
    found(view.why(request.params.id), 'receipt', request.params.id),
  );

  app.post<ById>('/v1/receipts/:id/erase', async (request) => {
    const order = eraseBody.parse(request.body);
    return found(await view.erase(request.params.id, order), 'receipt', request.params.id);
  });

  app.post('/v1/receipts/checkpoint', async () => ({ object: 'receipt_log', ...(await view.checkpoint()) }));

  app.post('/v1/receipts/verify', async () => ({ object: 'verification', ...journal.verify() }));
}

function newestFirst<T extends { readonly seq: number }>(
  list: string,
  query: {
    readonly limit: number;
    readonly cursor?: string | undefined;
    readonly operator?: string | undefined;
    readonly waiting?: 'true' | undefined;
  },
  read: (query: ListQuery) => readonly T[],
): List<T> {
  const filters = {
    ...(query.operator === undefined ? {} : { operator: query.operator }),
    ...(query.waiting === undefined ? {} : { waiting: true }),
  };
  const cursors = cursorsFor(list, filters);
  const before = cursors.read(query.cursor);
  const rows = read({
    limit: query.limit + 1,
    ...filters,
    ...(before === undefined ? {} : { before: Number(before) }),
  });
  return pageOf(rows, { limit: query.limit, cursors, position: (row) => row.seq });
}

function receiptsFrom(
  journal: JournalReader,
  query: { readonly limit: number; readonly cursor?: string | undefined; readonly after: number },
): List<Receipt> {
  const cursors = cursorsFor('receipts', { order: 'written' });
  const after = Number(cursors.read(query.cursor) ?? query.after);
  const rows = journal.receiptsAfter(after, query.limit + 1);
  return pageOf(rows, { limit: query.limit, cursors, position: (row) => row.seq });
}

function found<T>(row: T | null, kind: string, id: string): T {
  if (row === null) throw new FibricError('not_found', `no ${kind} '${id}'`);
  return row;
}
