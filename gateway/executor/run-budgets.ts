/** How many actions of each capability a run has had admitted, over all its plans: a cap is the run's, however it is cut up (G-LIM-3). */

/** Runs that may still hand in a plan; a run ends within seconds. */
const RUNS_KEPT = 1_000;

export class RunBudgets {
  readonly #runs = new Map<string, Map<string, number>>();

  /** The counts of a run by capability; the one asked for longest ago is forgotten when there are too many. */
  of(operatorUid: string, runId: string): Map<string, number> {
    const key = `${operatorUid}\n${runId}`;
    const counts = this.#runs.get(key) ?? new Map<string, number>();
    this.#runs.delete(key);
    this.#runs.set(key, counts);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > RUNS_KEPT && oldest !== undefined) this.#runs.delete(oldest);
    return counts;
  }
}
