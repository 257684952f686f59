/** One operator in a process of its own: what it may do, and what happens when it does something else. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '@fibric/sdk';
import { systemClock } from '../system.ts';
import { createOperatorHost, type HostDeps, type OperatorHost, type RunResult } from './process.ts';
import { event, keptLog, type Lines, manualClock, operatorFolder, probe, rulesReasoner, until } from './testing.ts';

const NOW = { utc: '2026-07-02T10:00:00.000Z', zone: 'Europe/Stockholm', local: '2026-07-02T12:00:00' };

interface Probe {
  readonly host: OperatorHost;
  readonly log: Lines;
  run(sense?: (capability: string, args: object) => Promise<unknown>): Promise<RunResult>;
}

function hostOf(source: string, deps: Partial<HostDeps> = {}): Probe {
  const log = keptLog();
  const host = createOperatorHost({
    operator: 'probe',
    folder: operatorFolder(source),
    settings: {},
    state: {},
    clock: systemClock(),
    log,
    bound: (capability) => (capability === 'climate.read' ? [] : ['field']),
    reasoning: ({ model }) => rulesReasoner().resolve(model),
    ...deps,
  });
  onTestFinished(() => host.stop());
  let runs = 0;
  return {
    host,
    log,
    run: (sense = async () => ({})) => host.run({ run_id: `run_${++runs}`, event: event(), now: NOW, sense }),
  };
}

async function started(source: string, deps: Partial<HostDeps> = {}): Promise<Probe> {
  const probed = hostOf(source, deps);
  await probed.host.start();
  return probed;
}

/** What `run` returns when its body is this. */
async function outcome(body: string, more = ''): Promise<RunResult> {
  return (await started(probe(body, more))).run();
}

const failure = (result: RunResult): string =>
  result.kind === 'failed' ? `${result.reason_code}: ${result.reason}` : 'a plan';
const planOf = (result: RunResult): unknown => (result.kind === 'plan' ? result.plan : failure(result));

describe('what an operator says it is', () => {
  test('is read from its file, with its triggers and whether it ships rules', async () => {
    const source = probe(
      'return [];',
      `model: 'router:reasoning', trigger: [{ on: 'zone.*' }, { every: '1m' }], rules: () => ({ actions: [] }),`,
    );
    expect(await hostOf(source).host.start()).toEqual({
      name: 'probe',
      goal: 'Try things.',
      requires: ['points.read', 'climate.read', 'point.set'],
      triggers: [{ on: 'zone.*' }, { every: '1m' }],
      model: 'router:reasoning',
      has_rules: true,
    });
  });

  test.each([
    ['a file that throws', `throw new Error('no such luck');`, 'no such luck'],
    ['a file that is not TypeScript', `export default {{`, "operator 'probe': "],
    ['a file without an operator', `export default 7;`, 'its default export is not an operator: use defineOperator'],
    ['a file that ends the process', `process.exit(3);`, "operator 'probe': "],
    [
      'a definition with a vendor word',
      probe('return [];', `model: 'gpt',`),
      'defineOperator: model: a router alias such as router:reasoning',
    ],
  ])('%s is a clear error', async (_, source, message) => {
    await expect(hostOf(source).host.start()).rejects.toThrow(message);
  });

  test('settings are checked against its own schema, with the place of each mistake', async () => {
    const source = probe('return [];', 'settings: z.strictObject({ occupied: z.number().default(21.5) }),');
    await expect(hostOf(source, { settings: { occupied: 'warm' } }).host.start()).rejects.toThrow(
      'settings.occupied: Invalid input: expected number, received string',
    );
    const { run, host } = hostOf(
      source.replace('return [];', 'return { reasoning: String(ctx.settings.occupied), actions: [] };'),
    );
    await host.start();
    expect(planOf(await run())).toEqual({ reasoning: '21.5', actions: [] });
  });

  test('a file that never finishes loading is given up', async () => {
    const clock = manualClock();
    const { host, log } = hostOf(`console.log('looping'); for (;;);`, { clock });
    const start = expect(host.start()).rejects.toThrow('it was not loaded within 30s');
    await until(() => log.lines.some((line) => line.startsWith('looping')), 'the loop');
    clock.advance(LIMITS.hostStartMs);
    await start;
  });
});

