import { type Envelope, type ExecutionPlan, LIMITS, type Mode, type Receipt } from '@fibric/sdk';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Disposition, FailedRun, Proposal } from './kernel.ts';
import {
  event,
  IDENTITY,
  keptLog,
  manualClock,
  operatorFolder,
  probe,
  rulesReasoner,
  until,
} from './operator-host/testing.ts';
import { createRunner, type Runner, type RunnerDeps } from './runner.ts';
import { systemClock } from './system.ts';

const DONE: Disposition = { plan_id: 'pl_1', rejected: null, receipts: [], awaiting: [] };

interface Bench {
  readonly runner: Runner;
  readonly submitted: readonly Proposal[];
  readonly failures: readonly FailedRun[];
}

function bench(source: string, deps: Partial<RunnerDeps> = {}, name = 'probe'): Bench {
  const submitted: Proposal[] = [];
  const failures: FailedRun[] = [];
  const submit = deps.submit ?? (async () => DONE);
  let ids = 0;
  const runner = createRunner({
    operator: { name, uid: 'op_1', folder: operatorFolder(source), mode: 'live', policy_files: [], settings: {} },
    identity: IDENTITY,
    timezone: 'Europe/Stockholm',
    clock: manualClock(),
    ioClock: systemClock(),
    ids: { next: (prefix) => `${prefix}_${++ids}` },
    log: keptLog(),
    sense: async () => ({ at: '', entities: [{}, {}, {}] }),
    bound: () => ['field'],
    mode: () => 'live',
    reasoner: rulesReasoner(),
    initialState: {},
    runFailed: async (run) => void failures.push(run),
    ...deps,
    submit: (proposal) => {
      submitted.push(proposal);
      return submit(proposal);
    },
  });
  onTestFinished(() => runner.stop());
  return { runner, submitted, failures };
}

async function started(source: string, deps: Partial<RunnerDeps> = {}): Promise<Bench> {
  const made = bench(source, deps);
  await made.runner.start();
  return made;
}

const reasonings = (proposals: readonly Proposal[]): readonly unknown[] =>
  proposals.map(({ plan }) => (plan as ExecutionPlan).reasoning);
const numbered = (n: number, type = 'zone.motion'): Envelope => event(type, { n: String(n) });
const ECHO = probe(`await ctx.sense('points.read'); return { reasoning: ctx.event.payload.n, actions: [] };`);

describe('one run', () => {
  test('ends in a proposal that says who, why woken, in which mode and with what authority', async () => {
    const { runner, submitted } = await started(
      probe(`return ctx.propose([{ capability: 'point.set', args: { point: 'a', value: 1 } }], 'so');`),
    );
    const waking = event();
    const trace = await runner.runOnce(waking);
    expect(submitted).toEqual([
      {
        run_id: 'run_1',
        operator: { name: 'probe', uid: 'op_1', version: 'local' },
        requires: ['points.read', 'climate.read', 'point.set'],
        mode: 'live',
        event: waking,
        proposed_by: 'rules',
        reasoner: null,
        plan: { reasoning: 'so', actions: [{ capability: 'point.set', args: { point: 'a', value: 1 } }] },
        state: null,
      },
    ]);
    expect(trace).toEqual({
      run_id: 'run_1',
      sensed: [],
      proposed: 1,
      reasoning: 'so',
      disposition: DONE,
      failed: null,
    });
  });

  test('names the reasoner when it reasoned', async () => {
    const { runner, submitted } = await started(
      probe('return ctx.reason({});', `model: 'router:reasoning', rules: () => ({ actions: [] }),`),
    );
    await runner.runOnce(event());
    expect(submitted[0]).toMatchObject({
      proposed_by: 'rules',
      reasoner: { alias: 'router:reasoning', provider: 'rules', model: null },
    });
  });

  test('counts what it sensed, and is told the site’s time', async () => {
    const source = probe(
      `await ctx.sense('points.read'); await ctx.sense('climate.read'); return { reasoning: JSON.stringify(ctx.now), actions: [] };`,
    );
    const { runner } = await started(source);
    const trace = await runner.runOnce(event());
    expect(trace.sensed).toEqual([
      { capability: 'points.read', entities: 3 },
      { capability: 'climate.read', entities: 3 },
    ]);
    expect(JSON.parse(trace.reasoning ?? '')).toEqual({
      utc: '2026-07-02T10:00:00.000Z',
      zone: 'Europe/Stockholm',
      local: '2026-07-02T12:00:00',
    });
  });

  test('R2 that fails is recorded with its reason, and leaves the state alone (row 13)', async () => {
    const source = probe(
      `if (ctx.event.payload.n === '1') throw new Error('no'); return { reasoning: JSON.stringify(ctx.state), actions: [] };`,
    );
    const { runner, submitted, failures } = await started(source, { initialState: { seen: 7 } });
    const trace = await runner.runOnce(numbered(1));
    expect(trace).toMatchObject({ disposition: null, failed: { reason_code: 'threw', reason: 'no' } });
    expect(failures).toEqual([
      { run_id: 'run_1', operator: 'probe', event: numbered(1), reason_code: 'threw', reason: 'no' },
    ]);
    await runner.runOnce(numbered(2));
    expect(reasonings(submitted)).toEqual(['{"seen":7}']);
    expect(runner.stats()).toMatchObject({ runs: 2, failed: 1 });
  });

  test('R4 hands its state over with the plan, and a rejected plan’s state is forgotten', async () => {
    const counting = probe(`return { actions: [], state: { n: (ctx.state.n ?? 0) + 1 } };`);
    const rejected: Disposition = { ...DONE, plan_id: null, rejected: { reason_code: 'plan_schema', reason: 'no' } };
    let n = 0;
    const { runner, submitted } = await started(counting, { submit: async () => (++n === 2 ? rejected : DONE) });
    for (let i = 0; i < 3; i++) await runner.runOnce(event());
    expect(submitted.map(({ state }) => state)).toEqual([{ n: 1 }, { n: 2 }, { n: 2 }]);
  });
});

