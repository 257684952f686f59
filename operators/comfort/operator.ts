/**
 * comfort: rooms at comfort while somebody is in them or about to arrive, set back while nobody is; corridors dim while empty.
 */
import { defineOperator, messageOf, type OperatorContext } from '@fibric/sdk';
import { bookingsOf } from './bookings.ts';
import { recall, remember } from './memory.ts';
import { isMotion, look, type Senses, zoneOf } from './picture.ts';
import { propose } from './plan.ts';
import { decide, decisionsSchema, type Question } from './rules.ts';
import { type Settings, settingsSchema } from './settings.ts';
import { epochS } from './time.ts';

type Context = OperatorContext<Settings>;

export default defineOperator({
  name: 'comfort',
  goal: 'Keep every room comfortable while somebody is in it or about to arrive, and save energy in rooms and corridors while nobody is.',
  requires: ['occupancy.read', 'climate.read', 'bookings.read', 'lighting.read', 'hvac.setpoint', 'lighting.scene'],
  model: 'router:reasoning',
  trigger: [{ on: 'zone.motion' }, { on: 'zone.window' }, { every: '1m' }],
  settings: settingsSchema,
  rules: ({ input }) => decide(input as Question),

  async run(ctx) {
    const { settings, event, now } = ctx;
    const zone = zoneOf(event);
    if (zone !== null && event.event_type === 'zone.motion' && !isMotion(event)) {
      return ctx.propose([], `${zone} has fallen quiet: the hold decides, with the next tick.`);
    }
    const now_s = epochS(now.utc) ?? 0;
    const before = recall(ctx.state);
    const seen = look(await senseAll(ctx, zone), { now_s, local: now.local, event }, settings, before);
    const decisions = await ctx.reason({
      input: { picture: seen.picture, settings } satisfies Question,
      instruction: 'What should each room and corridor be at? Follow prompt.md.',
      schema: decisionsSchema,
    });
    const { actions, reasoning, memory } = propose(seen.picture, decisions, { settings, memory: seen.memory, now_s });
    const plan = ctx.propose(actions, reasoning);
    const state = remember(memory);
    return JSON.stringify(state) === JSON.stringify(remember(before)) ? plan : { ...plan, state };
  },
});

/** What the run needs to know: of the zone whose reading woke it, or of all. */
async function senseAll(ctx: Context, zone: string | null): Promise<Senses> {
  const of = zone === null ? {} : { entity: `zone:${zone}` };
  const [climate, occupancy, lighting, bookings] = await Promise.all([
    ctx.sense('climate.read', of),
    ctx.sense('occupancy.read', of),
    ctx.bound('lighting.read') && ctx.bound('lighting.scene') ? ctx.sense('lighting.read', of) : null,
    senseBookings(ctx),
  ]);
  return { climate, occupancy, lighting, bookings };
}

/**
 * The bookings; null where no booking system is bound, `unknown` when it is and does not answer. Whoever moves in a room is
 * in it, whatever the bookings say: the booking system is not asked at every step that somebody takes.
 */
async function senseBookings(ctx: Context): Promise<Senses['bookings']> {
  if (!ctx.bound('bookings.read')) return null;
  if (isMotion(ctx.event)) return 'unknown';
  try {
    return bookingsOf(await ctx.sense('bookings.read'));
  } catch (error) {
    ctx.log(`bookings are not known: ${messageOf(error)}`);
    return 'unknown';
  }
}