describe('the context of a run', () => {
  test('O1 holds nothing that acts', async () => {
    expect(planOf(await outcome(`return { reasoning: Object.keys(ctx).join(' '), actions: [] };`))).toEqual({
      reasoning: 'event settings now state sense reason propose binding bound key log',
      actions: [],
    });
  });

  test('gives the event, the time, bindings and key parts', async () => {
    const body = `return { reasoning: JSON.stringify([ctx.event.event_type, ctx.now.local, ctx.binding('points.read'), ctx.binding('climate.read'), ctx.bound('climate.read'), ctx.key('ev', 'BK-1')]), actions: [] };`;
    expect(planOf(await outcome(body))).toEqual({
      reasoning: '["zone.motion","2026-07-02T12:00:00","field","",false,"ev=BK-1"]',
      actions: [],
    });
  });

  test('sense reads through the gateway', async () => {
    const { run } = await started(
      probe(
        `const a = await ctx.sense('points.read', { zone: '1' }); return { reasoning: JSON.stringify(a), actions: [] };`,
      ),
    );
    const result = await run(async (capability, args) => ({ capability, args }));
    expect(planOf(result)).toEqual({ reasoning: '{"capability":"points.read","args":{"zone":"1"}}', actions: [] });
  });

  test('sense outside requires, unbound, or refused by the gateway ends the run with both names', async () => {
    expect(failure(await outcome(`await ctx.sense('orders.read'); return [];`))).toBe(
      "threw: operator 'probe' may not use 'orders.read': add it to its requires",
    );
    expect(failure(await outcome(`await ctx.sense('climate.read'); return [];`))).toBe(
      "threw: capability 'climate.read' is not bound for operator 'probe': add it to bindings in the site file",
    );
    const { run } = await started(probe(`await ctx.sense('points.read'); return [];`));
    expect(failure(await run(() => Promise.reject(new Error('no answer from pms'))))).toBe('threw: no answer from pms');
  });

  test('actions alone are a plan, and an empty plan is one', async () => {
    expect(planOf(await outcome('return [];'))).toEqual({ actions: [] });
    expect(planOf(await outcome(`return ctx.propose([], 'nothing to do');`))).toEqual({
      reasoning: 'nothing to do',
      actions: [],
    });
  });

  test('state is frozen, and the next run reads what this one returned', async () => {
    const { run } = await started(
      probe(
        `const n = (ctx.state.n ?? 0) + 1; return { reasoning: String(Object.isFrozen(ctx.state)), actions: [], state: { n } };`,
      ),
      {
        state: { n: 41 },
      },
    );
    const results = await Promise.all([run(), run()]);
    expect(results.map((result) => (result.kind === 'plan' ? result.state : result))).toEqual([{ n: 42 }, { n: 43 }]);
    expect(planOf(results[0] as RunResult)).toMatchObject({ reasoning: 'true' });
  });

  test('what was not committed is forgotten on request', async () => {
    const { run, host } = await started(probe(`return { actions: [], state: { n: (ctx.state.n ?? 0) + 1 } };`));
    await run();
    host.remember({ n: 10 });
    expect(await run()).toMatchObject({ state: { n: 11 } });
  });
});

describe('reasoning by rules', () => {
  const model = `model: 'router:reasoning',`;

  test('answers with the operator’s own function, and the answer is checked', async () => {
    const body = `const { hot } = await ctx.reason({ input: [1, 30], instruction: 'which are hot?', schema: z.object({ hot: z.array(z.number()) }) }); return { reasoning: hot.join(), actions: [] };`;
    const result = await outcome(
      body,
      `${model} rules: ({ input }: any) => ({ hot: input.filter((x: number) => x > 25) }),`,
    );
    expect(result).toMatchObject({ kind: 'plan', plan: { reasoning: '30' }, reasoned: true });
  });

  test('a plain input asks for a plan', async () => {
    const rules = `${model} rules: ({ input }: any) => ({ reasoning: input.why, actions: [] }),`;
    expect(await outcome(`return ctx.reason({ why: 'calm' });`, rules)).toMatchObject({
      plan: { reasoning: 'calm', actions: [] },
    });
  });

  test('an answer that does not fit fails the run, also when the operator catches it', async () => {
    const rules = `${model} rules: () => ({ actions: 'many' }),`;
    const caught = `try { await ctx.reason({}); } catch {} return [];`;
    for (const body of ['return ctx.reason({});', caught]) {
      expect(failure(await outcome(body, rules))).toMatch(/^reasoning_invalid: answer\.actions: /);
    }
  });

  test('without rules or without a provider it says what is missing', async () => {
    expect(failure(await outcome('return ctx.reason({});'))).toBe(
      "reasoner_unavailable: operator 'probe' ships no rules, and 'router:reasoning' is answered by rules here",
    );
    const { run } = await started(probe('return ctx.reason({});'), {
      reasoning: () => ({ kind: 'unresolved', problem: 'nobody there' }),
    });
    expect(failure(await run())).toBe('reasoner_unavailable: nobody there');
  });
});

