import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CAPABILITIES } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { keyId, signatureOf } from '../config/policy-signature.ts';
import type { OperatorSite } from '../config/site.ts';
import { fsck } from '../journal/fsck.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { newKey, type Signer, signerFrom } from '../proof/ed25519.ts';
import { createPolicies, type Policies } from './running.ts';
import { policyViews } from './view.ts';

const OPEN = 'version: 1\nallow: [hvac.setpoint]\n';
const OTHER = 'version: 1\nallow: [lighting.scene]\n';

/** A folder with a policy, and the processes that decide by it one after the other. */
class House {
  readonly dir = scratchDir();
  readonly alerts: string[] = [];
  files = ['policy.yaml'];
  keys: readonly string[] = [];
  shipped = false;
  #epoch = 0;

  /** The policy, and with a signer its signature; the signature that is there stays without. */
  write(text: string, signer?: Signer, counter = 1): void {
    writeFileSync(join(this.dir, 'policy.yaml'), text);
    if (signer) writeFileSync(join(this.dir, 'policy.yaml.sig'), signatureOf(Buffer.from(text), signer, counter));
  }

  /** Something else in the signature file. */
  edit(change: Readonly<Record<string, unknown>>): void {
    const file = join(this.dir, 'policy.yaml.sig');
    const before = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...before, ...change }));
  }

  forge(text: string, signer: Signer, key: string): void {
    this.write(text, signer);
    this.edit({ key });
  }

  /** One process, up to its end. */
  async run<T>(live: (policies: Policies, journal: Journal) => T): Promise<T> {
    const bootId = `b${++this.#epoch}`;
    const journal = openJournal({ dataDir: this.dir, clock: new VirtualClock(), bootId, onFailure: () => undefined });
    journal.append({
      type: 'boot/1',
      epoch: this.#epoch,
      boot_id: bootId,
      gateway_uid: 'gw',
      software: '0',
      site: 's',
    });
    const { shipped } = this;
    const policy_files = this.files.map((file) => ({ name: file, file, path: join(this.dir, file), shipped }));
    const operator: OperatorSite = {
      name: 'comfort',
      uid: 'op_1',
      folder: '',
      mode: 'live',
      policy_files,
      settings: {},
    };
    const log = {
      info: () => undefined,
      warn: () => undefined,
      error: (_: object, text: string) => void this.alerts.push(text),
    };
    const site = { operators: [operator], policy_names: new Set(CAPABILITIES.keys()), policy_keys: this.keys };
    try {
      return await live(createPolicies({ site, journal, log }), journal);
    } finally {
      await journal.durable();
      journal.close();
    }
  }

  rules(): Promise<readonly string[] | null> {
    return this.run((policies) => rulesOf(policies));
  }
}

const rulesOf = (policies: Policies): readonly string[] | null =>
  policies.of('op_1')?.rules.map(({ id }) => id) ?? null;

const BAD = [
  [
    'an unknown key (row 16)',
    (house: House) => house.write('version: 1\nlimits: { hvac.setpoint: { max_per_runs: 3 } }\n'),
  ],
  ['an unknown version (row 16)', (house: House) => house.write('version: 2\nallow: [hvac.setpoint]\n')],
  ['a key twice (row 16)', (house: House) => house.write('version: 1\nallow: []\nallow: [hvac.setpoint]\n')],
  ['nothing in it (row 15)', (house: House) => house.write('')],
  ['no file (row 15)', (house: House) => rmSync(join(house.dir, 'policy.yaml'), { force: true })],
] as const;

describe('a policy with', () => {
  it.for(BAD)(
    'P7 %s is refused, alerts, and leaves the last good one deciding, also after a restart',
    async ([, spoil]) => {
      const house = new House();
      house.write(OPEN);
      const [before, after] = await house.run(async (policies) => {
        const hash = policies.of('op_1')?.hash;
        spoil(house);
        await policies.reload('site-lead');
        expect(policyViews(policies.all())[0]).toMatchObject({
          state: 'kept',
          hash,
          findings: [{ line: expect.any(Number) }],
        });
        return [hash, policies.of('op_1')?.hash];
      });
      expect(after).toBe(before);
      expect(house.alerts).toEqual([
        expect.stringMatching(/^alert: the policy of comfort is refused; policy [0-9a-f]{12} goes on$/),
      ]);
      expect(await house.rules()).toEqual(['hvac.setpoint']);
    },
  );

  it.for(BAD)('P7 %s blocks everything where there was none before', async ([, spoil]) => {
    const house = new House();
    spoil(house);
    expect(await house.rules()).toBeNull();
    expect(house.alerts).toEqual(['alert: the policy of comfort is refused; everything it proposes is blocked']);
  });
});

