/** Leases and the software stop. What is done here is done in the name of a person. */
import { FibricError } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pageInMemory, pageShape } from '../pages.ts';
import { reason, who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const page = z.strictObject(pageShape);
const inName = z.strictObject({ who });
const stopBody = z.strictObject({
  who,
  reason: reason.optional(),
  release: z.boolean().default(false),
});

export function controlRoutes(app: FastifyInstance, view: GatewayView): void {
  app.get('/v1/leases', async (request) =>
    pageInMemory(view.leases(), {
      list: 'leases',
      query: page.parse(request.query),
      key: (one) => `${one.entity_key} ${one.id}`,
    }),
  );

  app.post<{ Params: { id: string } }>('/v1/leases/:id/release', async (request) => {
    const { who } = inName.parse(request.body);
    const report = await view.releaseLease(request.params.id, who);
    if (report === null) throw new FibricError('not_found', `no lease '${request.params.id}'`);
    return report;
  });

  app.post('/v1/stop', async (request) => {
    const { reason = null, ...order } = stopBody.parse(request.body);
    return { object: 'stop', ...(await view.stopAll({ ...order, reason })) };
  });

  app.post('/v1/stop/clear', async (request) => {
    await view.clearStop(inName.parse(request.body).who);
    return { object: 'stop', cleared: true };
  });
}
