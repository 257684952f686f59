/** Answers every demand of a rig with a level and a pulse, once each: the pulse is keyed by the demand it answers. */
import { defineOperator } from '@fibric/sdk';

export default defineOperator({
  name: 'rig',
  goal: 'Answer every demand once.',
  requires: ['rig.level', 'rig.fire'],
  trigger: { on: 'rig.demand' },
  run(ctx) {
    const { entity, value } = ctx.event.payload as { entity: { id: string }; value: number | null };
    if (typeof value !== 'number') return ctx.propose([], 'no demand is known');
    const occurrence = ctx.key('ev', String(value));
    return ctx.propose([
      { capability: 'rig.level', args: { rig: entity.id, value }, after: [] },
      { capability: 'rig.fire', args: { rig: entity.id, ticket: value }, occurrence, after: [] },
    ]);
  },
});
