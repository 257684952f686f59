/**
 * Doubts that a lost journal left behind: the device is looked at, never written to, and a person is told what was found (G-IO-4).
 */
import type { Log } from '@fibric/sdk';
import { raise } from '../alerts/raise.ts';
import type { Bindings } from '../bindings.ts';
import { idAt } from '../journal/entries.ts';
import type { InheritedDoubt, InheritedSettledEntry } from '../journal/inherited.ts';
import type { Journal } from '../journal/journal.ts';
import { type ConcludeDeps, witnessOf } from './conclude.ts';
import { heldForDoubt, lanesOf } from './lane-set.ts';
import type { Lanes } from './lanes.ts';
import { settle } from './settle.ts';

export interface InheritedDeps extends ConcludeDeps {
  readonly journal: Journal;
  readonly lanes: Lanes;
  readonly bindings: Bindings;
  readonly log: Log;
}

type Conclusion = Pick<InheritedSettledEntry, 'conclusion' | 'reason' | 'readback'>;

/**
 * Holds the lanes of `doubt` until its device was looked at and what was found is durable; open again at the next start if not.
 * Returns the lease that takes back what took effect; it has to be known to `Control`. Null when there is none.
 */
export async function settleInherited(deps: InheritedDeps, doubt: InheritedDoubt): Promise<string | null> {
  const found = await lookAt(deps, doubt);
  if (found === null) return null;
  const { action_id, capability, entity_key } = doubt;
  const { conclusion, reason } = found;
  const { row } = deps.journal.append({ type: 'inherited_settled/1', action_id, ...found });
  const text = `${capability} for ${entity_key}, taken over from a lost journal, ended as ${conclusion}: ${reason}`;
  raise(deps, 'inherited', text, { action_id, capability, entity_key });
  await deps.journal.durable();
  const lease_id = idAt('ls', row.seq);
  return deps.journal.projection.leases.rows.has(lease_id) ? lease_id : null;
}

async function lookAt(deps: InheritedDeps, doubt: InheritedDoubt): Promise<Conclusion | null> {
  const { capability, device, entity_key, baseline } = doubt;
  const resolution = deps.bindings.tool(device, capability, doubt.target);
  if (!resolution) {
    const reason = `device ${device} no longer offers ${capability} in this site`;
    return { conclusion: 'unknown', reason, readback: [] };
  }
  const hold = await heldForDoubt(deps.lanes, lanesOf(entity_key, resolution.tool), doubt.action_id);
  try {
    const found = await settle(
      witnessOf(deps, resolution.connection.id),
      { action: doubt, tool: resolution.tool, baseline, lease_ms: doubt.lease?.ttl_ms ?? null },
      deps.stopping,
    );
    return found.kind === 'interrupted'
      ? null
      : { conclusion: found.kind, reason: found.reason, readback: found.readback };
  } finally {
    hold.release();
  }
}
