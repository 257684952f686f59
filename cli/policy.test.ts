import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bench, emptyFolder, fibric, startBench } from './harness.ts';

/** A file of a folder of its own. */
function written(text: string, name = 'policy.yaml'): string {
  const file = join(emptyFolder(), name);
  writeFileSync(file, text);
  return file;
}

const BLINDS = `description: Blinds.
driver: modbus
points: { position: { table: holding, address: 7, base: 0, type: uint16, access: read_write } }
tools:
  blinds.position:
    effect: absolute_set
    input: { zone: name, percent: { number: { min: 0, max: 100 } } }
    entity: 'zone:{zone}'
    writes: { position: percent }
    verify: {}
`;

const SITE = `site: { tenant: t_local, name: X, timezone: Europe/Stockholm }
profiles: .
connections: { plc: { driver: modbus, url: 'tcp://127.0.0.1:1' } }
devices: [{ id: blind-1, connection: plc, unit: 1, profile: blinds, entity: 'zone:1' }]
bindings: { blinds.position: [plc] }
operators: { comfort: { policy: ./policy.yaml } }
`;

describe('policy check', () => {
  test('names every finding with its line and column, exit 2 (row 16)', async () => {
    const file = written('version: 1\nallow: [hvac.setpont]\nlimits:\n  hvac.setpoint: { max_per_runs: 3 }\n');
    const found = [
      `${file}:2:9: allow[0]: unknown capability 'hvac.setpont'; did you mean 'hvac.setpoint'?`,
      `${file}:4:20: limits.hvac.setpoint: unknown key 'max_per_runs'; did you mean 'max_per_run'?`,
    ];
    expect(await fibric(['policy', 'check', file])).toEqual({
      code: 2,
      out: `${found.join('\n')}\n`,
      err: '2 findings: it is not used; mend each at the line it names\n',
    });
    const json = JSON.parse((await fibric(['policy', 'check', file, '--json'])).out);
    expect(json).toMatchObject({
      valid: false,
      policies: [],
      findings: [
        { line: 2, column: 9 },
        { line: 4, column: 20 },
      ],
    });
  });

  test('shows the hash of one that is valid, and what to look at twice', async () => {
    const good = await fibric(['policy', 'check', written('version: 1\nallow: [hvac.setpoint]\n')]);
    expect(good).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^policy {2}1 rule, hash [0-9a-f]{12}\n$/),
      err: 'valid\n',
    });
    const wide = written('version: 1\nallow: ["hvac.*"]\n');
    expect(await fibric(['policy', 'check', wide])).toMatchObject({
      code: 0,
      out: expect.stringContaining(
        `${wide}:2:9: allow[0]: 'hvac.*' also permits what is added later: name each capability (warning)`,
      ),
      err: 'valid, with 1 warning\n',
    });
  });

  test('of a site checks every policy of it, by what its own profiles can do', async () => {
    const site = written(SITE, 'site.yaml');
    writeFileSync(join(site, '..', 'blinds.yaml'), BLINDS);
    const policy = join(site, '..', 'policy.yaml');
    writeFileSync(policy, 'version: 1\nallow: [blinds.position]\n');
    expect(await fibric(['policy', 'check', site])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^policy of comfort {2}1 rule/),
    });
    expect(await fibric(['policy', 'check', policy, '--site', site])).toMatchObject({ code: 0 });
    expect(await fibric(['policy', 'check', policy])).toMatchObject({
      code: 2,
      out: expect.stringContaining("unknown capability 'blinds.position'"),
    });
    writeFileSync(policy, '');
    expect(await fibric(['policy', 'check', site])).toMatchObject({
      code: 2,
      out: expect.stringContaining(`${policy}:1:1`),
    });
  });

  test('says so of a file that is not there', async () => {
    const { code, out } = await fibric(['policy', 'check', '/nowhere/policy.yaml']);
    expect([code, out]).toEqual([2, '/nowhere/policy.yaml:1:1: there is no such file\n']);
  });
});

