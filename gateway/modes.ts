/**
 * How far each operator is trusted: `disabled < propose_only < shadow < live_limited < live` (execution §2.9).
 *
 * U1 A mode goes up only in the name of a person who says why. A change is in the journal before it counts, and a mode that was lowered
 *    counts for what was admitted before as well. What the gateway does by itself where there is a cause is narrower or wider than a mode:
 *    a breaker shuts a capability of an entity, a hold takes everything out of live until it is acknowledged.
 */
import { FibricError, type Mode, MODES } from '@fibric/sdk';
import { raise, type RaiseDeps } from './alerts/raise.ts';
import type { OperatorSite } from './config/site.ts';
import type { Journal } from './journal/journal.ts';

/** Who wants it, and why. */
export interface ModeOrder {
  readonly who: string;
  readonly reason: string | null;
}

export interface Modes {
  /** The mode in force. */
  of(operator: Pick<OperatorSite, 'uid' | 'mode'>): Mode;
  /** What the site file says counts when it has been changed since a mode was last decided on. Durable when this resolves. */
  begin(operator: OperatorSite): Promise<void>;
  /** False: there is no operator of that name. Throws `invalid_parameter` for a way up without a person or without a reason. */
  set(operator: string, to: Mode, order: ModeOrder): Promise<boolean>;
}

/** The name that stands for whoever holds the token, when nobody is named. */
export const NOBODY = 'person:local';

const rank = (mode: Mode): number => MODES.indexOf(mode);

/** The more cautious of two modes. */
export const lower = (a: Mode, b: Mode): Mode => (rank(a) <= rank(b) ? a : b);

export function createModes(deps: { readonly journal: Journal; readonly operators: readonly OperatorSite[] }): Modes {
  const { journal, operators } = deps;
  const decided = (uid: string) => journal.projection.modes.rows.get(uid);
  const of: Modes['of'] = ({ uid, mode }) => decided(uid)?.mode ?? mode;
  async function change(operator: OperatorSite, from: Mode, to: Mode, { who, reason }: ModeOrder): Promise<void> {
    const { name, uid, mode } = operator;
    journal.append({ type: 'mode/1', operator: name, operator_uid: uid, from, to, site_mode: mode, who, reason });
    await journal.durable();
  }
  return {
    of,
    async begin(operator) {
      const known = decided(operator.uid);
      if (known?.site_mode === operator.mode) return;
      await change(operator, known?.mode ?? 'disabled', operator.mode, { who: 'site file', reason: null });
    },
    async set(name, to, order) {
      const operator = operators.find((one) => one.name === name);
      if (!operator) return false;
      const from = of(operator);
      if (rank(to) > rank(from) && (order.who === NOBODY || order.reason === null))
        throw new FibricError(
          'invalid_parameter',
          `from ${from} up to ${to} needs the name of a person and a reason: --as <who> --reason <text>`,
        );
      await change(operator, from, to, order);
      return true;
    },
  };
}

/**
 * An operator that the journal does not know beside one that is gone from the site is perhaps that one, renamed: then its keys are, too,
 * and what was done once would be done again (G-K-7). Said once: after the first start the journal knows it.
 */
export function tellRenames(deps: RaiseDeps & { readonly journal: Journal }, operators: readonly OperatorSite[]): void {
  const known = deps.journal.projection.modes.rows;
  const unknown = operators.filter(({ uid }) => !known.has(uid)).map(({ name }) => name);
  const gone = [...known.keys()].filter((uid) => !operators.some((one) => one.uid === uid));
  if (unknown.length === 0 || gone.length === 0) return;
  const words = `operators that this journal does not know: ${unknown.join(', ')}; gone from the site: ${gone.join(', ')}`;
  const uid = gone.length === 1 ? gone[0] : `<one of ${gone.join(', ')}>`;
  const advice = `one that was only renamed needs \`uid: ${uid}\` in the site file, or what it has done once may be done again`;
  raise(deps, 'renamed', `${words}; ${advice}`);
}
