/** Operators that throw, hang, return rubbish or try more than they may: that run has failed, and the gateway and the others go on. */
import { beforeAll, describe, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { HEAD, type RealGateway, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { DESK_FILES, type Line, openLine, tenths } from './desk.ts';

const end = ends();
let line: Line;
let gateway: RealGateway;

interface Bad {
  readonly name: string;
  /** The body of `run`. */
  readonly body: string;
  readonly reason_code: string;
  readonly reason: string | RegExp;
}

const WALL = "operators may import @fibric/sdk, zod and files of their own folder, not '";

const BAD: readonly Bad[] = [
  { name: 'throws', body: `throw new Error('no such luck');`, reason_code: 'threw', reason: 'no such luck' },
  { name: 'hangs', body: `await new Promise(() => {});`, reason_code: 'deadline', reason: 'it did not end within 10s' },
  { name: 'loops', body: `for (;;);`, reason_code: 'deadline', reason: 'it did not end within 10s' },
  { name: 'returns-a-number', body: `return 42;`, reason_code: 'plan_schema', reason: /^plan\.: / },
  {
    name: 'returns-a-function',
    body: `return () => 1;`,
    reason_code: 'plan_schema',
    reason: 'plan is a function, which no plan can hold',
  },
  {
    ...{ name: 'returns-a-typo', reason_code: 'plan_schema', reason: /^plan\./ },
    body: `return { actions: [{ capability: 'hvac.setpoint', argz: {} }] };`,
  },
  {
    name: 'returns-50-mb',
    body: `return { reasoning: 'x'.repeat(50_000_000), actions: [] };`,
    reason_code: 'plan_too_large',
    reason: 'larger than 262144 bytes',
  },
  {
    ...{
      name: 'fetches',
      reason_code: 'threw',
      reason: 'operators have no network: sense through a capability instead',
    },
    body: `await fetch('http://127.0.0.1:1/');`,
  },
  {
    name: 'reads-files',
    body: `(await import('node:fs')).readFileSync('/etc/hostname');`,
    reason_code: 'threw',
    reason: `${WALL}node:fs'`,
  },
  {
    name: 'opens-sockets',
    body: `(await import('node:net')).connect(1);`,
    reason_code: 'threw',
    reason: `${WALL}node:net'`,
  },
  {
    name: 'kills',
    body: `process.kill(process.ppid, 'SIGKILL');`,
    reason_code: 'threw',
    reason: 'process.kill is not a function',
  },
  {
    name: 'eats-memory',
    body: `const all: object[] = []; for (;;) all.push({ n: all.length });`,
    reason_code: 'out_of_memory',
    reason: /MiB of heap/,
  },
  {
    ...{ name: 'dies', reason_code: 'crashed', reason: /^its host ended with exit code 1: .*stray/ },
    body: `queueMicrotask(() => { throw new Error('stray'); }); await new Promise(() => {});`,
  },
];

function operator(name: string, body: string, head = ''): string {
  return `import { defineOperator } from '@fibric/sdk';
${head}
export default defineOperator({
  name: '${name}', goal: 'Test.', requires: ['hvac.setpoint'], trigger: { on: 'ask' },
  async run(ctx) { ${body} },
});
`;
}

/** Operators that do not even load, and why. */
const UNLOADABLE: Readonly<Record<string, readonly [source: string, problem: string]>> = {
  broken: ['export default {{', "operator 'broken': "],
  spy: [
    operator('spy', 'return [];', `import { readFileSync } from 'node:fs';\nvoid readFileSync;`),
    `operator 'spy': ${WALL}node:fs'`,
  ],
};

beforeAll(async () => {
  line = await openLine(end, 1);
  const names = [...BAD.map(({ name }) => name), ...Object.keys(UNLOADABLE), 'sound'];
  gateway = await startGateway(end, {
    ...DESK_FILES,
    ...Object.fromEntries(BAD.map(({ name, body }) => [`operators/${name}/operator.ts`, operator(name, body)])),
    ...Object.fromEntries(
      Object.entries(UNLOADABLE).map(([name, [source]]) => [`operators/${name}/operator.ts`, source]),
    ),
    'operators/sound/operator.ts': operator(
      'sound',
      `return ctx.propose([{ capability: 'hvac.setpoint', args: { zone: '1', celsius: 22 } }], 'asked');`,
    ),
    'site.yaml': `${HEAD}
profiles: ./profiles
connections: { line: { driver: modbus, url: 'tcp://127.0.0.1:${line.port}' } }
devices: [{ id: unit-1, connection: line, unit: 1, profile: quick, entity: 'zone:1' }]
bindings: { hvac.setpoint: [line] }
operators:
${names.map((name) => `  ${name}: { mode: live, path: ./operators/${name}, policy: ./puppet/policy.yaml }`).join('\n')}
`,
  });
  await waitFor('the device', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
});

describe.concurrent('an operator that', { timeout: 60_000 }, () => {
  test.for(BAD)('$name: the run has failed with $reason_code', async ({ name, reason_code, reason }, { expect }) => {
    const run = await gateway.run(name);
    expect(run.failure).toEqual({
      reason_code,
      reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
    });
    expect(run).toMatchObject({ plan_id: null, receipts: [], awaiting: [] });
    const said = await waitFor('the line in the log', () => gateway.log.find((one) => one['run_id'] === run.run_id));
    expect(said).toMatchObject({
      level: 'warn',
      operator: name,
      reason_code,
      msg: expect.stringMatching(/^run (failed|rejected): /),
    });
    // It is woken again as if nothing had been.
    if (reason_code !== 'deadline') expect((await gateway.run(name)).failure?.reason_code).toBe(reason_code);
  });

  test.for(Object.entries(UNLOADABLE))(
    'cannot be loaded (%s) is shown as such',
    async ([name, [, problem]], { expect }) => {
      const shown = await gateway.operator(name);
      expect(shown.problem).toContain(problem);
      const { code, err } = await gateway.fibric('operators', 'run', name, '--once');
      expect(err).toContain(problem);
      expect(code).toBe(1);
      expect((await gateway.request('/readyz')).text).toContain(`operator ${name}: `);
    },
  );
});

test('the command says that a run has failed, with exit code 1', async () => {
  const { code, out } = await gateway.fibric('operators', 'run', 'throws', '--once');
  expect(out).toContain('threw: no such luck');
  expect(code).toBe(1);
});

test('after all of that the gateway is the same process, a sound operator acts, and the journal proves', async () => {
  expect(gateway.running).toBe(true);
  const { failure, receipts } = await gateway.run('sound');
  expect([failure, receipts]).toMatchObject([null, [{ outcome: 'applied', readback: [{ value: 22 }] }]]);
  expect(line.unit.get('holding', 0)).toBe(tenths(22));
  expect((await gateway.fibric('receipts', 'verify')).out).toMatch(/^proved: \d+ rows, 1 receipt, /);
});
