/** A device whose clock is ahead justifies nothing, and somebody has to set it (G-CL-7). */
import type { Envelope, ReadingPayload } from '@fibric/sdk';
import { entityKey } from '@fibric/sdk';
import { raise, type RaiseDeps } from './raise.ts';

/** A reading is told when it changes, so this tells once for as long as the clock stays as it is. */
export function tellSkew(deps: RaiseDeps, { payload }: Envelope): void {
  const { device, point, entity, quality_reason, observed_at, received_at } = payload as Partial<ReadingPayload>;
  if (quality_reason !== 'clock_skew' || entity === undefined) return;
  const text = `the clock of ${device} is ahead: what it said of ${point} came at ${received_at}, and says ${observed_at}`;
  raise(deps, 'device_clock', text, { entity_key: entityKey(entity) });
}
