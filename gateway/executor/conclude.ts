/** From what the driver said of a write to how the action ended: an acknowledgement is verified, a doubt is settled by reading. */
import { type Clock, type Driver, LIMITS, type Provenance, type Reading, type WriteResult } from '@fibric/sdk';
import type { Verdict } from '@fibric/policy';
import type { DeviceTool } from '../config/site.ts';
import type { Journal } from '../journal/journal.ts';
import type { Before } from './before.ts';
import type { FactSources } from './facts.ts';
import { effectiveOf, type Ending, type Job } from './job.ts';
import { proofOf, settle } from './settle.ts';
import { readBack, type Witness } from './verify.ts';

export interface ConcludeDeps {
  readonly journal: Journal;
  readonly facts: Pick<FactSources, 'clock'>;
  /** Real time. */
  readonly ioClock: Clock;
  readonly real: Provenance;
  readonly driver: (connection: string) => Driver;
  readonly observe: (readings: readonly Reading[]) => void;
  /** Aborted when the gateway stops: doubts stay open for the next start. */
  readonly stopping: AbortSignal;
}

export type Conclusion = Ending | Again | 'interrupted';

/** It may be tried once more under the same key; where it is not, this is how it ends. */
export interface Again {
  readonly again: Ending;
}

/** Makes endings of one attempt: what they share is filled in here. */
type EndingOf = (
  outcome: Ending['outcome'],
  reason_code: string,
  reason: string,
  readback?: Ending['readback'],
) => Ending;

function endingsOf(job: Job, attempt: number, before: Before, verdict: Verdict, result: WriteResult): EndingOf {
  const response = 'response' in result ? result.response : null;
  return (outcome, reason_code, reason, readback = []) => ({
    stage: 'act',
    attempt,
    verdict,
    baseline: before.baseline,
    response,
    outcome,
    reason_code,
    reason,
    readback,
    effective: effectiveOf(job.action, readback, outcome === 'applied_unverified'),
  });
}

/** From the driver's answer to an ending: an acknowledgement is verified, a doubt is settled, a definite no is a no. */
export async function conclude(
  deps: ConcludeDeps,
  job: Job,
  attempt: number,
  before: Before,
  verdict: Verdict,
  result: WriteResult,
): Promise<Conclusion> {
  const ending = endingsOf(job, attempt, before, verdict, result);
  switch (result.kind) {
    case 'not_sent':
      if (result.reason_code !== 'send_withdrawn')
        return ending('failed', result.reason_code, `nothing was sent: ${result.message}`);
      if (deps.stopping.aborted) return 'interrupted';
      return { again: ending('failed', 'attempts', `it could not be sent in ${attempt} attempts: ${result.message}`) };
    case 'refused':
      return ending('failed', result.reason_code, `the device refused: ${result.message}`);
    case 'doubt':
      return settled(deps, job, attempt, before, result.message, ending);
    case 'acknowledged':
      return verified(deps, job, attempt, before, ending);
  }
}

/** The longest that the looks of a verification take by themselves. */
const looksMs = ({ verify, timeout_ms }: DeviceTool): number =>
  verify ? verify.tries * (verify.settle_ms + timeout_ms) : 0;

export function witnessOf(deps: ConcludeDeps, connection: string): Witness {
  const { ioClock, facts, real, observe, journal } = deps;
  return { driver: deps.driver(connection), clock: ioClock, siteClock: facts.clock, real, observe, journal };
}

async function settled(
  deps: ConcludeDeps,
  job: Job,
  attempt: number,
  before: Before,
  doubt: string,
  ending: EndingOf,
): Promise<Conclusion> {
  const { action, resolution } = job;
  const lease_ms = deps.journal.projection.open.rows.get(action.action_id)?.intent?.lease?.ttl_ms ?? null;
  const found = await settle(
    witnessOf(deps, action.connector),
    { action, tool: resolution.tool, baseline: before.baseline, lease_ms },
    deps.stopping,
  );
  if (found.kind === 'interrupted') return 'interrupted';
  const why = `${doubt}; ${found.reason}`;
  switch (found.kind) {
    case 'applied':
      return ending('applied', 'inferred_by_readback', why, found.readback);
    case 'superseded':
      return ending('superseded_externally', 'superseded_externally', why, found.readback);
    case 'unknown':
      return ending('unknown', 'unknown', why, found.readback);
    case 'not_applied':
      // A pulse that provably did not come is not sent again by itself (execution §2.2).
      if (action.effect_class === 'relative_or_pulse') return ending('failed', 'not_applied', why, found.readback);
      return { again: ending('failed', 'attempts', `${attempt} attempts without effect; ${why}`, found.readback) };
    case 'partly':
      return { again: ending('failed', 'device_altered', why, found.readback) };
  }
}

async function verified(
  deps: ConcludeDeps,
  job: Job,
  attempt: number,
  before: Before,
  ending: EndingOf,
): Promise<Conclusion> {
  const { action, resolution } = job;
  const { tool } = resolution;
  const witness = witnessOf(deps, action.connector);
  if (tool.proof) {
    const proof = await proofOf(witness, { action, tool, baseline: before.baseline });
    if (proof?.kind === 'applied') return ending('applied', 'verified', proof.reason, proof.readback);
    // A counter may lag behind the answer, but not behind the window for late writes: an answer alone is no deed.
    if (proof?.kind === 'not_applied') return settled(deps, job, attempt, before, 'acknowledged', ending);
    const why = proof && 'reason' in proof ? proof.reason : 'the proof counter could not be read';
    return ending('applied_unverified', 'unproved', why);
  }
  if (!tool.verify)
    return ending('applied_unverified', 'no_verification', 'acknowledged; this tool declares no read-back');
  // What an output reads later says nothing of a pulse, and sending a second one because of it would be the worst answer.
  if (action.effect_class === 'relative_or_pulse')
    return ending('applied_unverified', 'unproved', 'acknowledged; a pulse without a proof counter cannot be proved');
  const seen = await readBack(witness, action, tool, tool.verify, before.baseline);
  switch (seen.kind) {
    case 'equal':
      return ending('applied', 'verified', 'read back as written', seen.readback);
    case 'unreadable':
      return ending('applied_unverified', 'unreadable', 'acknowledged, but it could not be read back', seen.readback);
    case 'other':
      // While the process stood still since it asked what was there, also with the machine asleep, anybody may have been there.
      if (
        Math.abs(deps.ioClock.wallMs() - before.asked.wall) >
        2 * tool.timeout_ms + looksMs(tool) + LIMITS.sendPauseMs
      )
        return ending(
          'superseded_externally',
          'superseded_externally',
          'moved before it could be read back',
          seen.readback,
        );
      return ending('failed', 'device_altered', 'the device took another value than it was sent', seen.readback);
    case 'unchanged':
      return { again: ending('failed', 'no_effect', 'acknowledged, but the value did not change', seen.readback) };
    case 'partly':
      return { again: ending('failed', 'device_altered', 'only some of the outputs took it', seen.readback) };
  }
}