describe('policy test', () => {
  const RULES = `version: 1
rules:
  - id: rooms
    match: { capability: hvac.setpoint, entity: 'zone:*' }
    decision: ALLOW
    constraints:
      range: { arg: celsius, min: 16, max: 26, unit: degC, on_exceed: clamp }
      step: { max: 3 }
      windows: [{ days: mon-fri, from: '06:00', to: '20:00' }]
      override: { hold: 4h }
      quantity: { per_window: { count: 2, window: 1h } }
      pair: { heat: setpoint, cool: cool_sp, min_gap: 2 }
      interlocks: [{ point: 'zone:{id}/window_open', must_be: false, max_age: 2m }]
`;
  const usual = `operator: comfort, capability: hvac.setpoint, entity: 'zone:1', writes: { setpoint: celsius }, current: 20`;
  const shut = `'zone:1/window_open': false, 'zone:1/cool_sp': { value: 26, age: 1m }`;
  const wish = (name: string, over: string, expected: string, points = shut, celsius = 22): string =>
    `  - { name: ${name}, ${usual}, args: { zone: '1', celsius: ${celsius} }, points: { ${points} }, ${over} expect: { ${expected} } }\n`;

  function casesOf(...cases: readonly string[]): string {
    const file = written(`policy: [./policy.yaml]\ncases:\n${cases.join('')}`, 'cases.yaml');
    writeFileSync(join(file, '..', 'policy.yaml'), RULES);
    return file;
  }

  test('says of each case whether it holds, by the gates that decide on the box (G-PS-6)', async () => {
    const file = casesOf(
      wish('usual', '', 'decision: ALLOW, rule: rooms'),
      wish(
        'clamped',
        'current: 25,',
        'decision: ALERT, args: { celsius: 26 }',
        "'zone:1/window_open': false, 'zone:1/cool_sp': 30",
        27,
      ).replace('current: 20, ', ''),
      wish('far', '', 'decision: BLOCK, reason_code: step_exceeded', shut, 24),
      wish('at night', 'at: wed 22:00,', 'decision: BLOCK, reason_code: outside_window'),
      wish('at an unknown hour', 'clock: untrusted,', 'decision: BLOCK, reason_code: clock_untrusted'),
      wish('set by hand', 'hand: 1h,', 'decision: BLOCK, reason_code: override_hold'),
      wish('a third time', 'sent: [5m, 50m],', 'decision: BLOCK, reason_code: rate_limited'),
      wish(
        'a window that is open',
        '',
        'decision: BLOCK, reason_code: interlock_tripped',
        "'zone:1/window_open': true, 'zone:1/cool_sp': 26",
      ),
      wish('nobody knows of the window', '', 'decision: BLOCK, reason_code: interlock_tripped', "'zone:1/cool_sp': 26"),
      wish(
        'crossing',
        '',
        'decision: BLOCK, reason_code: pair_crossed',
        "'zone:1/window_open': false, 'zone:1/cool_sp': 23",
      ),
    );
    const { code, out, err } = await fibric(['policy', 'test', file]);
    expect([out.split('\n').filter((text) => !text.startsWith('ok ')), code, err]).toEqual([
      [''],
      0,
      '10 cases, all hold\n',
    ]);
  });

  test('shows what was expected, what came instead and why, exit 1', async () => {
    const file = casesOf(
      wish('usual', '', 'decision: ALLOW'),
      wish('far', '', 'decision: ALLOW, rule: rooms', shut, 24),
    );
    const { code, out, err } = await fibric(['policy', 'test', file]);
    expect([code, err]).toEqual([1, '1 of 2 cases do not hold\n']);
    expect(out).toContain('ok  usual\nfailed  far\n    decision is "BLOCK", expected "ALLOW"\n');
    expect(out).toContain('(step_exceeded, rule');
    const json = JSON.parse((await fibric(['policy', 'test', file, '--json'])).out);
    expect(json).toMatchObject({ object: 'policy_test', failed: 1, results: [{ holds: true }, { holds: false }] });
  });

  test('names every finding of the file, and of the policy that it is about, exit 2', async () => {
    const file = casesOf(
      wish('usual', 'hands: now,', 'decision: PERHAPS').replace(
        'writes: { setpoint: celsius }',
        'writes: { setpoint: kelvin }',
      ),
    );
    const bad = await fibric(['policy', 'test', file]);
    expect([bad.code, bad.err]).toEqual([2, expect.stringContaining('it cannot be tried')]);
    expect(bad.out).toContain("unknown key 'hands'");
    expect(bad.out).toMatch(/expect\.decision: .*ALLOW/);
    const other = casesOf(wish('usual', '', 'decision: ALLOW'));
    writeFileSync(join(other, '..', 'policy.yaml'), 'version: 2\n');
    expect(await fibric(['policy', 'test', other])).toMatchObject({
      code: 2,
      out: expect.stringContaining('policy.yaml:1:'),
    });
    expect((await fibric(['policy', 'test', '/nowhere/cases.yaml'])).code).toBe(4);
  });
});

