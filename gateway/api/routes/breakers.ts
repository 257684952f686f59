/** Breakers, and what a person says of an action that nobody can tell the fate of. Both are done in the name of a person. */
import { FibricError } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pageInMemory, pageShape } from '../pages.ts';
import type { GatewayView } from '../view.ts';
import { reason, who } from '../person.ts';

const page = z.strictObject(pageShape);
const closeBody = z.strictObject({ who, reason: reason.optional() });
const correctBody = z.strictObject({ who, reason, applied: z.boolean() });
type ById = { Params: { id: string } };

export function breakerRoutes(app: FastifyInstance, view: GatewayView): void {
  app.get('/v1/breakers', async (request) =>
    pageInMemory(view.breakers(), {
      list: 'breakers',
      query: page.parse(request.query),
      key: (one) => one.breaker_id,
    }),
  );

  app.post<ById>('/v1/breakers/:id/close', async (request) => {
    const { who, reason = null } = closeBody.parse(request.body);
    return found(await view.closeBreaker(request.params.id, who, reason), 'open breaker', request.params.id);
  });

  app.post<ById>('/v1/receipts/:id/correct', async (request) => {
    const correction = { receipt_id: request.params.id, ...correctBody.parse(request.body) };
    const row = found(await view.correct(correction), 'receipt', request.params.id);
    return { object: 'correction', ...row };
  });
}

function found<T>(row: T | null, kind: string, id: string): T {
  if (row === null) throw new FibricError('not_found', `no ${kind} '${id}'`);
  return row;
}
