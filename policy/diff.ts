/** What another policy would have said to what was decided: the same facts, asked again (G-PS-6). */
import type { PointState, Receipt } from '@fibric/sdk';
import { decide } from './decide.ts';
import { STAGES } from './kinds/kind.ts';
import { type Recorded, type Replay, replay } from './replay.ts';
import type { Policy } from './rules.ts';
import type { Facts, Verdict } from './types.ts';

/** A verdict in short. `target`: what was, or would be, written; null when nothing. */
export interface Said {
  readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK';
  readonly rule: string | null;
  readonly reason_code: string;
  readonly reason: string;
  readonly target: readonly PointState[] | null;
}

/** What becomes of one decision. */
export type Difference =
  /** The receipt does not hold what it was decided on: no policy was asked. */
  | { readonly kind: 'not_decided' }
  /** `by_other_rule`: to the same end, and another rule decides. */
  | { readonly kind: 'same'; readonly by_other_rule: boolean }
  /** `unsure`: why it cannot be told for certain; null when it can. */
  | { readonly kind: 'changed'; readonly was: Said; readonly would: Said; readonly unsure: string | null };

export type Decided = Recorded & Pick<Receipt, 'verdict' | 'outcome' | 'reason_code' | 'reason' | 'target'>;

export function difference(changed: Policy | null, receipt: Decided, sentWithin: Facts['sent_within']): Difference {
  const again = replay(receipt, sentWithin);
  const { decision } = receipt.verdict;
  if (again === null || decision === 'DEDUP') return { kind: 'not_decided' };
  const verdict = decide(changed, again.facts, again.moment);
  const was: Said = {
    decision,
    rule: receipt.verdict.rule,
    reason_code: receipt.reason_code ?? receipt.outcome,
    reason: receipt.reason ?? '',
    target: decision === 'BLOCK' || STOOD.has(receipt.outcome) ? null : receipt.target,
  };
  const would = saidOf(verdict, again.facts);
  const unsure = unsureOf(verdict, again) ?? nearOf(was, would);
  if (sameEnd(was, would) && (unsure === null || decision === 'BLOCK'))
    return { kind: 'same', by_other_rule: was.rule !== would.rule };
  return { kind: 'changed', was, would, unsure };
}

/** Outcomes of what was permitted, and not written because the device was there. */
const STOOD: ReadonlySet<Receipt['outcome']> = new Set(['noop', 'renewed']);

/** A device that is near enough is not written to, by a rule or by its profile: the receipt does not say which it was. */
function nearOf(was: Said, would: Said): string | null {
  if (was.decision === 'BLOCK' || was.target !== null || would.target === null) return null;
  return 'the device was near enough then; whether to a rule or to its profile is not on record';
}

function saidOf({ decision, rule, reason_code, reason, noop, effective }: Verdict, { current, writes }: Facts): Said {
  const target = (effective?.writes ?? writes).map(({ point, value }) => ({ point, value }));
  // A device that was there already was not written to, whatever a rule says of it.
  const there = target.length === 1 && target[0]?.value === current?.value;
  return { decision, rule, reason_code, reason, target: decision === 'BLOCK' || noop || there ? null : target };
}

function sameEnd(was: Said, would: Said): boolean {
  return was.decision === would.decision && JSON.stringify(was.target) === JSON.stringify(would.target);
}

/** Stages that ask for no point: what they refuse is refused, whatever the points would have said. */
const BEFORE_POINTS = STAGES.indexOf('evidence');

function unsureOf({ decision, stage }: Verdict, { moment, unknown }: Replay): string | null {
  if (decision !== 'BLOCK' && moment === 'admission')
    return 'it was refused at admission, so what was there at the head of the lane is not on record';
  const early = (STAGES as readonly string[]).indexOf(stage) < BEFORE_POINTS;
  if (unknown.size === 0 || (decision === 'BLOCK' && early)) return null;
  return `${[...unknown].join(', ')} was not asked for then, and is not on record`;
}
