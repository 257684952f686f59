/** What people were told: newest first by cursor, or in the order it happened from `after` on. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { afterShape, cursorsFor, pageOf, pageShape } from '../pages.ts';
import type { GatewayView } from '../view.ts';

const query = z.strictObject({ ...pageShape, ...afterShape });

export function alertRoutes(app: FastifyInstance, { journal }: GatewayView): void {
  app.get('/v1/alerts', async (request) => {
    const { limit, cursor, after } = query.parse(request.query);
    const cursors = cursorsFor('alerts', after === undefined ? {} : { order: 'written' });
    const place = cursors.read(cursor);
    const from = place === undefined ? after : Number(place);
    const rows =
      after === undefined
        ? journal.alerts.newest({ limit: limit + 1, ...(from === undefined ? {} : { before: from }) })
        : journal.alerts.after(from ?? after, limit + 1);
    return pageOf(rows, { limit, cursors, position: ({ seq }) => seq });
  });
}
