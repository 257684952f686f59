/** Health, status, and what the site is made of: points, devices, connectors, capabilities, sync. */
import { FibricError } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { NOBODY } from '../../modes.ts';
import { pageInMemory, pageShape } from '../pages.ts';
import type { GatewayView, PointView } from '../view.ts';

const page = z.strictObject(pageShape);
const refs = z.strictObject({
  points: z
    .array(z.strictObject({ device: z.string(), point: z.string() }))
    .min(1)
    .max(100),
});

/** `device/point`, as the CLI names a point. */
const pointKey = (point: { readonly device: string; readonly point: string }): string =>
  `${point.device}/${point.point}`;

export function siteRoutes(app: FastifyInstance, view: GatewayView): void {
  // The process id tells a client whether the file that led it here is still true.
  app.get('/healthz', async () => ({ status: 'ok', pid: process.pid }));

  app.get('/readyz', async (_request, reply) => {
    const { ready, not_ready } = view.status();
    return reply.code(ready ? 200 : 503).send({ ready, reasons: not_ready });
  });

  app.get('/v1/status', async () => view.status());

  app.post('/v1/acknowledge', async () => {
    const data = await view.acknowledge(NOBODY);
    return { object: 'list', data, has_more: false, next_cursor: null };
  });

  app.get('/v1/sync', async () => view.sync() ?? { object: 'sync', state: 'off' });

  app.get('/v1/points', async (request) =>
    pageInMemory(view.points(), { list: 'points', query: page.parse(request.query), key: pointKey }),
  );

  app.post('/v1/points/read', async (request) => {
    const { points } = refs.parse(request.body);
    const known = new Set(view.points().map(pointKey));
    const missing = points.find((ref) => !known.has(pointKey(ref)));
    if (missing) throw new FibricError('not_found', `no point '${pointKey(missing)}'`);
    const data: readonly PointView[] = await view.readPoints(points);
    return { object: 'list', data, has_more: false, next_cursor: null };
  });

  app.get('/v1/devices', async (request) =>
    pageInMemory(view.devices(), { list: 'devices', query: page.parse(request.query), key: (device) => device.id }),
  );

  app.get('/v1/connectors', async (request) =>
    pageInMemory(view.connectors(), { list: 'connectors', query: page.parse(request.query), key: (one) => one.id }),
  );

  app.post<{ Params: { id: string } }>('/v1/connectors/:id/test', async (request) => {
    const probe = await view.testConnector(request.params.id);
    if (probe === null) throw new FibricError('not_found', `no connector '${request.params.id}'`);
    return { object: 'probe', connector: request.params.id, ...probe };
  });

  app.get('/v1/capabilities', async (request) =>
    pageInMemory(view.capabilities(), {
      list: 'capabilities',
      query: page.parse(request.query),
      key: (one) => one.capability,
    }),
  );
}
