/** A wish that is fulfilled already, while its lease lasts: looked at again on the device and kept, without a write (G-K-3). */
import type { Verdict } from '@fibric/policy';
import { formatDuration, isoTime } from '@fibric/sdk';
import type { Lease } from '../journal/leases.ts';
import { type Before, readBefore } from './before.ts';
import { type FactSources, gatherFacts, judge, leaseMs } from './facts.ts';
import type { Ending, Job } from './job.ts';
import { leaseOfWish, leaseWord, receiptsOf, remainingMs } from './lease.ts';
import { overridden, type OverrideDeps } from './override.ts';
import { standing } from './standing.ts';
import { stopped } from './stop.ts';

export interface RenewDeps extends OverrideDeps {
  readonly facts: FactSources;
}

/** The lease that the job may renew: its own wish, still running, and its rules renew. */
function renewable({ journal, elapsed }: RenewDeps, job: Job): Lease | null {
  const { projection } = journal;
  const lease = leaseOfWish(projection, job);
  const wanted = job.terms.lease?.renew === true && job.origin.mode !== 'shadow' && !stopped(projection);
  if (!lease || !wanted || lease.ttl_ms === null) return null;
  // With a part of it taken over, the wish is not fulfilled any more.
  if (lease.ours.length < job.action.target.length) return null;
  return remainingMs(lease, elapsed) > 0 ? lease : null;
}

function kept(deps: RenewDeps, job: Job, lease: Lease, before: Before, verdict: Verdict): Ending {
  const ttl_ms = leaseMs(deps.facts, job) ?? lease.ttl_ms;
  const leftMs = remainingMs({ ...lease, ttl_ms: Number.POSITIVE_INFINITY }, deps.elapsed);
  const runs = formatDuration(Math.min(ttl_ms ?? leftMs, leftMs));
  const at = isoTime(deps.facts.clock.wallMs());
  return {
    outcome: 'renewed',
    stage: 'lease',
    reason_code: 'renewed',
    reason: `still as ${lease.receipt_id ?? 'a journal that is lost'} left it; its lease runs for another ${runs}`,
    verdict,
    baseline: lease.baseline,
    readback: before.readings.map(({ point, value, quality }) => ({ point, value, quality, at })),
    refers_to: receiptsOf([lease]),
    lease: leaseWord({ ...lease, ttl_ms }, 'active'),
  };
}

/**
 * The ending of a job whose key took effect before: `renewed`, or why its lease is not. Null: there is nothing to renew.
 * Everything but what limits changes must hold again, as there is no change.
 */
export async function renewal(deps: RenewDeps, job: Job): Promise<Ending | null> {
  const lease = renewable(deps, job);
  if (!lease || lease.action.idempotency_key !== job.action.idempotency_key) return null;
  const before = await readBefore(deps, job);
  const facts = {
    ...gatherFacts(deps.facts, job, before),
    changes: [],
    admitted_in_run: 0,
    sent_within: () => 0,
  };
  const verdict = judge(deps.facts, job.policy, facts, 'head');
  const { stage, reason_code, reason } = verdict;
  if (verdict.decision === 'BLOCK')
    return { outcome: 'blocked', stage, reason_code, reason: `not renewed: ${reason}`, verdict };
  if (before.fault) return { ...before.fault, stage: 'device', verdict };
  if ((await standing(deps, job, lease, before)).kind === 'ours') return kept(deps, job, lease, before, verdict);
  const why = 'not renewed: the device is no longer as it was left';
  return (
    (await overridden(deps, job, before)) ?? {
      outcome: 'blocked',
      stage: 'lease',
      reason_code: 'not_ours',
      reason: why,
    }
  );
}

/** The same for a job with a key of its own that finds the device where it wants it, under a lease of the same intent. */
export async function renewedInPlace(
  deps: RenewDeps,
  job: Job,
  before: Before,
  verdict: Verdict,
): Promise<Ending | null> {
  const lease = renewable(deps, job);
  if (!lease || (await standing(deps, job, lease, before)).kind !== 'ours') return null;
  return kept(deps, job, lease, before, verdict);
}
