import fc from 'fast-check';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LIMITS } from '@fibric/sdk';
import { scratchDir } from '../../test/support/scratch.ts';
import { actionOf, appendApplied, intentOf, planOf, receiptOf } from '../../test/support/rows.ts';
import { settled, VirtualClock } from '../../test/support/virtual-clock.ts';
import { canonicalOf, canonicalText } from './canonical.ts';
import { idAt } from './entries.ts';
import { fsck } from './fsck.ts';
import { type Journal, openJournal } from './journal.ts';
import { lockFolder } from './lock.ts';
import { Projection } from './projection.ts';
import { openJournalReader } from './reader.ts';
import { openDatabase } from './schema.ts';
import { rowsAfter } from './store.ts';

function open(dataDir: string, onFailure: (error: Error) => void = () => undefined): Journal {
  const journal = openJournal({ dataDir, clock: new VirtualClock(), bootId: 'boot-1', onFailure });
  onTestFinished(() => journal.close());
  return journal;
}

function openJournalAgain(journal: Journal, dir: string): Journal {
  journal.close();
  return open(dir);
}

function boot(journal: Journal): void {
  journal.append({
    type: 'boot/1',
    epoch: journal.epoch + 1,
    boot_id: 'boot-1',
    gateway_uid: 'gw',
    software: '0',
    site: 's',
  });
}

