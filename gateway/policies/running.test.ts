import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CAPABILITIES } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import type { OperatorSite } from '../config/site.ts';
import { fsck } from '../journal/fsck.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { createPolicies, type Policies } from './running.ts';
import { policyViews } from './view.ts';

const OPEN = 'version: 1\nallow: [hvac.setpoint]\n';
const OTHER = 'version: 1\nallow: [lighting.scene]\n';

/** A folder with a policy, and the processes that decide by it one after the other. */
class House {
  readonly dir = scratchDir();
  readonly alerts: string[] = [];
  files = ['policy.yaml'];
  #epoch = 0;

  write(text: string): void {
    writeFileSync(join(this.dir, 'policy.yaml'), text);
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
    const policy_files = this.files.map((file) => ({ file, path: join(this.dir, file) }));
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
    const site = { operators: [operator], policy_names: new Set(CAPABILITIES.keys()) };
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
