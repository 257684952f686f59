/** The model router: which provider reasons behind an alias. An operator names an alias, never a vendor's model. */
import type { Site } from './config/site.ts';

/** What stands behind an alias here, or the sentence that says why nothing does. */
export type Reasoning =
  | { readonly kind: 'resolved'; readonly alias: string; readonly provider: 'rules'; readonly model: null }
  | { readonly kind: 'unresolved'; readonly problem: string };

export interface Reasoner {
  /** `null` is the alias of an operator that names none. */
  resolve(alias: string | null): Reasoning;
}

const DEFAULT_ALIAS = 'router:reasoning';

export function createReasoner(models: Site['models']): Reasoner {
  return {
    resolve(named) {
      const alias = named ?? DEFAULT_ALIAS;
      const provider = models.get(alias)?.[0]?.provider;
      if (provider !== undefined) return { kind: 'resolved', alias, provider, model: null };
      const known = [...models.keys()].join(', ') || 'none';
      return {
        kind: 'unresolved',
        problem: `no provider stands behind '${alias}': add it to models in the site file (known: ${known})`,
      };
    },
  };
}
