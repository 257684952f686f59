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