describe('starting', () => {
  test('refuses an operator that goes by another name in the site', async () => {
    await expect(bench(ECHO, {}, 'comfort').runner.start()).rejects.toThrow(
      "operator 'comfort': its file defines 'probe'; the site file must call it by that name",
    );
  });

  test('refuses an operator whose alias nobody answers, and one without the rules that should', async () => {
    await expect(bench(probe('return [];', `model: 'router:cheap',`)).runner.start()).rejects.toThrow(
      "no provider stands behind 'router:cheap'",
    );
    await expect(bench(probe('return [];', `model: 'router:reasoning',`)).runner.start()).rejects.toThrow(
      'it ships no rules',
    );
  });
});

describe('the queue', () => {
  test('every envelope becomes a run, in order', async () => {
    const { runner, submitted } = await started(ECHO);
    for (let n = 0; n < 300; n++) runner.wake(numbered(n));
    await until(() => submitted.length === 300, 'all runs');
    expect(reasonings(submitted)).toEqual(Array.from({ length: 300 }, (_, n) => String(n)));
    expect(runner.stats()).toMatchObject({ runs: 300, failed: 0, dropped: 0, waiting: 0 });
  });

  test('R1 is bounded: the oldest that wait are dropped and counted', async () => {
    const gate = Promise.withResolvers<void>();
    const { runner, submitted } = await started(ECHO, { sense: () => gate.promise });
    const sent = LIMITS.runsInFlight + LIMITS.runQueue + 5;
    for (let n = 0; n < sent; n++) runner.wake(numbered(n));
    expect(runner.stats()).toMatchObject({ dropped: 5, waiting: LIMITS.runQueue });
    gate.resolve();
    await until(() => submitted.length === sent - 5, 'all that were kept');
    // Those handed over stay; of those that waited the first five are gone.
    expect(reasonings(submitted)[LIMITS.runsInFlight]).toBe(String(LIMITS.runsInFlight + 5));
  });

  test('R1 of ticks one is at work and one waits: the newest', async () => {
    const gate = Promise.withResolvers<void>();
    const { runner, submitted } = await started(ECHO, { sense: () => gate.promise });
    for (let n = 0; n < 50; n++) runner.wake(numbered(n, 'cron.tick'));
    gate.resolve();
    await until(() => submitted.length === 2, 'both ticks');
    expect(reasonings(submitted)).toEqual(['0', '49']);
    expect(runner.stats().runs).toBe(2);
  });

  test('R3 the next run does not wait for what becomes of the plan before it', async () => {
    const never = new Promise<Disposition>(() => {});
    const { runner, submitted } = await started(ECHO, { submit: () => never });
    for (let n = 0; n < LIMITS.runsInFlight * 2; n++) runner.wake(numbered(n));
    await until(() => submitted.length === LIMITS.runsInFlight * 2, 'all proposals');
  });

  test('a journal that cannot be written stops neither the queue nor the process', async () => {
    const { runner, submitted } = await started(ECHO, { submit: () => Promise.reject(new Error('disk full')) });
    for (let n = 0; n < 3; n++) runner.wake(numbered(n));
    await until(() => submitted.length === 3, 'all proposals');
    await expect(runner.runOnce(event())).rejects.toThrow('disk full');
  });

  test('nothing is woken in mode disabled, and what is proposed carries the mode of its moment', async () => {
    let mode: Mode = 'disabled';
    const { runner, submitted } = await started(ECHO, { mode: () => mode });
    runner.wake(numbered(1));
    mode = 'propose_only';
    runner.wake(numbered(2));
    await until(() => submitted.length === 1, 'the second');
    expect(submitted[0]).toMatchObject({ mode: 'propose_only', plan: { reasoning: '2' } });
  });
});

test('the last run is told with what became of its actions', async () => {
  const receipts = [{ outcome: 'applied' }, { outcome: 'applied' }, { outcome: 'blocked' }] as Receipt[];
  const { runner } = await started(ECHO, { submit: async () => ({ ...DONE, receipts }) });
  expect(runner.stats().last_run).toBeNull();
  await runner.runOnce(numbered(1));
  expect(runner.stats().last_run).toEqual({
    run_id: 'run_1',
    at: '2026-07-02T10:00:00.000Z',
    sensed: 3,
    proposed: 0,
    outcomes: { applied: 2, blocked: 1 },
  });
});
