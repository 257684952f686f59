/** An operator that does as it is told by a point, so that a test can ask for a write whenever it wants one. */
import type { Files } from './real-gateway.ts';

const OPERATOR = `import { defineOperator } from '@fibric/sdk';
export default defineOperator({
  name: 'puppet', goal: 'Do as ordered.', requires: ['hvac.setpoint'], trigger: { on: 'zone.order' },
  run(ctx) {
    const { entity, value } = ctx.event.payload as { entity: { id: string }; value: number | null };
    const actions = value === null ? [] : [{ capability: 'hvac.setpoint', args: { zone: entity.id, celsius: value }, after: [] }];
    return ctx.propose(actions, 'ordered');
  },
});
`;

/** Beside a site file with `profiles: ./profiles`. Envelopes of type `zone.order` carry the wanted °C. */
export const PUPPET_FILES: Files = {
  'puppet/operator.ts': OPERATOR,
  'puppet/policy.yaml': 'version: 1\nallow: [hvac.setpoint]\n',
  'profiles/mqtt-orders.yaml':
    'description: Orders.\ndriver: mqtt\npoints: { order: { path: celsius, unit: degC, event: zone.order } }\n',
};

/** In `operators:` of the site file. */
export const PUPPET_OPERATOR = 'puppet: { mode: live, path: ./puppet, policy: ./puppet/policy.yaml }';
