/** The policies that decide: which they are, and reading them again. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pageInMemory, pageShape } from '../pages.ts';
import { who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const page = z.strictObject(pageShape);
const inName = z.strictObject({ who });

export function policyRoutes(app: FastifyInstance, view: GatewayView): void {
  app.get('/v1/policy', async (request) =>
    pageInMemory(view.policies(), { list: 'policy', query: page.parse(request.query), key: (one) => one.operator }),
  );

  app.post('/v1/policy/reload', async (request) => {
    const { who } = inName.parse(request.body);
    return { object: 'policy_reload', data: await view.reloadPolicies(who) };
  });
}
