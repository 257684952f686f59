/** What others did to a device while an action was at it, and whether the gateway saw it and left it alone. */
import { LIMITS } from '@fibric/sdk';
import type { Entry, Row } from '@fibric/gateway/journal/entries';
import type { Effect } from './field.ts';
import { registerOf, TIMEOUT_MS } from './site.ts';
import { same, type Tale, TOLERANCE, valueOf } from './tale.ts';

/** From a look at the device to the send, with a standstill in between that is too short to be noticed. */
const UNSEEN_MS = TIMEOUT_MS + LIMITS.sendPauseMs;

/** What a further attempt wrote over that had been read just before, and was neither sent by the first nor there before it. */
export function overwritten({ action, intents, sent }: Tale): readonly string[] {
  const [first, ...others] = sent;
  const found = intents.find(({ attempt }) => attempt === first?.intent?.attempt)?.baseline ?? [];
  return others.flatMap(({ device, seen, intent }) =>
    seen.flatMap(({ point, value }) => {
      const known = [valueOf(found, point), valueOf(first?.writes ?? [], point)];
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

/**
 * What was lent and stands there still, with no lease left to take it back: neither was it at its end already, nor has the device been
 * found in somebody's hand since.
 */
export function leftBehind(
  tales: ReadonlyMap<string, Tale>,
  history: readonly Effect[],
  rows: readonly Row<Entry>[],
): readonly string[] {
  const handed = (device: string, sinceSeq: number): boolean =>
    rows.some(
      (row) =>
        row.seq > sinceSeq &&
        ((row.type === 'override/1' && row.device === device && row.state === 'on') ||
          (row.type === 'receipt/1' && row.device === device && row.outcome === 'superseded_externally')),
    );
  const last = new Map(history.map((effect) => [effect.register, effect]));
  return [...last.values()].flatMap(({ register, value, sent }) => {
    const tale = tales.get(sent?.intent?.action_id ?? '');
    const intent = tale?.intents.find(({ attempt }) => attempt === sent?.intent?.attempt);
    const lease = intent?.lease ?? null;
    const point = sent?.writes.find((written) => registerOf(sent.device, written.point) === register)?.point ?? '';
    if (!tale || !intent || lease === null || lease.ttl_ms === null || handed(intent.device, intent.seq)) return [];
    const ends = [valueOf(lease.baseline, point), typeof lease.fallback === 'object' ? lease.fallback.value : null];
    if (ends.some((end) => same(value, end, TOLERANCE))) return [];
    return [`${tale.action.action_id} left ${register} at ${String(value)}, which was only lent`];
  });
}
