/** Answers every demand with a setpoint of the same zone: each message is one occasion, so one action. Plain, as the build's are. */
import { defineOperator } from '@fibric/sdk';

export default defineOperator({
  name: 'level',
  goal: 'Set every zone to what it asks for.',
  requires: ['bench.level'],
  trigger: { on: 'zone.demand' },
  run(ctx) {
    const { entity, value } = ctx.event.payload;
    if (typeof value !== 'number') return ctx.propose([], 'no demand is known');
    const occurrence = ctx.key('ev', ctx.event.event_id);
    return ctx.propose([{ capability: 'bench.level', args: { zone: entity.id, level: value }, occurrence }]);
  },
});