describe('the journal', () => {
  it('J1 chains every row to the one before and proves it', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    for (let revision = 1; revision <= 5; revision++) appendApplied(journal, { revision });
    await journal.durable();
    const reader = openJournalReader(dir);
    expect(reader.verify()).toMatchObject({ kind: 'proved', rows: 16, receipts: 5, open_intents: 0 });
    reader.close();
  });

  it('J1 lets a key that a person freed take effect once more, and finds a correction of what nobody asked about', async () => {
    const said = { who: 'duty-engineer', method: 'local_token', reason: 'looked' } as const;
    const walk = async (
      conclusion: 'confirmed_applied' | 'confirmed_not_applied',
      over: { action_id?: string } = {},
    ) => {
      const dir = scratchDir();
      const journal = open(dir);
      boot(journal);
      const plan_id = idAt('pl', journal.nextSeq);
      const action = actionOf(plan_id, 0, { intent_key: 'floor:gate:B:pulse', occurrence: 'once' });
      journal.append(planOf(plan_id, [action]));
      journal.append(intentOf(action, journal.epoch));
      journal.append(receiptOf(action, 'unknown', journal.epoch));
      const { action_id, idempotency_key } = action;
      const receipt_id = idAt('rc', 4);
      journal.append({ type: 'correction/1', action_id, idempotency_key, ...said, receipt_id, conclusion, ...over });
      appendApplied(journal, { intent_key: 'floor:gate:B:pulse', occurrence: 'once' });
      await journal.durable();
      const reader = openJournalReader(dir);
      onTestFinished(() => reader.close());
      return reader.verify();
    };
    expect(await walk('confirmed_not_applied')).toMatchObject({ kind: 'proved' });
    expect(await walk('confirmed_applied')).toMatchObject({
      ...{ kind: 'tampered', seq: 8, reason: 'key floor:gate:B:pulse@once#1 took effect a second time' },
    });
    expect(await walk('confirmed_applied', { action_id: 'act_other_0' })).toMatchObject({ seq: 5 });
  });

  it('J2 goes on beside a reader that does not come to an end, and its log is short again afterwards (row 102)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    await journal.durable();
    const wal = (): number => statSync(join(dir, 'journal.db-wal')).size;
    const stuck = new Database(join(dir, 'journal.db'), { readonly: true });
    const rows = stuck.prepare('SELECT seq FROM entries').iterate();
    rows.next();
    const write = async (): Promise<void> => {
      const plan_id = idAt('pl', journal.nextSeq);
      journal.append({ ...planOf(plan_id, []), reasoning: 'x'.repeat(60_000) });
      await journal.durable();
    };
    const limit = 64 * 1024 * 1024;
    while (wal() <= limit + 1024 * 1024) await write();
    rows.return?.();
    stuck.close();
    for (let i = 0; i < 3 && wal() > limit; i++) await write();
    expect(wal()).toBeLessThanOrEqual(limit);
    expect(openJournalReader(dir).verify()).toMatchObject({ kind: 'proved' });
  });

  it('J1 refuses UPDATE and DELETE by SQL (G-R-13, row 110)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    await journal.durable();
    const db = new Database(join(dir, 'journal.db'));
    expect(() => db.exec("UPDATE entries SET body = '{}'")).toThrow('journal rows are never changed');
    expect(() => db.exec('DELETE FROM entries')).toThrow('journal rows are never deleted');
    db.close();
  });

  it('J1 names the first bad row when a row was altered behind its back (row 103)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    for (let revision = 1; revision <= 3; revision++) appendApplied(journal, { revision });
    journal.close();
    const db = new Database(join(dir, 'journal.db'));
    db.exec('DROP TRIGGER entries_no_update');
    db.exec("UPDATE entries SET body = replace(body, '21.5', '25.5') WHERE seq = 4");
    db.close();
    const reader = openJournalReader(dir);
    expect(reader.verify()).toEqual({ kind: 'tampered', seq: 4, reason: 'its content does not match its hash' });
    reader.close();
    expect(() => open(dir)).toThrow('journal row 4: its content does not match its hash');
  });

  it('J2 has everything it acknowledged when it is opened again, and nothing that was only on its way', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    const action = appendApplied(journal);
    await journal.durable();
    const reader = openJournalReader(dir);
    journal.append(planOf(idAt('pl', journal.nextSeq), []));
    expect(reader.head()).toBe(4);
    expect(reader.receipts({ limit: 10 })).toHaveLength(1);
    expect(reader.plans({ limit: 10 })[0]).toMatchObject({ plan_id: action.plan_id, status: 'executed' });
    reader.close();
  });

  it('J2 puts everything appended in one turn into one commit', async () => {
    const journal = open(scratchDir());
    const before = journal.commits;
    const waits = Array.from({ length: 64 }, (_, i) => {
      appendApplied(journal, { intent_key: `comfort:zone:${i}:setpoint` });
      return journal.durable();
    });
    await Promise.all(waits);
    expect(journal.commits - before).toBe(1);
  });

  it('J2 keeps a commit for the rows of reads under way, so that actions that come together share one', async () => {
    const journal = open(scratchDir());
    boot(journal);
    await journal.durable();
    const before = journal.commits;
    const reads = [1, 2, 3].map(() => Promise.withResolvers<void>());
    const actions = reads.map(async ({ promise }, i) => {
      await journal.gather(promise);
      appendApplied(journal, { intent_key: `comfort:zone:${i}:setpoint` });
      return journal.durable();
    });
    for (const { resolve } of reads) {
      await settled();
      expect(journal.commits).toBe(before);
      resolve();
    }
    await Promise.all(actions);
    expect(journal.commits - before).toBe(1);
  });

  it('J2 keeps it for a moment only: a device that does not answer holds nobody up', async () => {
    const clock = new VirtualClock();
    const journal = openJournal({ dataDir: scratchDir(), clock, bootId: 'boot-1', onFailure: () => undefined });
    onTestFinished(() => journal.close());
    const silent = Promise.withResolvers<void>();
    const never = journal.gather(silent.promise);
    boot(journal);
    const durable = journal.durable();
    await clock.advance(LIMITS.gatherMs - 1);
    expect(journal.commits).toBe(0);
    await clock.advance(1);
    await durable;
    expect(journal.commits).toBe(1);
    silent.resolve();
    await never;
  });

  it('J3 acknowledges nothing after a failed commit and says so once', async () => {
    const dir = scratchDir();
    const failures: Error[] = [];
    const journal = open(dir, (error) => failures.push(error));
    boot(journal);
    await journal.durable();
    const other = new Database(join(dir, 'journal.db'));
    other.exec('DROP TABLE dispositions');
    other.close();
    appendApplied(journal);
    await expect(journal.durable()).rejects.toThrow('the journal cannot be written');
    expect(() => appendApplied(journal)).toThrow('the journal cannot be written');
    await expect(journal.durable()).rejects.toThrow('the journal cannot be written');
    expect(failures).toHaveLength(1);
  });

  it('J4 refuses a second receipt for one action', async () => {
    const journal = open(scratchDir());
    const action = appendApplied(journal);
    await journal.durable();
    journal.append(receiptOf(action, 'failed', 1));
    await expect(journal.durable()).rejects.toThrow('UNIQUE constraint failed');
  });

  it('rebuilds its state tables from the rows alone (G-J-1)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    boot(journal);
    appendApplied(journal);
    const plan_id = idAt('pl', journal.nextSeq);
    const pending = [actionOf(plan_id, 0, { revision: 2 }), actionOf(plan_id, 1, { occurrence: 'ev=BK-1' })];
    journal.append({ ...planOf(plan_id, pending), state: { seen: 1 } });
    journal.append(intentOf(pending[0] as never, journal.epoch));
    journal.append({
      type: 'mode/1',
      operator: 'comfort',
      operator_uid: 'comfort',
      from: 'live',
      to: 'shadow',
      site_mode: 'live',
      who: 'cli',
      reason: null,
    });
    await journal.durable();
    const db = new Database(join(dir, 'journal.db'), { readonly: true });
    const rebuilt = new Projection();
    for (const { row } of rowsAfter(db, 0)) rebuilt.apply(row, idAt('rc', row.seq));
    const stored = db.prepare('SELECT tab, key, row FROM state ORDER BY tab, key').all();
    const expected = rebuilt.tables
      .flatMap((table) => [...table.rows.keys()].map((key) => ({ tab: table.name, key, row: table.encoded(key) })))
      .sort((a, b) => (a.tab + a.key < b.tab + b.key ? -1 : 1));
    db.close();
    expect(stored).toEqual(expected);
    const again = openJournalAgain(journal, dir);
    expect([...again.projection.open.rows]).toEqual([...rebuilt.open.rows]);
    expect(expected.map((row) => row.tab)).toEqual(['change', 'episode', 'meta', 'mode', 'open', 'open', 'state']);
  });

  it('finds a consumed key after its segment was sealed and after a restart (G-K-6)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    const first = appendApplied(journal, {
      intent_key: 'ship-risk:order:SO-1:hold',
      occurrence: 'once',
      fingerprint: 'a'.repeat(64),
    });
    for (let i = 0; i < LIMITS.segmentRows / 3 + 1; i++)
      appendApplied(journal, { intent_key: `ship-risk:order:X-${i}:hold`, occurrence: 'once' });
    await journal.durable();
    appendApplied(journal, {
      intent_key: 'ship-risk:order:SO-2:hold',
      occurrence: 'once',
      fingerprint: 'b'.repeat(64),
    });
    await journal.durable();
    const short = ['a'.repeat(16), 'b'.repeat(16), null];
    const known = (j: Journal) =>
      ['SO-1', 'SO-2', 'SO-3'].map((id) => j.consumed(`ship-risk:order:${id}:hold@once#1`)?.short_fingerprint ?? null);
    expect(known(journal)).toEqual(short);
    journal.close();
    const again = open(dir);
    expect(known(again)).toEqual(short);
    again.close();
    expect(first.idempotency_key).toBe('ship-risk:order:SO-1:hold@once#1');
  });

  it('keeps the keys of a journal of an older layout, even when it stops in the middle of the upgrade (G-K-6)', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    const keys = Array.from({ length: LIMITS.segmentRows }, (_, n) => {
      const spent = appendApplied(journal, { intent_key: `ship-risk:order:${n}:hold`, occurrence: 'once' });
      return spent.idempotency_key;
    });
    await journal.durable();
    journal.close();
    const tables = 'DROP TABLE segments; DROP TABLE sealed_keys; DROP TABLE IF EXISTS key_filters;';
    const before5 = `${tables}
      CREATE TABLE segments (segment INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL) STRICT;
      CREATE TABLE sealed_keys (segment INTEGER NOT NULL, key TEXT NOT NULL, receipt_seq INTEGER NOT NULL,
        PRIMARY KEY (segment, key)) STRICT, WITHOUT ROWID;
      INSERT INTO segments VALUES (1, ${3 * LIMITS.segmentRows});`;
    const filters = 'CREATE TABLE key_filters (segment INTEGER PRIMARY KEY, filter BLOB NOT NULL) STRICT;';
    const segmentsOf = (dir: string): readonly unknown[] => {
      const db = new Database(join(dir, 'journal.db'), { readonly: true });
      const ends = db.prepare('SELECT last_seq FROM segments ORDER BY segment').pluck().all();
      db.close();
      return ends;
    };
    for (const [version, sql, stopped] of [
      [2, before5, false],
      [4, `${before5}${filters} INSERT INTO key_filters VALUES (1, x'00')`, false],
      [4, `${before5}${filters}`, true],
    ] as const) {
      const db = new Database(join(dir, 'journal.db'));
      db.exec(sql);
      db.pragma(`user_version = ${version}`);
      db.close();
      if (stopped) openDatabase(dir, false).close();
      const upgraded = open(dir);
      expect(keys.filter((key) => upgraded.consumed(key)?.short_fingerprint !== 'f1')).toEqual([]);
      expect(upgraded.consumed('ship-risk:order:-1:hold@once#1')).toBeNull();
      upgraded.close();
      expect(fsck(dir).findings).toEqual([]);
      // Segment by segment, and not all of them in memory until they make one of a million keys.
      expect(segmentsOf(dir)).toEqual([1, 2, 3].map((n) => n * LIMITS.segmentRows));
    }
  });

  it('lets one process only have a data folder (row 45)', () => {
    const dir = scratchDir();
    const lock = lockFolder(dir);
    expect(() => lockFolder(dir)).toThrow(`another gateway is running on ${dir}`);
    lock.release();
    lockFolder(dir).release();
  });

  it('G-J-1 lays the state of an older version out as this one does', async () => {
    const dir = scratchDir();
    const journal = open(dir);
    appendApplied(journal);
    await journal.durable();
    journal.close();
    const stored = (): readonly unknown[] => {
      const db = new Database(join(dir, 'journal.db'));
      const rows = db.prepare('SELECT * FROM state ORDER BY tab, key').all();
      db.exec(`UPDATE state SET row = '[{"wall_ms":1,"mono_ms":1,"boot_id":"b","delta":null}]' WHERE tab = 'change'`);
      db.pragma('user_version = 2');
      db.close();
      return rows;
    };
    const before = stored();
    open(dir).close();
    expect(before).toContainEqual(expect.objectContaining({ tab: 'change' }));
    expect(stored()).toEqual(before);
  });

  it('refuses a journal of a newer version (row 57)', () => {
    const dir = scratchDir();
    open(dir).close();
    const db = new Database(join(dir, 'journal.db'));
    db.pragma('user_version = 99');
    db.close();
    expect(() => open(dir)).toThrow('this journal was written by a newer version (schema 99, known 5)');
  });
});

