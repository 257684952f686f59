/** The real kernel in 300 simulated worlds. A seed that fails prints itself; `npm run simulate -- --seed N` lives it through again. */
import { describe, expect, it } from 'vitest';
import { LIFECYCLE } from '@fibric/gateway/journal/lifecycle';
import type { Sabotage } from './machine.ts';
import { type Outcome, simulate } from './world.ts';

const SEEDS = 300;
const CHUNK = 50;
/** Of virtual to real time, on one core. */
const LEAST_SPEED = 500;

const total = { virtualMs: 0, realMs: 0, boots: 0, actions: 0 };
const outcomes = new Set<string>();
const ends = new Set<string>();
const ways = new Set<string>();

function complaintOf({ seed, violations }: Outcome): readonly string[] {
  return violations.map((violation) => `${violation} (npm run simulate -- --seed ${seed})`);
}

/** What the judge says of the first seeds under sabotage, until it says this. */
async function said(sabotage: Sabotage, complaint: RegExp): Promise<string> {
  const found: string[] = [];
  for (let seed = 1; seed <= 20 && !complaint.test(found.join('\n')); seed++)
    found.push(...(await simulate(seed, sabotage)).violations);
  return found.join('\n');
}

describe('the kernel, whatever befalls it', { retry: 0 }, () => {
  it.each(Array.from({ length: SEEDS / CHUNK }, (_, i) => [i * CHUNK + 1, (i + 1) * CHUNK]))(
    'X1 X2 X3 X5 X6 J1 J2 J3 J4 K3 K4 U2 keeps its promises in worlds %i to %i (rows 30, 34, 40, 42, 46, 47, 50, 51, 52, 54–56, 58–60, 63, 72, 77, 81, 97)',
    { timeout: 300_000 },
    async (first, last) => {
      const complaints: string[] = [];
      const started = performance.now();
      for (let seed = first; seed <= last; seed++) {
        const outcome = await simulate(seed);
        complaints.push(...complaintOf(outcome));
        total.virtualMs += outcome.virtualMs;
        total.boots += outcome.boots;
        total.actions += outcome.actions;
        for (const name of Object.keys(outcome.outcomes)) outcomes.add(name);
        for (const way of outcome.ways) ways.add(way);
        for (const name of Object.keys(outcome.ends)) ends.add(name);
      }
      total.realMs += performance.now() - started;
      expect(complaints).toEqual([]);
    },
  );

  it('has been through everything it is said to survive, and faster than life', () => {
    const speed = Math.round(total.virtualMs / total.realMs);
    const days = (total.virtualMs / 86_400_000).toFixed(1);
    process.stdout.write(
      `simulated ${days} days, ${total.actions} actions and ${total.boots} boots in ${(total.realMs / 1_000).toFixed(1)} s: ${speed} × real time\n`,
    );
    expect(speed).toBeGreaterThanOrEqual(LEAST_SPEED);
    for (const outcome of ['applied', 'applied_unverified', 'noop', 'deduped', 'blocked', 'truncated', 'refused_busy'])
      expect(outcomes).toContain(outcome);
    for (const outcome of [
      'vetoed',
      'renewed',
      'expired',
      'superseded_externally',
      'skipped',
      'failed',
      'unknown',
      'shadow',
      'superseded',
    ])
      expect(outcomes).toContain(outcome);
    for (const moment of ['before commit', 'after commit', 'read', 'write', 'applied', 'reset'])
      expect(ends).toContain(`killed at ${moment}`);
    expect(ends).toContain('journal failed');
  });

  it('has gone every way that there is in the table of an action’s life, but for a few that have tests of their own', () => {
    const standings = Object.entries(LIFECYCLE);
    const all = standings.flatMap(([from, { steps, ends: outs }]) => [
      ...Object.keys(steps).map((step) => `${from} ${step}`),
      ...outs.map((outcome) => `${from} ends ${outcome}`),
    ]);
    // In gateway/executor: policy.test.ts (a plan over its cap), approvals.test.ts (what an approval rested on is gone). The others need a
    // device or a person that comes to be where the action wants it between two attempts.
    const rare = [
      'refused ends rejected',
      'queued ends basis_changed',
      'intent ends renewed',
      'intent ends basis_changed',
    ];
    expect(all.filter((way) => !ways.has(way) && !rare.includes(way))).toEqual([]);
  });

  it('lives the same seed through in the same way, to the last hash', async () => {
    for (const seed of [3, 7, 11]) {
      const [one, two] = [await simulate(seed), await simulate(seed)];
      expect(one.head).toBe(two.head);
      expect(one.notes).toEqual(two.notes);
    }
  });
});

describe('the judge notices', () => {
  it.each<[string, Sabotage, RegExp]>([
    ['a journal that says durable too early', { lyingJournal: true }, /X1 .*\n?|K11/],
    ['a command that is sent twice', { doubleSend: true }, /K2 .* fired 2 times/],
    ['keys that are forgotten', { forgetfulKeys: true }, /K[26] /],
    ['lanes that hold nobody back', { openLanes: true }, /K5 |X2 /],
    ['a device that is believed without being asked', { blindTrust: true }, /K4 /],
  ])('%s', { timeout: 120_000 }, async (_, sabotage, complaint) => {
    expect(await said(sabotage, complaint)).toMatch(complaint);
  });
});
