/** What others did to a device while an action was at it, and whether the gateway saw it and left it alone. */
import { LIMITS } from '@fibric/sdk';
import type { Effect } from './field.ts';
import { registerOf, TIMEOUT_MS } from './site.ts';
import { same, type Tale, TOLERANCE, valueOf } from './tale.ts';

/** From a look at the device to the send, with a standstill in between that is too short to be noticed. */
const UNSEEN_MS = TIMEOUT_MS + LIMITS.sendPauseMs;

/** What a further attempt wrote over that had been read just before, and was neither sent by the first nor there before it. */
export function overwritten({ action, intents, sent }: Tale): readonly string[] {
  const [first, ...others] = sent;
  return others.flatMap(({ device, seen, intent }) =>
    seen.flatMap(({ point, value }) => {
      const known = [valueOf(intents[0]?.baseline ?? [], point), valueOf(first?.writes ?? [], point)];
      if (value === null || known.some((one) => same(value, one, TOLERANCE))) return [];
      return [`${action.action_id}: attempt ${intent?.attempt} writes over ${device}/${point} at ${String(value)}`];
    }),
  );
}

/** Somebody else had a hand in where the device was found, or it took a value of its own. Of what was never sent nobody knows when. */
export function moved({ action, sent }: Tale, history: readonly Effect[]): boolean {
  const meant = new Map(action.target.map(({ point, value }) => [registerOf(action.device, point), value]));
  const sinceMs = (sent[0]?.at ?? 0) - UNSEEN_MS;
  const byOthers = history.some(({ register, by, at }) => meant.has(register) && by !== 'gateway' && at >= sinceMs);
  return (
    byOthers ||
    sent
      .flatMap(({ effects }) => effects)
      .some(({ register, value }) => !same(value, meant.get(register) ?? null, TOLERANCE))
  );
}