describe('what a run may not return', () => {
  test.each([
    ['nothing', 'return undefined;', 'plan_schema: plan is a undefined, which no plan can hold'],
    [
      'a function',
      'return { actions: [() => 1] };',
      'plan_schema: plan.actions.0 is a function, which no plan can hold',
    ],
    ['a date', 'return { actions: [], at: new Date(0) };', 'plan_schema: plan.at is not a plain object'],
    [
      'NaN',
      `return [{ capability: 'point.set', args: { point: 'a', value: 0 / 0 } }];`,
      'bad_number: plan.actions.0.args.value is NaN',
    ],
    [
      'a key that reaches for a prototype',
      `return JSON.parse('{"actions": [], "__proto__": {"polluted": true}}');`,
      'plan_schema: plan.__proto__ is not a key a plan may have',
    ],
    [
      'a depth of 20,000',
      'let deep: any = []; for (let i = 0; i < 20_000; i++) deep = [deep]; return { actions: [deep] };',
      'plan_depth: deeper than 16 levels',
    ],
    [
      'itself',
      'const plan: any = { actions: [] }; plan.actions.push(plan); return plan;',
      'plan_depth: deeper than 16 levels',
    ],
    [
      '10,000 long actions',
      `return Array.from({ length: 10_000 }, (_, i) => ({ capability: 'point.set', args: { point: 'point-' + i, value: 1 } }));`,
      'plan_too_large: larger than 262144 bytes',
    ],
    ['50 MB', `return { reasoning: 'x'.repeat(50_000_000), actions: [] };`, 'plan_too_large: larger than 262144 bytes'],
    [
      'a state of 100 KB',
      `return { actions: [], state: { all: 'x'.repeat(100_000) } };`,
      'state_too_large: state has 100010 bytes, at most 65536',
    ],
  ])('%s', async (_, body, expected) => {
    expect(failure(await outcome(body))).toBe(expected);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('rubbish that is JSON goes on to admission, which rejects it (row 2)', async () => {
    expect(planOf(await outcome('return 42;'))).toBe(42);
    expect(planOf(await outcome(`return { action: 'typo' };`))).toEqual({ action: 'typo' });
  });
});

describe('H3 H4 an operator that tries more', () => {
  const WALL = /^threw: operators may import @fibric\/sdk, zod and files of their own folder, not '/;

  test.each([
    ['fs', `await import('node:fs');`, WALL],
    ['fs without its prefix', `await import('fs');`, WALL],
    ['net', `(await import('node:net')).connect(80, '127.0.0.1');`, WALL],
    ['dns', `await import('node:dns');`, WALL],
    ['child_process', `await import('node:child_process');`, WALL],
    ['worker_threads', `await import('node:worker_threads');`, WALL],
    ['process by import', `await import('node:process');`, WALL],
    ['code in a URL', `await import('data:text/javascript,export default 1');`, WALL],
    ['a file outside', `await import('../../etc/hostname');`, /^threw: /],
    ['the gateway', `await import('@fibric/gateway/runner');`, /^threw: /],
    ['another package', `await import('yaml');`, /^threw: /],
    [
      'fetch',
      `await fetch('http://127.0.0.1/');`,
      /^threw: operators have no network: sense through a capability instead/,
    ],
    ['a signal to the gateway', `process.kill(process.ppid, 'SIGTERM');`, /^threw: process.kill is not a function/],
    ['process.binding', `(process as any).binding('fs');`, /^threw: process.binding is not a function/],
    [
      'getBuiltinModule',
      `(process as any).getBuiltinModule('fs');`,
      /^threw: process.getBuiltinModule is not a function/,
    ],
    ['another user', `process.setuid!(0);`, /^threw: process.setuid is not a function/],
    ['abort', `process.abort();`, /^threw: process.abort is not a function/],
    ['exit', `process.exit(0);`, /^threw: process.exit is not a function/],
    [
      'the real process behind the console',
      `(console as any)._stdout.constructor.prototype.constructor.constructor('return process')().kill(1, 0);`,
      /^threw: .*kill is not a function/,
    ],
  ])('%s is stopped, and the next run goes on (rows 14, 118)', async (_, body, expected) => {
    const { run } = await started(probe(`if (ctx.event.event_type !== 'x') { ${body} } return [];`));
    expect(failure(await run())).toMatch(expected);
    expect(failure(await run())).toMatch(expected);
  });

  test('its environment is empty', async () => {
    expect(planOf(await outcome('return { reasoning: JSON.stringify(process.env), actions: [] };'))).toMatchObject({
      reasoning: '{}',
    });
  });

  test('files of its own folder it may import', async () => {
    const source = `import { twice } from './lib/twice.ts';\n${probe('return { reasoning: String(twice(21)), actions: [] };')}`;
    const folder = operatorFolder(source);
    const { mkdirSync, writeFileSync } = await import('node:fs');
    mkdirSync(`${folder}/lib`);
    writeFileSync(`${folder}/lib/twice.ts`, 'export const twice = (n: number): number => n * 2;');
    const { run } = await started(source, { folder });
    expect(planOf(await run())).toMatchObject({ reasoning: '42' });
  });
});

describe('an operator that breaks its process', () => {
  /** Two runs are handed over; the first does the damage. */
  async function firstOfTwo(
    damage: string,
    deps: Partial<HostDeps> = {},
    wait?: (log: Lines) => Promise<void>,
  ): Promise<readonly string[]> {
    const { host, log } = await started(probe(`if (ctx.event.payload.bad) { ${damage} } return [];`), deps);
    const request = (run_id: string, bad: boolean) => ({
      run_id,
      event: event('zone.motion', { bad }),
      now: NOW,
      sense: async () => ({}),
    });
    const both = Promise.all([host.run(request('run_1', true)), host.run(request('run_2', false))]);
    await wait?.(log);
    return (await both).map(failure);
  }

  test('H9 a throw outside the run is that run’s failure, and the one behind it goes to a new process', async () => {
    const [first, second] = await firstOfTwo(
      `queueMicrotask(() => { throw new Error('stray'); }); await new Promise(() => {});`,
    );
    expect(first).toMatch(/^crashed: its host ended with exit code 1: .*stray/);
    expect(second).toBe('a plan');
  });

  test.each([
    ['objects', 'const kept: object[] = []; for (;;) kept.push({ at: [kept.length] });'],
    ['buffers', 'const kept: object[] = []; for (;;) kept.push(new Uint8Array(16_000_000).fill(1));'],
  ])('H9 memory eaten by %s ends the run (row 14)', async (_, damage) => {
    const [first, second] = await firstOfTwo(damage);
    expect(first).toMatch(/^(out_of_memory: |threw: Array buffer allocation failed)/);
    expect(second).toBe('a plan');
  });

  test.each([
    ['an endless loop', `console.log('hanging'); for (;;);`],
    ['a promise that never resolves', `console.log('hanging'); await new Promise(() => {});`],
  ])('H5 %s ends at the deadline (row 13)', async (_, damage) => {
    const clock = manualClock();
    const results = await firstOfTwo(damage, { clock }, async (log) => {
      await until(() => log.lines.some((line) => line.startsWith('hanging')), 'the hang');
      clock.advance(LIMITS.runDeadlineMs - 1);
      clock.advance(1);
    });
    expect(results).toEqual(['deadline: it did not end within 10s', 'a plan']);
  });

  test('H5 the deadline of a run starts when the one before it has been answered', async () => {
    const clock = manualClock();
    const { host } = await started(probe(`await ctx.sense('points.read'); return [];`), { clock });
    const slow = (run_id: string): Promise<RunResult> =>
      host.run({
        run_id,
        event: event(),
        now: NOW,
        sense: async () => clock.advance(LIMITS.runDeadlineMs * 0.6),
      });
    expect((await Promise.all([slow('run_1'), slow('run_2'), slow('run_3')])).map(failure)).toEqual([
      'a plan',
      'a plan',
      'a plan',
    ]);
  });

  test('a read that nobody waits for does no harm', async () => {
    const { run } = await started(probe(`void ctx.sense('points.read'); return [];`));
    expect((await Promise.all([run(), run(), run()])).map(failure)).toEqual(['a plan', 'a plan', 'a plan']);
  });

  test('H6 rubbish on the wire ends the run, and is never parsed beyond the cap (rows 1, 4)', async () => {
    // The class of the pipes is reachable; with it an operator can write to descriptor 3 what it likes.
    const write = (text: string): string =>
      `const pipe = new (console as any)._stdout.constructor({ fd: 3 }); pipe.write(${text}); await new Promise(() => {});`;
    expect((await firstOfTwo(write(`'rubbish\\n'`)))[0]).toBe('host_rubbish: its host sent something that is not JSON');
    expect((await firstOfTwo(write(`'{"t":"act"}\\n'`)))[0]).toBe(
      'host_rubbish: its host sent something that is not a frame',
    );
    expect((await firstOfTwo(write(`'{"t":"plan","run":"run_2","plan":{},"reasoned":false}\\n'`)))[0]).toBe(
      'host_rubbish: its host spoke out of turn',
    );
    expect(
      (await firstOfTwo(write(`'{"t":"plan","run":"run_1","plan":{"__proto__":{}},"reasoned":false}\\n'`)))[0],
    ).toBe('plan_schema: plan.__proto__ is not a key a plan may have');
    expect((await firstOfTwo(write(`'x'.repeat(1_000_000)`)))[0]).toBe(
      'plan_too_large: more than 327680 bytes in one answer',
    );
  });

  test('too many reads end the run', async () => {
    const [first] = await firstOfTwo(`for (;;) await ctx.sense('points.read');`);
    expect(first).toBe('too_many_reads: more than 1000 reads in one run');
  });

  test('what it prints goes to the log, cut and counted', async () => {
    const { run, log } = await started(
      probe(`console.log('x'.repeat(10_000)); for (let i = 0; i < 1_000; i++) ctx.log('line ' + i); return [];`),
    );
    await run();
    await until(() => log.lines.length >= LIMITS.operatorLines, 'the log');
    await run();
    expect(log.lines.length).toBe(LIMITS.operatorLines);
    expect(Math.max(...log.lines.map((line) => line.length))).toBeLessThan(LIMITS.operatorLineChars + 50);
  });

  test('a host that keeps dying is started again ever more slowly, and stops when asked', async () => {
    const clock = manualClock();
    const { host, run, log } = await started(
      probe(`queueMicrotask(() => { throw new Error('again'); }); await new Promise(() => {});`),
      { clock },
    );
    expect(failure(await run())).toMatch(/^crashed/);
    expect(failure(await run())).toMatch(/^crashed/);
    const third = run();
    // The second death is followed by a pause: nothing happens until the clock moves.
    expect(log.lines.filter((line) => line.startsWith('operator host lost'))).toHaveLength(2);
    clock.advance(250);
    expect(failure(await third)).toMatch(/^crashed/);
    const fourth = run();
    await host.stop();
    expect(failure(await fourth)).toBe('stopped: the gateway is stopping');
    expect(failure(await run())).toBe('stopped: the gateway is stopping');
  });
});

describe('many runs', () => {
  test('H8 are answered once each, in the order they were handed over', async () => {
    const { host } = await started(probe(`await null; return { reasoning: ctx.event.payload.n, actions: [] };`));
    const order: string[] = [];
    await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const result = await host.run({
          run_id: `run_${i}`,
          event: event('zone.motion', { n: String(i) }),
          now: NOW,
          sense: async () => ({}),
        });
        order.push((planOf(result) as { reasoning: string }).reasoning);
      }),
    );
    expect(order).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
  });
});
