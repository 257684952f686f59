/** Rows of runs that did not end in a plan: failed, rejected for their shape, or for want of disk space. */
import type { Clock } from '@fibric/sdk';
import type { Disposition, FailedRun, Proposal } from '../kernel.ts';
import { type TellDeps, tellRejected } from './tell.ts';

const SPACE_ROW_EVERY_MS = 60_000;

type Why = NonNullable<Disposition['rejected']>;

interface RunRowsDeps extends TellDeps {
  readonly ioClock: Clock;
}

export class RunRows {
  readonly #deps: RunRowsDeps;
  /** When a rejection for want of space was journaled last, by operator. */
  readonly #spaceTold = new Map<string, number>();

  constructor(deps: RunRowsDeps) {
    this.#deps = deps;
  }

  async rejected(proposal: Proposal, rejected: Why): Promise<Disposition> {
    const { run_id, event, operator } = proposal;
    tellRejected(this.#deps, operator.name, rejected);
    await this.#append('rejected', { run_id, event, operator: operator.name, ...rejected });
    return { plan_id: null, rejected, receipts: [], awaiting: [] };
  }

  /** One row a minute and operator: what is left of the disk is not for telling that it is full. */
  async rejectedForSpace(proposal: Proposal, reason: string): Promise<Disposition> {
    const rejected = { reason_code: 'journal_low_space', reason };
    const { uid } = proposal.operator;
    const now = this.#deps.ioClock.monoMs();
    const quiet = now - (this.#spaceTold.get(uid) ?? Number.NEGATIVE_INFINITY) < SPACE_ROW_EVERY_MS;
    if (quiet) return { plan_id: null, rejected, receipts: [], awaiting: [] };
    this.#spaceTold.set(uid, now);
    return this.rejected(proposal, rejected);
  }

  failed(run: FailedRun): Promise<void> {
    return this.#append('failed', run);
  }

  async #append(outcome: 'failed' | 'rejected', run: FailedRun): Promise<void> {
    const { journal, log } = this.#deps;
    const { operator, run_id, event, reason_code, reason } = run;
    log.warn({ operator, run_id, reason_code }, `run ${outcome}: ${reason}`);
    const { event_id, correlation_id } = event;
    const about = { operator, run_id, event_id, correlation_id, reason_code };
    journal.append({ type: 'run/1', outcome, ...about, reason: reason.slice(0, 2_000) });
    await journal.durable();
  }
}
