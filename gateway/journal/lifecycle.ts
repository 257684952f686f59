/**
 * The life of an action: where it stands, what may happen to it there, how it may end, and what is durable by then (execution §2.3,
 * §2.4). This table is the state machine: the projection steps by it, the verifier takes a row that it does not know for tampering, and
 * `docs/STATES.md` is made from it.
 *
 * There is no state "sent": a mark before the send proves nothing about it, and one after it may be missing exactly when it matters.
 */
import type { Outcome } from '@fibric/sdk';

/** Where an action stands that has no receipt yet. */
export type Standing = 'refused' | Open;
/** Where it stands while something may still come of it. */
export type Open = 'awaiting' | 'queued' | 'intent';

/** What happens to it before its receipt; each is a row of the journal. `last_approval`: nobody else has to be asked. */
export type Step = 'approval' | 'last_approval' | 'intent';

/** What is committed, and before what: the names of §2.4. */
type Commit = 'T2' | 'T3';

export interface Stage {
  readonly words: string;
  /** Where each step leads; a step that is not named does not happen here. */
  readonly steps: Readonly<Partial<Record<Step, { readonly to: Open; readonly commit: Commit }>>>;
  /** How it may end from here, in the receipt that is its last row. */
  readonly ends: readonly Outcome[];
}

/** Found out before the device is sent anything: at the head of the lane, and again before each further attempt. */
const FOUND_OUT: readonly Outcome[] = ['noop', 'renewed', 'blocked', 'expired', 'basis_changed', 'failed'];

export const LIFECYCLE: Readonly<Record<Standing, Stage>> = {
  refused: {
    words: 'not admitted; its receipt is in the commit of its plan, or in the next',
    steps: {},
    ends: ['blocked', 'truncated', 'rejected', 'refused_busy'],
  },
  awaiting: {
    words: 'admitted, and waits for persons',
    steps: { approval: { to: 'awaiting', commit: 'T2' }, last_approval: { to: 'queued', commit: 'T2' } },
    ends: ['vetoed', 'expired', 'superseded'],
  },
  queued: {
    words: 'admitted, and waits for its turn; everything is asked again then',
    steps: { intent: { to: 'intent', commit: 'T3' } },
    ends: [...FOUND_OUT, 'deduped', 'refused_busy', 'superseded', 'skipped', 'shadow'],
  },
  intent: {
    words: 'may be on its way, at the device, or lost: in doubt until it is read back',
    steps: { intent: { to: 'intent', commit: 'T3' } },
    ends: [...FOUND_OUT, 'applied', 'applied_unverified', 'superseded_externally', 'unknown'],
  },
};

/** Where `step` leads from here. Throws where it does not happen: whoever wrote that row has a defect, and it is not to be built upon. */
export function stepped(from: Standing, step: Step): Open {
  const to = stepFrom(from, step);
  if (to === null) throw new Error(`no ${step} comes to an action that is ${from}`);
  return to;
}

/** Where `step` leads from here; null: it does not happen here. */
export function stepFrom(from: Standing, step: Step): Open | null {
  return LIFECYCLE[from].steps[step]?.to ?? null;
}

/** Whether an action can only have come to this end through an intent. */
export const needsIntent = (outcome: Outcome): boolean =>
  (Object.keys(LIFECYCLE) as Standing[]).every((standing) => (standing === 'intent') === mayEnd(standing, outcome));

/** Whether an action may end like that from here. */
export function mayEnd(from: Standing, outcome: Outcome): boolean {
  return LIFECYCLE[from].ends.includes(outcome);
}
