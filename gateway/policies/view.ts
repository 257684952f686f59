/** The running policies as the API lists them. */
import type { Finding } from '@fibric/policy';
import type { ActivePolicy } from '../journal/policies.ts';
import type { RunningPolicy } from './running.ts';

export interface PolicyView {
  readonly object: 'policy';
  readonly operator: string;
  readonly uid: string;
  /** `kept`: its files were refused, and what was activated last goes on. `none`: everything it proposes is blocked. */
  readonly state: 'active' | 'kept' | 'none';
  readonly hash: string | null;
  readonly rules: number;
  /** The row that activated it: when, by whom, from which files. */
  readonly activated: Pick<ActivePolicy, 'seq' | 'at' | 'who' | 'sources'> | null;
  /** The rules in canonical form, a line each, sorted. */
  readonly text: string | null;
  /** Why the files as they are now are not what decides. */
  readonly findings: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export function policyViews(running: readonly RunningPolicy[]): readonly PolicyView[] {
  return running.map(viewOf);
}

function viewOf({ operator, uid, policy, active, refused, warnings }: RunningPolicy): PolicyView {
  const kept = refused.length > 0;
  const decides = policy === null ? null : active;
  return {
    object: 'policy',
    operator,
    uid,
    state: policy === null ? 'none' : kept ? 'kept' : 'active',
    hash: policy?.hash ?? null,
    rules: policy?.rules.length ?? 0,
    activated: decides && { seq: decides.seq, at: decides.at, who: decides.who, sources: decides.sources },
    text: decides?.text ?? null,
    findings: refused,
    warnings,
  };
}
