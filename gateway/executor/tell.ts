/**
 * People who are to be told of an action: before it where a rule says so, with it otherwise, and not at all means not done
 * (execution §2.9, G-AL-1, G-AL-2).
 */
import type { Verdict } from '@fibric/policy';
import { formatDuration, LIMITS, type Log, type Outcome } from '@fibric/sdk';
import { type Telling, UNTOLD_MS } from '../alerts/outbox.ts';
import { raise } from '../alerts/raise.ts';
import type { AlertKind, AlertSubject } from '../journal/alerts.ts';
import { idAt, type ReceiptEntry, type Row } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import type { Ending, Job } from './job.ts';
import type { Prepared } from './prepare.ts';

export interface TellDeps {
  readonly journal: Journal;
  readonly log: Log;
  readonly telling: Telling;
}

type Asked = { readonly ending: Ending } | object;

const subjectOf = ({ origin, action }: Pick<Job, 'origin' | 'action'>): AlertSubject => ({
  operator: origin.operator,
  capability: action.capability,
  entity_key: action.entity_key,
  action_id: action.action_id,
});

function inWords({ origin, action }: Job): string {
  const target = action.target.map(({ point, value }) => `${point} to ${String(value)}`).join(', ');
  return `${origin.operator} does ${action.capability} on ${action.entity_key}: ${target}`;
}

/** In the commit of the intent: a crash can lose neither or both. */
export function tellWith(deps: TellDeps, job: Job, { reason }: Pick<Verdict, 'reason'>): void {
  raise(deps, 'alerted', `${inWords(job)}; ${reason}`, subjectOf(job));
}

/** `ask(told)` decides. Where it only lacks that people are told, they are, and it decides again once a channel has taken it. */
export async function toldFirst<T extends Asked>(
  deps: TellDeps,
  job: Job,
  ask: (told: boolean) => Promise<T>,
): Promise<T> {
  // A shadow tells nobody of what it does not do.
  if (job.origin.mode === 'shadow') return ask(true);
  const asked = await ask(false);
  if (!('ending' in asked) || asked.ending.reason_code !== 'alert_undelivered') return asked;
  const id = raise(deps, 'alerted', `${inWords(job)}, once this has been delivered`, subjectOf(job));
  await deps.journal.durable();
  return id !== null && (await deps.telling.accepted(id)) ? ask(true) : asked;
}

/** Why an action that people are to be told of is not done now; null when they can be. Messages are only told of, and go on. */
export function undeliverable({ telling }: TellDeps, job: Job, verdict: Verdict): Ending | null {
  if (verdict.decision !== 'ALERT' || job.action.effect_class === 'message') return null;
  const silentMs = telling.unreachableMs();
  if (silentMs <= LIMITS.alertGraceMs) return null;
  const long = silentMs === UNTOLD_MS ? 'for nobody knows how long' : `for ${formatDuration(silentMs)}`;
  const reason = `a person is to be told of it, and no channel has taken an alert ${long}; mend one of alerts.to`;
  return { outcome: 'blocked', stage: 'approval', reason_code: 'alert_undeliverable', reason, verdict };
}

/** What a person hears of by how it ended. A plan that was cut is told of as a whole. */
const BY_OUTCOME: Partial<Record<Outcome, AlertKind>> = {
  unknown: 'unknown',
  superseded_externally: 'superseded_externally',
  failed: 'failed',
};
const BY_REASON: Readonly<Record<string, AlertKind>> = { no_effect: 'no_effect', key_conflict: 'key_conflict' };

/** In the commit of the receipt. Of what was never intended, and of what a shadow would have met, only the receipt tells. */
export function tellEnd(deps: TellDeps, receipt: Row<ReceiptEntry>): void {
  const { outcome, reason_code, reason, operator, capability, entity_key, action_id, attempt, mode } = receipt;
  const kind = BY_REASON[reason_code ?? ''] ?? BY_OUTCOME[outcome];
  if (!kind || mode === 'shadow' || (kind === 'failed' && attempt === 0)) return;
  const next = outcome === 'unknown' ? `; look, then: fibric receipts correct ${idAt('rc', receipt.seq)}` : '';
  const text = `${capability} for ${entity_key} ended as ${outcome}: ${reason}${next}`;
  raise(deps, kind, text, { operator, capability, entity_key, action_id });
}

/** A plan of somebody else's house. */
export function tellRejected(deps: TellDeps, operator: string, why: { reason_code: string; reason: string }): void {
  if (why.reason_code === 'tenant_mismatch') raise(deps, 'tenant_mismatch', `${operator}: ${why.reason}`, { operator });
}

/** What is beyond the cap of a run is told of once for the plan and its capability, not once for each action (G-LIM-4). */
export function tellTruncated(deps: TellDeps, operator: string, prepared: readonly Prepared[]): void {
  const cut = Map.groupBy(
    prepared.flatMap((p) => (p.kind === 'refused' && p.ending.outcome === 'truncated' ? [p] : [])),
    ({ action }) => action.capability,
  );
  for (const [capability, all] of cut) {
    const text = `${all.length} actions of ${operator} are beyond the cap and not done: ${all[0]?.ending.reason}`;
    raise(deps, 'truncated', text, { operator, capability });
  }
}