describe('canonical JSON (G-R-3)', () => {
  it.each([
    ['undefined', { a: undefined }, '/a: a undefined'],
    ['NaN', { a: [Number.NaN] }, '/a/0: a number must be finite'],
    ['minus zero', { a: -0 }, '/a: minus zero'],
    ['an integer beyond 2^53', { a: 2 ** 53 }, '/a: an integer beyond 2^53'],
    ['a lone surrogate', { a: '\ud800' }, '/a: a lone surrogate'],
    ['a lone surrogate in a name', { a: { '\ud800': 1 } }, '/a: a lone surrogate in a name'],
    ['a Date', { a: new Date(0) }, '/a: not a plain object'],
  ])('refuses %s', (_, value, message) => {
    expect(() => canonicalText(value)).toThrow(message);
  });

  it('orders keys and writes numbers as RFC 8785 does', () => {
    expect(canonicalText({ b: 1e-7, a: 0.1, ä: [true, null], A: 'x' })).toBe(
      '{"A":"x","a":0.1,"b":1e-7,"ä":[true,null]}',
    );
  });

  it('writes whatever JSON can say as a library written apart does', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.nat({ max: 30 }).map(String),
      fc.constantFrom('__proto__', 'ä', 'a'),
    );
    const number = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((one) => !Number.isInteger(one) || Number.isSafeInteger(one));
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.oneof(fc.constant(null), fc.boolean(), number, fc.maxSafeInteger()),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(names, tie('value'), { maxKeys: 8 }),
      ),
    }));
    fc.assert(
      fc.property(value, (one) => {
        const said: unknown = JSON.parse(JSON.stringify(one));
        expect(canonicalText(said)).toBe(canonicalOf(said));
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses nesting that would overflow the stack', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i++) deep = [deep];
    expect(() => canonicalText(deep)).toThrow('deeper than 32 levels');
  });
});