describe('a running policy', () => {
  it('P8 is in the journal with its content, its source and who activated it; once, however often it is read', async () => {
    const house = new House();
    house.write(OPEN);
    await house.rules();
    const rows = await house.run(async (policies, journal) => {
      await policies.reload('site-lead');
      house.write(OTHER);
      const before = journal.nextSeq;
      await policies.reload('site-lead');
      await policies.reload('site-lead');
      return [before, journal.nextSeq, journal.projection.policies.rows.get('op_1')] as const;
    });
    expect(rows[1]).toBe(rows[0] + 1);
    expect(rows[2]).toMatchObject({
      operator: 'comfort',
      seq: rows[0],
      who: 'site-lead',
      text: expect.stringContaining('"id":"lighting.scene"'),
      sources: [{ file: 'policy.yaml', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
    expect(fsck(house.dir)).toMatchObject({ clean: true });
  });

  it('ends when the site names none any more, and then nothing is left of it', async () => {
    const house = new House();
    house.write(OPEN);
    await house.rules();
    house.files = [];
    expect(await house.rules()).toBeNull();
    house.write('version: 1\nallow: [hvac.setpont]\n');
    house.files = ['policy.yaml'];
    expect(await house.rules()).toBeNull();
  });

  it('P7 that came with the product does not change with it until a person accepts the change (G-PS-8)', async () => {
    const house = new House();
    house.shipped = true;
    house.write(OPEN);
    expect(await house.rules()).toEqual(['hvac.setpoint']);
    house.write('version: 1\nallow: [hvac.setpoint, hvac.mode]\n');
    const [kept, accepted] = await house.run(async (policies) => [
      policyViews(policies.all())[0],
      policyViews(await policies.reload('site-lead'))[0],
    ]);
    expect(kept).toMatchObject({
      state: 'kept',
      rules: 1,
      findings: [{ message: expect.stringContaining('`fibric policy reload`') }],
    });
    expect(accepted).toMatchObject({ state: 'active', rules: 2, activated: { who: 'site-lead' } });
    expect(await house.rules()).toEqual(['hvac.setpoint', 'hvac.mode']);
  });

  it('that is longer than a row may be is refused', async () => {
    const house = new House();
    const rule = (i: number) =>
      `  - { id: r${i}-${'x'.repeat(90)}, match: { capability: hvac.setpoint }, decision: ALLOW }`;
    house.write(`version: 1\nrules:\n${Array.from({ length: 1_500 }, (_, i) => rule(i)).join('\n')}\n`);
    const [view] = await house.run((policies) => policyViews(policies.all()));
    expect(view).toMatchObject({
      state: 'none',
      findings: [{ message: expect.stringContaining('in canonical form') }],
    });
  });
});

describe('where a site names the keys that it trusts', () => {
  const [ours, theirs] = [signerFrom(newKey()), signerFrom(newKey())];
  const keys = [ours.publicKey.toString('base64')];

  function signed(text: string, signer: Signer, counter: number): House {
    const house = new House();
    house.keys = keys;
    house.write(text, signer, counter);
    return house;
  }

  const findingOf = (house: House): Promise<string | undefined> =>
    house.run((policies) => policyViews(policies.all())[0]?.findings[0]?.message);

  it('P9 a policy that one of them signed counts, and the row says who signed which version (row 27)', async () => {
    const house = signed(OPEN, ours, 3);
    expect(await house.rules()).toEqual(['hvac.setpoint']);
    const [source] = await house.run((policies) => policies.all()[0]?.active?.sources ?? []);
    expect(source).toMatchObject({ file: 'policy.yaml', key: keyId(ours.publicKey), counter: 3 });
  });

  it.for([
    [
      'without a signature',
      (house: House) => rmSync(join(house.dir, 'policy.yaml.sig')),
      'this site takes only signed policies',
    ],
    [
      'by a key that is not one of them',
      (house: House) => house.write(OPEN, theirs, 1),
      'which this site does not trust',
    ],
    ['and changed since', (house: House) => house.write(OTHER), 'it was changed after it was signed'],
    [
      'as another version than it says',
      (house: House) => house.edit({ counter: 9 }),
      'its signature is not one of the key',
    ],
    [
      'by their key under our name',
      (house: House) => house.forge(OPEN, theirs, keyId(ours.publicKey)),
      'its signature is not one of the key',
    ],
    ['in a form that is not known', (house: House) => house.edit({ form: 'x' }), 'expected fibric-policy-signature/1'],
  ] as const)('P9 one that is signed %s is refused: policy_signature (row 27)', async ([, spoil, why]) => {
    const house = signed(OPEN, ours, 1);
    spoil(house);
    expect(await findingOf(house)).toContain(why);
    expect(await house.rules()).toBeNull();
  });

  it('P9 an older version again is refused, also after a restart: policy_rollback (row 27)', async () => {
    const house = signed(OPEN, ours, 4);
    await house.rules();
    house.write(OTHER, ours, 5);
    expect(await house.rules()).toEqual(['lighting.scene']);
    house.write(OPEN, ours, 4);
    expect(await findingOf(house)).toBe(
      'policy_rollback: it is signed as version 4, and version 5 has counted: sign it as a later one',
    );
    house.write(OPEN, ours, 5);
    expect(await findingOf(house)).toContain('policy_rollback');
    expect(await house.rules()).toEqual(['lighting.scene']);
    // A version is not forgotten when the file is not used for a while.
    house.files = [];
    await house.rules();
    house.files = ['policy.yaml'];
    house.write(OPEN, ours, 4);
    expect(await house.rules()).toBeNull();
    house.write(OPEN, ours, 6);
    expect(await house.rules()).toEqual(['hvac.setpoint']);
    expect(fsck(house.dir)).toMatchObject({ clean: true });
  });

  it('P9 a key that is trusted no more takes what it signed with it (row 27)', async () => {
    const house = signed(OPEN, ours, 1);
    await house.rules();
    house.keys = [theirs.publicKey.toString('base64')];
    expect(await house.rules()).toBeNull();
    house.write(OPEN, theirs, 2);
    expect(await house.rules()).toEqual(['hvac.setpoint']);
  });

  it('P9 what counted before there were keys does not go on unsigned', async () => {
    const house = new House();
    house.write(OPEN);
    await house.rules();
    house.keys = keys;
    expect(await house.rules()).toBeNull();
  });
});
