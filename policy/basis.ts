/** What the rules that match say of the basis of an approval: how long what it rests on is worth anything, and how far it may move. */
import type { KindName, Terms } from './kinds/table.ts';
import { entityId } from './kinds/kind.ts';
import { matchingRules, type Policy } from './rules.ts';
import type { ActionFacts } from './types.ts';

export interface BasisTerms {
  /** The shortest age at which something that a gate looks at is too old; null where no gate sets one. */
  readonly max_age_ms: number | null;
  /** By how much a point, as `entity/point`, may differ; null where no rule says so. Where several do, the smallest. */
  readonly tolerance: (ref: string) => number | null;
}

export function basisTerms(policy: Policy | null, action: ActionFacts): BasisTerms {
  const rules = policy === null ? [] : matchingRules(policy, action).filter(({ decision }) => decision !== 'BLOCK');
  const all = <K extends KindName>(kind: K): readonly Terms<K>[] =>
    rules.flatMap(({ constraints }) =>
      constraints.flatMap((one) => (one.kind === kind ? [one.terms as Terms<K>] : [])),
    );
  const ages = [...all('evidence').flat(), ...all('interlocks').flat()].map(({ max_age }) => max_age);
  const bounds = all('approval').flatMap(({ tolerance = {} }) => Object.entries(tolerance));
  return {
    max_age_ms: ages.length === 0 ? null : Math.min(...ages),
    tolerance(ref) {
      const said = bounds.flatMap(([point, by]) => (point.replace('{id}', () => entityId(action)) === ref ? [by] : []));
      return said.length === 0 ? null : Math.min(...said);
    },
  };
}
