import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@fibric/sdk';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { actionOf, appendApplied, intentOf, planOf } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { idAt } from './entries.ts';
import { fsck } from './fsck.ts';
import { type Journal, openJournal } from './journal.ts';
import { lockFolder } from './lock.ts';

/** A journal with something in every table: episodes, keys for ever, an open intent, operator state, a mode. */
async function folder(fill: (journal: Journal) => void = () => undefined): Promise<string> {
  const dir = scratchDir();
  const journal = openJournal({ dataDir: dir, clock: new VirtualClock(), bootId: 'b', onFailure: () => undefined });
  const boot = { boot_id: 'b', gateway_uid: 'gw', software: '0', site: 's' };
  journal.append({ type: 'boot/1', epoch: 1, ...boot });
  appendApplied(journal);
  appendApplied(journal, { intent_key: 'ship-risk:order:SO-1:hold', occurrence: 'once' });
  const plan_id = idAt('pl', journal.nextSeq);
  const open = actionOf(plan_id, 0, { revision: 2 });
  journal.append({ ...planOf(plan_id, [open]), state: { seen: 1 } });
  journal.append(intentOf(open, 1));
  const modes = { from: 'live', to: 'shadow', site_mode: 'live' } as const;
  journal.append({ type: 'mode/1', operator: 'comfort', operator_uid: 'comfort', ...modes, who: 'cli', reason: null });
  fill(journal);
  await journal.durable();
  journal.close();
  return dir;
}

function tamper(dir: string, sql: string): void {
  const db = new Database(join(dir, 'journal.db'));
  db.exec(sql);
  db.close();
}

const detailsOf = (dir: string): readonly string[] =>
  fsck(dir).findings.map(({ check, detail }) => `${check}: ${detail}`);

describe('fsck', () => {
  it('J5 finds a journal clean whose tables follow from its rows, byte for byte (G-J-1)', async () => {
    const dir = await folder();
    expect(fsck(dir)).toMatchObject({
      clean: true,
      rows: 10,
      receipts: 2,
      open_intents: 1,
      state_rows: 6,
      findings: [],
    });
  });

  it('J5 checks the sealed keys of every full segment as well', async () => {
    const dir = await folder((journal) => {
      for (let i = 0; i < LIMITS.segmentRows / 3 + 1; i++)
        appendApplied(journal, { intent_key: `ship-risk:order:X-${i}:hold`, occurrence: 'once' });
    });
    expect(fsck(dir).clean).toBe(true);
    tamper(dir, 'DELETE FROM sealed_keys WHERE receipt_seq = 7');
    expect(detailsOf(dir)).toEqual(['keys: segment 1 does not hold the key that row 7 consumed']);
    tamper(dir, "UPDATE sealed_keys SET short_fingerprint = 'f2' WHERE receipt_seq = 13");
    expect(detailsOf(dir)).toContain('keys: segment 1 holds the key that row 13 consumed with another fingerprint');
    // One bit too many: it forgets no key, and is not what follows from them.
    tamper(dir, "UPDATE segments SET filter = CAST(x'ff' || substr(filter, 2) AS BLOB)");
    expect(detailsOf(dir)).toContain('keys: the filter of segment 1 is not that of its keys');
    tamper(dir, 'UPDATE segments SET filter = zeroblob(length(filter))');
    expect(detailsOf(dir)).toContain('keys: the filter of segment 1 is not that of its keys');
  });

  it.each([
    [
      'a changed row of state',
      "UPDATE state SET row = '2' WHERE key = 'epoch'",
      'state: meta/epoch is stored as 2, the rows say 1',
    ],
    [
      'a forgotten open action',
      "DELETE FROM state WHERE tab = 'open'",
      'state: open/act_00000008_0 follows from the rows, but is not stored',
    ],
    [
      'an invented episode',
      "INSERT INTO state VALUES ('episode', 'x', '{}')",
      'state: episode/x is stored, but does not follow from the rows',
    ],
    [
      'another outcome',
      "UPDATE dispositions SET outcome = 'failed' WHERE plan_seq = 2",
      'dispositions: act_00000002_0 is stored as failed by row 4, not applied by row 4',
    ],
    [
      'a missing disposition',
      'DELETE FROM dispositions WHERE plan_seq = 2',
      'dispositions: act_00000002_0 has receipt 4, but no disposition',
    ],
    [
      'a disposition of nothing',
      "INSERT INTO dispositions VALUES (99, 0, 100, 'applied')",
      'dispositions: 1 of them belong to no receipt',
    ],
    [
      'a changed journal row (row 98)',
      "DROP TRIGGER entries_no_update; UPDATE entries SET body = replace(body, '21.5', '25.5') WHERE seq = 3",
      'chain: row 3: its content does not match its hash',
    ],
  ])('J5 names %s', async (_, sql, finding) => {
    const dir = await folder();
    tamper(dir, sql);
    expect(detailsOf(dir)).toEqual([finding]);
  });

  it.each([
    ['the header', () => 3, 'file'],
    ['the type of a page', () => 4_096, 'file'],
    ['the words of a row', (bytes: Buffer) => bytes.lastIndexOf('"read back as written"'), 'chain'],
    ['a text beside its row', (bytes: Buffer) => bytes.lastIndexOf('because'), 'openings'],
  ] as const)('names a flipped bit in %s, without falling over (row 98)', async (_, where, check) => {
    const dir = await folder();
    const file = join(dir, 'journal.db');
    const bytes = readFileSync(file);
    const at = where(bytes);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(fsck(dir).findings[0]?.check).toBe(check);
  });

  it('is refused while a gateway has the folder, and without a journal', async () => {
    const dir = await folder();
    const lock = lockFolder(dir);
    expect(() => fsck(dir)).toThrow('another gateway is running');
    lock.release();
    expect(() => fsck(scratchDir())).toThrow('no journal in');
  });
});
