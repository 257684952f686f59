/** What an action is alone on (G-SF-1). */
import type { Bindings } from '../bindings.ts';
import type { DeviceTool } from '../config/site.ts';
import type { Job } from './job.ts';
import type { Hold, Lanes, LaneSet } from './lanes.ts';

export interface LaneSources {
  readonly bindings: Pick<Bindings, 'outputs'>;
}

/** Entity, every physical output behind the tool, and what policy adds: two names for one register share a lane. */
export const lanesOf = (
  entityKey: string,
  tool: Pick<DeviceTool, 'physical_points'>,
  added: readonly string[] = [],
): LaneSet => ({ alone: [entityKey, ...tool.physical_points, ...added], beside: [] });

/** What a job moves. A release asks for no more: what stands still elsewhere, or is in doubt, does not keep it from going back. */
export const ownLanes = ({ action, resolution, terms }: Job): LaneSet =>
  lanesOf(action.entity_key, resolution.tool, terms.lanes);

/**
 * With the outputs that its interlocks and pairs look at: two actions that each need the other's to be off never start together, and any
 * number may start that need the same one to be on.
 */
export function lanesOfJob({ bindings }: LaneSources, job: Job): LaneSet {
  return { ...ownLanes(job), beside: job.terms.decided_on.flatMap((ref) => bindings.outputs(ref)) };
}

/**
 * The lanes of an action whose outcome is not known, before anything else can have them. Rules may have changed since it was sent:
 * then two of those can share a lane, and one is settled after the other, however long that takes.
 */
export async function heldForDoubt(
  lanes: Lanes,
  asked: LaneSet,
  actionId: string,
): Promise<Extract<Hold, { kind: 'held' }>> {
  for (;;) {
    const hold = await lanes.acquire(asked);
    if (hold.kind === 'held') return hold;
    if (hold.kind !== 'timeout') throw new Error(`the lane of ${actionId} was taken before its doubt was settled`);
  }
}
