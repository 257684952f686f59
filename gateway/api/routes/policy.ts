/** The policies that decide: which they are, what they would say, and reading them again. */
import { FibricError, LIMITS, parseEntityKey } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { pageInMemory, pageShape } from '../pages.ts';
import { who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const page = z.strictObject(pageShape);
const inName = z.strictObject({ who });

const question = z.strictObject({
  operator: z.string().min(1).nullable().default(null),
  capability: z.string().min(1).max(LIMITS.nameChars),
  entity: z
    .string()
    .refine((given) => parseEntityKey(given) !== null, 'expected kind:id, such as zone:412')
    .nullable()
    .default(null),
  args: z.record(z.string(), z.unknown()).default({}),
  value: z.number().nullable().default(null),
});

export function policyRoutes(app: FastifyInstance, view: GatewayView): void {
  app.get('/v1/policy', async (request) =>
    pageInMemory(view.policies(), { list: 'policy', query: page.parse(request.query), key: (one) => one.operator }),
  );

  app.post('/v1/policy/evaluate', async (request) => {
    const asked = question.parse(request.body);
    const answer = await view.evaluatePolicy(asked);
    if (answer === null) throw new FibricError('not_found', `no operator '${asked.operator ?? ''}'`);
    return answer;
  });

  app.post('/v1/policy/reload', async (request) => {
    const { who } = inName.parse(request.body);
    return { object: 'policy_reload', data: await view.reloadPolicies(who) };
  });
}
