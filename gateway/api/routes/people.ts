/** What persons propose, and what they say to actions that wait for them. */
import { FibricError, LIMITS, occurrenceSchema, parseEntityKey } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { instant } from '../../config/words.ts';
import { reason, who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const sayBody = z.strictObject({
  who,
  /** Counted from 1, as `plans show` numbers them. */
  action: z.int().min(1).nullable().default(null),
  plan_hash: z.string().nullable().default(null),
  reason: reason.nullable().default(null),
});
const yesBody = sayBody.extend({
  /** To what fell because its basis had changed: `anew.basis_hash` of the action, as the plan shows it. */
  basis_hash: z.string().nullable().default(null),
});
const askBody = z.strictObject({
  who,
  capability: z.string().min(1).max(LIMITS.nameChars),
  entity: z
    .string()
    .refine((given) => parseEntityKey(given) !== null, 'expected kind:id, such as zone:412')
    .nullable()
    .default(null),
  args: z.record(z.string(), z.unknown()).default({}),
  value: z.number().nullable().default(null),
  reason: reason.nullable().default(null),
  /** RFC 3339: past it, nothing is done. */
  deadline: instant.nullable().default(null),
  wait: z.boolean().default(true),
});
/** A request that is sent again under the same key means the same occasion: what took effect is not done twice. */
const idempotencyKey = z
  .string()
  .transform((key) => `ev=${key}`)
  .pipe(occurrenceSchema)
  .nullable()
  .catch((): never => {
    throw new FibricError('invalid_parameter', 'Idempotency-Key: expected up to 120 letters, digits and . _ : @ / + -');
  });
type ById = { Params: { id: string } };

export function peopleRoutes(app: FastifyInstance, view: GatewayView): void {
  app.post('/v1/actions', async (request) => {
    const { deadline, ...asked } = askBody.parse(request.body);
    const occurrence = idempotencyKey.parse(request.headers['idempotency-key'] ?? null);
    return view.propose({ ...asked, deadline_ms: deadline, occurrence });
  });

  for (const [decision, form] of [
    ['approve', yesBody],
    ['veto', sayBody],
  ] as const) {
    app.post<ById>(`/v1/plans/:id/${decision}`, async (request) => {
      const { id } = request.params;
      const body = { basis_hash: null, ...form.parse(request.body) };
      const said = await view.say({ ...body, decision, plan_id: id });
      if (said !== null) return said;
      const what = body.action === null ? `plan '${id}'` : `action ${body.action} in a plan '${id}'`;
      throw new FibricError('not_found', `no ${what}`);
    });
  }
}
