/**
 * The real kernel in simulated worlds, one seed after another.
 *
 *   npm run simulate -- --seeds 10000 [--from 1]     many worlds; prints the seeds that broke a promise
 *   npm run simulate -- --seed 42                    one world, with everything that befell it
 */
import { parseArgs } from 'node:util';
import { type Outcome, simulate } from './world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function report({ seed, violations }: Outcome): void {
  say(`seed ${seed}: replay with npm run simulate -- --seed ${seed}`);
  for (const violation of violations.slice(0, 10)) say(`  ${violation}`);
}

async function one(seed: number): Promise<number> {
  const { notes, log, ...outcome } = await simulate(seed);
  for (const line of [...log, ...notes]) say(line);
  say(JSON.stringify(outcome, null, 2));
  return outcome.violations.length === 0 ? 0 : 1;
}

async function many(from: number, count: number): Promise<number> {
  const started = performance.now();
  const sum = { virtualMs: 0, boots: 0, actions: 0, sent: 0, failed: 0 };
  const outcomes: Record<string, number> = {};
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed);
    sum.virtualMs += outcome.virtualMs;
    sum.boots += outcome.boots;
    sum.actions += outcome.actions;
    sum.sent += outcome.sent;
    for (const [name, n] of Object.entries(outcome.outcomes)) outcomes[name] = (outcomes[name] ?? 0) + n;
    if (outcome.violations.length === 0) continue;
    sum.failed++;
    report(outcome);
  }
  const realMs = performance.now() - started;
  const days = (sum.virtualMs / 86_400_000).toFixed(1);
  say(JSON.stringify({ seeds: count, ...sum, outcomes }));
  say(
    `${count} seeds, ${days} simulated days in ${(realMs / 1_000).toFixed(1)} s: ${Math.round(sum.virtualMs / realMs)} × real time`,
  );
  return sum.failed === 0 ? 0 : 1;
}

process.exit(
  values.seed === undefined ? await many(Number(values.from), Number(values.seeds)) : await one(Number(values.seed)),
);