describe('policy sign', () => {
  const KEY = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

  test('writes a signature that a site with the key takes; a changed file is refused until it is signed again (row 27)', async () => {
    const policy = written('version: 1\nallow: [hvac.setpoint]\n');
    const key = written(KEY, 'key.pem');
    const first = await fibric(['policy', 'sign', policy, '--key', key]);
    expect(first).toMatchObject({
      code: 0,
      out: expect.stringMatching(/policy\.yaml\.sig {2}version 1, key [0-9a-f]{16}\n$/),
    });
    const publicKey = /policy_keys: \['(.*)'\]/.exec(first.err)?.[1] ?? '';
    const gateway = `gateway: { policy_keys: ['${publicKey}'] }`;
    const site = written(
      `site: { tenant: t_local, name: X, timezone: UTC }\n${gateway}\noperators: { comfort: { policy: ${policy} } }\n`,
      'site.yaml',
    );
    expect(await fibric(['policy', 'check', site])).toMatchObject({ code: 0, err: 'valid\n' });

    writeFileSync(policy, 'version: 1\nallow: [lighting.scene]\n');
    for (const check of [['policy', 'check'], ['validate']])
      expect(await fibric([...check, site])).toMatchObject({
        code: 2,
        out: expect.stringContaining('policy_signature: it was changed after it was signed'),
      });
    const again = await fibric(['policy', 'sign', policy, '--key', key, '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ counter: 2, public_key: publicKey });
    expect(await fibric(['validate', site])).toMatchObject({ code: 0 });
  });

  test('says what it cannot do: no key, a key of another kind, no file, an older version', async () => {
    const policy = written('version: 1\nallow: []\n');
    const key = written(KEY, 'key.pem');
    const other = generateKeyPairSync('ed448').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { code, err } = await fibric(['policy', 'sign', ...args]);
      expect(code).toBe(2);
      return err;
    };
    expect(await refused(policy)).toContain('--key <file>');
    expect(await refused(policy, '--key', written(other, 'key.pem'))).toContain('is not an Ed25519 private key as PEM');
    expect(await refused('/nowhere', '--key', key)).toContain('/nowhere');
    await fibric(['policy', 'sign', policy, '--key', key, '--counter', '5']);
    expect(await refused(policy, '--key', key, '--counter', '4')).toContain('version 5 already');
  });
});

describe('a running gateway', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await startBench();
  });
  afterAll(() => bench.close());

  const finding = "policy.yaml:7:3: limits.hvac.setpoint: unknown key 'max_per_runs'; did you mean 'max_per_run'?";

  test('lists what decides, and status shows why that is not what stands in the files', async () => {
    expect((await bench.here('policy', 'ls')).out).toMatch(
      /comfort +kept +c{12} +2 +2026-07-02 08:00:00Z +site file +policy.yaml +1/,
    );
    expect(JSON.parse((await bench.here('policy', 'ls', '--json')).out)).toMatchObject({
      object: 'policy',
      state: 'kept',
    });
    const { out } = await bench.here('status');
    expect(out).toContain(`comfort kept ${'c'.repeat(12)}: goes on, as the files have findings`);
    expect(out).toContain(finding);
    expect((await bench.here('doctor')).out).toContain(
      `BAD  policy of comfort: refused, the last good one goes on: ${finding}`,
    );
  });

  test('reads the policies again in the name of a person, and exits with 2 when one is refused', async () => {
    expect(await bench.here('policy', 'reload')).toMatchObject({ code: 2, err: expect.stringContaining('--as <who>') });
    const { code, out } = await bench.here('policy', 'reload', '--as', 'site-lead');
    expect([code, out]).toEqual([2, expect.stringContaining(finding)]);
    expect(bench.view.modeChanges).toContain('site-lead read the policies again');
  });

  test('explains which rule would decide and why; exit 3 when that is a block', async () => {
    const may = await bench.here(
      'policy',
      'explain',
      'hvac.setpoint',
      'zone:412',
      '--value',
      '21.5',
      '--arg',
      'mode=heat',
    );
    expect(may).toEqual({
      code: 0,
      out: "ALLOW: rule 'comfort-setpoint' permits it.\nBeside the rules, now: floor holds a lease on it (leased, stage lease).\n",
      err: `policy ${'c'.repeat(12)}, comfort is live, asked as at the head of the lane\n`,
    });
    const not = await bench.here(
      'policy',
      'explain',
      'hvac.setpoint',
      'zone:412',
      '--value',
      '30',
      '--operator',
      'comfort',
      '--json',
    );
    expect([not.code, JSON.parse(not.out)]).toMatchObject([
      3,
      { decision: 'BLOCK', value: 30, args: {}, entity_key: 'zone:412' },
    ]);
  });

  test.for([
    ['an operator that is not there', ['hvac.setpoint', '--operator', 'floor'], 4, "no operator 'floor'"],
    ['an entity that is none', ['hvac.setpoint', '412'], 2, 'expected kind:id, such as zone:412'],
    ['an argument that is none', ['hvac.setpoint', '--arg', 'celsius'], 2, '--arg celsius: expected name=value'],
    ['a value that is no number', ['hvac.setpoint', '--value', '0x20'], 2, 'expected a number'],
  ] as const)('says what is wrong with %s', async ([, words, code, says]) => {
    expect(await bench.here('policy', 'explain', ...words)).toMatchObject({ code, err: expect.stringContaining(says) });
  });
});
