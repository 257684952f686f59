/** What persons say to actions that wait for them. */
import { FibricError } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { reason, who } from '../person.ts';
import type { GatewayView } from '../view.ts';

const sayBody = z.strictObject({
  who,
  /** Counted from 1, as `plans show` numbers them. */
  action: z.int().min(1).nullable().default(null),
  plan_hash: z.string().nullable().default(null),
  reason: reason.nullable().default(null),
});
type ById = { Params: { id: string } };

export function peopleRoutes(app: FastifyInstance, view: GatewayView): void {
  for (const decision of ['approve', 'veto'] as const) {
    app.post<ById>(`/v1/plans/:id/${decision}`, async (request) => {
      const { id } = request.params;
      const body = sayBody.parse(request.body);
      const said = await view.say({ ...body, decision, plan_id: id });
      if (said !== null) return said;
      const what = body.action === null ? `plan '${id}'` : `action ${body.action} in a plan '${id}'`;
      throw new FibricError('not_found', `no ${what}`);
    });
  }
}
