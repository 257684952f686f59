/** Answers every demand of a rig with one action: which one, the name of the rig says. */
import { defineOperator } from '@fibric/sdk';

export default defineOperator({
  name: 'one',
  goal: 'Answer every demand once, each rig in its own way.',
  requires: ['rig.level', 'rig.fire', 'rig.ring'],
  trigger: { on: 'rig.demand' },
  run(ctx) {
    const { entity, value } = ctx.event.payload as { entity: { id: string }; value: number | null };
    if (typeof value !== 'number' || value === 0) return ctx.propose([], 'nothing is asked for');
    const occurrence = ctx.key('ev', String(value));
    if (entity.id === 'level') return ctx.propose([{ capability: 'rig.level', args: { rig: 'level', value } }]);
    return ctx.propose([{ capability: `rig.${entity.id}`, args: { rig: entity.id, ticket: value }, occurrence }]);
  },
});
