/**
 * The breaker: what keeps failing, or what nobody can tell the fate of, is only proposed any more until a named person says so
 * (execution §2.12, §2.6, 5). Releases pass: taking back is not what failed.
 *
 * B5 After three failures in a row of a capability on an entity, ten in ten minutes of one on a connection, or one write on an entity
 *    whose outcome nobody can tell, nothing more of it is sent by itself, across restarts, until a named person closes the breaker. What
 *    is proposed meanwhile waits for a person, who may let it through; what was on its way already is blocked.
 */
import { executionTerms } from '@fibric/policy';
import { LIMITS, type Log } from '@fibric/sdk';
import { raise } from '../alerts/raise.ts';
import type { Breaker, BreakerScope } from '../journal/breakers.ts';
import { connectorTally, entityTally } from '../journal/breakers.ts';
import { type Action, idAt, type Origin, type ReceiptEntry, type RefusedAction, type Row } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import type { Projection } from '../journal/projection.ts';
import type { Elapsed } from './elapsed.ts';
import { actionFacts } from './facts.ts';
import type { Ending, Job } from './job.ts';
import type { RulesNow } from './rules-now.ts';

export interface BreakerDeps {
  readonly journal: Journal;
  readonly log: Log;
  readonly elapsed: Elapsed;
  readonly policyOf: RulesNow['of'];
}

/** A breaker as lists show it. */
export interface BreakerView extends Breaker {
  readonly object: 'breaker';
}

interface Trip extends BreakerScope {
  readonly reason: string;
  readonly refers_to: readonly string[];
}

/** The open breakers that keep an action shut. */
export function breakersOn({ breakers }: Projection, action: Action): readonly Breaker[] {
  const isAbout = ({ capability, entity_key, connector }: Breaker): boolean =>
    (capability === null || capability === action.capability) &&
    (entity_key === null || entity_key === action.entity_key) &&
    (connector === null || connector === action.connector);
  return [...breakers.rows.values()].filter(isAbout);
}

/** Why an action is not sent now; null when no breaker keeps it shut but those with which a person has let it through. */
export function broken(projection: Projection, { action, waiting }: Job): Ending | null {
  const known = waiting?.breakers ?? [];
  const breaker = breakersOn(projection, action).find(({ breaker_id }) => !known.includes(breaker_id));
  if (breaker === undefined) return null;
  const next = `a person closes it: fibric breakers close ${breaker.breaker_id}`;
  return { outcome: 'blocked', stage: 'box', reason_code: 'breaker_open', reason: `${breaker.reason}; ${next}` };
}

/** In the commit of the receipt that is one too many. */
export function tripAfter(
  deps: BreakerDeps,
  origin: Origin,
  action: Action | RefusedAction,
  row: Row<ReceiptEntry>,
): void {
  if (!('device' in action) || action.releases !== undefined) return;
  const { journal } = deps;
  const receiptId = idAt('rc', row.seq);
  const trips =
    row.outcome === 'unknown'
      ? unknown(deps, origin, action, receiptId)
      : row.outcome === 'failed'
        ? failed(deps, action)
        : [];
  for (const trip of trips) {
    const breaker_id = idAt('br', journal.nextSeq);
    journal.append({ type: 'breaker/1', state: 'open', breaker_id, ...trip });
    // Of what nobody can tell the fate of, the alert of its receipt tells.
    if (row.outcome === 'unknown') continue;
    const { capability, entity_key } = trip;
    const text = `${trip.reason}; it is only proposed any more until a person closes ${breaker_id}`;
    raise(deps, 'breaker_open', text, { operator: origin.operator, capability, entity_key });
  }
}

/** What a rule says of it; without a word nothing more is written to the entity, and of messages the next one may go out. */
function unknown({ policyOf }: BreakerDeps, origin: Origin, action: Action, receiptId: string): readonly Trip[] {
  const { entity_key, capability, effect_class } = action;
  const { on_unknown } = executionTerms(policyOf(origin.operator_uid), actionFacts(origin.operator, action));
  if ((on_unknown ?? (effect_class === 'message' ? 'release' : 'hold')) === 'release') return [];
  const reason = `nobody can tell whether ${capability} took effect on ${entity_key} (${receiptId})`;
  return [{ capability: null, entity_key, connector: null, reason, refers_to: [receiptId] }];
}

function failed({ journal, elapsed }: BreakerDeps, { capability, entity_key, connector }: Action): readonly Trip[] {
  const { failures } = journal.projection;
  const inARow = failures.rows.get(entityTally(capability, entity_key)) ?? [];
  const lately = (failures.rows.get(connectorTally(capability, connector)) ?? []).filter(
    ({ at }) => (elapsed.since(at) ?? 0) <= LIMITS.breakerWindowMs,
  );
  const trips: Trip[] = [];
  const ids = (of: typeof inARow) => of.map(({ receipt_id }) => receipt_id);
  if (inARow.length >= LIMITS.breakerEntity) {
    const reason = `${capability} on ${entity_key} failed ${inARow.length} times in a row`;
    trips.push({ capability, entity_key, connector: null, reason, refers_to: ids(inARow) });
  }
  if (lately.length >= LIMITS.breakerConnector) {
    const reason = `${capability} over ${connector} failed ${lately.length} times within ten minutes`;
    trips.push({ capability, entity_key: null, connector, reason, refers_to: ids(lately) });
  }
  return trips;
}

export function breakerViews({ breakers }: Projection): readonly BreakerView[] {
  return [...breakers.rows.values()].map((breaker) => ({ object: 'breaker', ...breaker }));
}

/** Null: none of that id is open. Durable when it resolves. */
export async function closeBreaker(
  { journal, log }: Pick<BreakerDeps, 'journal' | 'log'>,
  breaker_id: string,
  who: string,
  reason: string | null,
): Promise<BreakerView | null> {
  const breaker = journal.projection.breakers.rows.get(breaker_id);
  if (!breaker) return null;
  journal.append({ type: 'breaker/1', state: 'closed', breaker_id, who, reason });
  await journal.durable();
  log.warn({ breaker_id, who, reason }, `the breaker ${breaker_id} is closed by ${who}`);
  return { object: 'breaker', ...breaker };
}
