/** Operators: what they are, one run on demand, their mode. A run proposes; only the executor disposes. */
import { FibricError, MODES } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { NOBODY } from '../../modes.ts';
import { pageInMemory, pageShape } from '../pages.ts';
import { reason, who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const page = z.strictObject(pageShape);
const modeBody = z.strictObject({
  mode: z.enum(MODES),
  who: who.default(NOBODY),
  reason: reason.nullable().default(null),
});
type ByName = { Params: { name: string } };

export function operatorRoutes(app: FastifyInstance, view: GatewayView): void {
  app.get('/v1/operators', async (request) =>
    pageInMemory(view.operators(), { list: 'operators', query: page.parse(request.query), key: (one) => one.name }),
  );

  app.post<ByName>('/v1/operators/:name/run', async (request) =>
    found(await view.runOnce(request.params.name, NOBODY), request.params.name),
  );

  app.post<ByName>('/v1/operators/:name/mode', async (request) => {
    const { mode, ...order } = modeBody.parse(request.body);
    return found(await view.setMode(request.params.name, mode, order), request.params.name);
  });
}

function found<T>(result: T | null, name: string): T {
  if (result === null) throw new FibricError('not_found', `no operator '${name}'`);
  return result;
}
