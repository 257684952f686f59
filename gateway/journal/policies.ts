/** Which policies decide, and which ever did, as it follows from the rows. */
import type { PolicyEntry, Row } from './entries.ts';
import type { Projection } from './projection.ts';

/** The policy that decides on what an operator proposes. */
export interface ActivePolicy extends Omit<PolicyEntry, 'type' | 'operator_uid'> {
  readonly seq: number;
  readonly at: string;
  /** By file, the newest signed version that ever counted. */
  readonly versions: Readonly<Record<string, SignedVersion>>;
}

/** When a policy began to decide last, in whose name, and from which files. */
export type Activation = Pick<ActivePolicy, 'seq' | 'at' | 'who' | 'sources'>;

export interface SignedVersion {
  readonly counter: number;
  readonly sha256: string;
}

export const activationKey = (operator: string, hash: string): string => `${operator}/${hash}`;

/** A policy begins to decide, or none does any more; versions that have counted are not forgotten over that. */
export function policyRow({ policies, activations }: Projection, row: Row<PolicyEntry>): void {
  const { operator, operator_uid, hash, text, names, sources, who, seq, at } = row;
  const signed = sources.flatMap(({ file, sha256, counter }) =>
    counter === null ? [] : [[file, { sha256, counter }]],
  );
  const versions = { ...policies.rows.get(operator_uid)?.versions, ...Object.fromEntries(signed) };
  policies.set(operator_uid, { operator, hash, text, names, sources, who, seq, at, versions });
  if (hash !== null) activations.set(activationKey(operator, hash), { seq, at, who, sources });
}
