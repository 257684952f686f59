import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { actionOf, appendApplied, intentOf, planOf, receiptOf } from '../test/support/rows.ts';
import { scratchDir } from '../test/support/scratch.ts';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { bootJournal, type Booted, forgetJournalFailures, noteJournalFailure } from './boot.ts';
import { createIds } from './ids.ts';
import { idAt } from './journal/entries.ts';
import { fsck } from './journal/fsck.ts';
import { owedBy } from './journal/inherited.ts';
import type { Journal } from './journal/journal.ts';
import { OBLIGATIONS_FILE, openMirror, readObligations } from './journal/obligations.ts';

const WALL = Date.parse('2026-07-01T08:00:00Z');
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** One life of a gateway, as far as the journal goes: boot, `act`, mirror, end. */
async function live(
  dataDir: string,
  act: (journal: Journal) => void = () => undefined,
  wallMs = WALL,
): Promise<Booted & { readonly told: readonly string[]; readonly holds: readonly string[] }> {
  const clock = new VirtualClock(wallMs);
  const told: string[] = [];
  const booted = await bootJournal({
    dataDir,
    clock,
    ioClock: clock,
    bootId: 'boot',
    ids: createIds(clock, { next: () => Math.random() }),
    log: { ...QUIET, error: (_, message) => told.push(message) },
    onFailure: () => undefined,
    boot: { software: '0', site: 's' },
  });
  const { journal, uid } = booted;
  const holds = [...journal.projection.liveHolds.rows.keys()];
  act(journal);
  await journal.durable();
  const owed = () => ({
    gateway_uid: uid,
    epoch: journal.epoch,
    ...journal.durableHead,
    ...owedBy(journal.projection),
  });
  const mirror = await openMirror({ dataDir, clock, log: QUIET, take: owed });
  await mirror.close();
  journal.close();
  return { ...booted, told, holds };
}

function leaveDoubt(journal: Journal): void {
  const plan_id = idAt('pl', journal.nextSeq);
  const action = actionOf(plan_id, 0);
  journal.append(planOf(plan_id, [action]));
  journal.append(intentOf(action, journal.epoch));
}

const acknowledge = (journal: Journal): void => {
  journal.append({
    type: 'acknowledge/1',
    holds: [...journal.projection.liveHolds.rows.keys()] as never,
    who: 'person:test',
  });
};

/** A write that took effect, and is to be taken back. */
function leaveLease(journal: Journal): void {
  const plan_id = idAt('pl', journal.nextSeq);
  const action = actionOf(plan_id, 0);
  const grant = {
    lease_id: idAt('ls', journal.nextSeq + 1),
    ttl_ms: 60_000,
    max_hold_ms: null,
    fallback: 'baseline',
    leading: 'setpoint',
    hold: null,
    baseline: [{ point: 'setpoint', value: 17 }],
    watch: [{ point: 'setpoint', written: 'setpoint' }],
    physical_points: ['fcu/1/holding/0'],
  } as const;
  journal.append(planOf(plan_id, [action]));
  journal.append({ ...intentOf(action, journal.epoch), lease: grant });
  journal.append(receiptOf(action, 'applied', journal.epoch));
}

function flip(file: string, find: string): void {
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf(find);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

const asideOf = (dir: string): string =>
  join(dir, readdirSync(dir).find((name) => name.startsWith('set-aside')) ?? 'none');

describe('starting on a journal', () => {
  it('that is whole changes nothing but the epoch', async () => {
    const dir = scratchDir();
    const first = await live(dir, (journal) => void appendApplied(journal));
    const second = await live(dir);
    expect([second.uid, second.journal.epoch, second.holds, second.told]).toEqual([first.uid, 2, [], []]);
    expect(fsck(dir).clean).toBe(true);
  });

  it.each([
    ['a row', (dir: string) => flip(join(dir, 'journal.db'), '"because"')],
    [
      'the header',
      (dir: string) =>
        writeFileSync(join(dir, 'journal.db'), 'this is not a database, and it is long enough to be sure'),
    ],
    ['a state table', (dir: string) => flip(join(dir, 'journal.db'), '{"n":1')],
  ])(
    'R1 R2 R3 with %s broken moves it aside, begins a new one, owes what was owed, and holds back (row 98)',
    async (_, damage) => {
      const dir = scratchDir();
      const first = await live(dir, leaveDoubt);
      damage(dir);
      const evidence = readFileSync(join(dir, 'journal.db'));
      const second = await live(dir);
      expect(readFileSync(join(asideOf(dir), 'journal.db')).equals(evidence)).toBe(true);
      expect(readFileSync(join(asideOf(dir), 'gateway-uid'), 'utf8')).toBe(first.uid);
      expect(second.uid).not.toBe(first.uid);
      expect(second.holds).toEqual(['journal_replaced']);
      expect(second.told[0]).toContain(`it was moved to ${asideOf(dir)} and a new journal was begun`);
      expect([...second.journal.projection.inherited.rows.values()]).toMatchObject([
        {
          device: 'fcu-412',
          target: [{ point: 'setpoint', value: 21.5 }],
          baseline: [{ point: 'setpoint', value: 17 }],
        },
      ]);
      expect((await live(dir)).holds).toEqual(['journal_replaced']);
      await live(dir, acknowledge);
      expect((await live(dir)).holds).toEqual([]);
      expect(fsck(dir).clean).toBe(true);
    },
  );

  it('R3 that is gone altogether still knows what was owed', async () => {
    const dir = scratchDir();
    await live(dir, leaveDoubt);
    rmSync(join(dir, 'journal.db'));
    const second = await live(dir);
    expect(second.holds).toEqual(['obligations_differ']);
    expect(second.journal.projection.inherited.rows.size).toBe(1);
  });

  it('R3 that is gone altogether still knows what is to be taken back, and from when, and a stop (row 98)', async () => {
    const dir = scratchDir();
    const { journal } = await live(dir, (lost) => {
      leaveLease(lost);
      lost.append({ type: 'stop/1', state: 'on', who: 'duty-engineer', reason: null, release: false });
    });
    const [lease] = journal.projection.leases.rows.values();
    rmSync(join(dir, 'journal.db'));
    const second = await live(dir, undefined, WALL + 30_000);
    const [taken] = second.journal.projection.leases.rows.values();
    expect(taken).toEqual({
      ...lease,
      lease_id: expect.not.stringContaining(lease?.lease_id ?? ''),
      renewed: lease?.granted,
      receipt_id: null,
    });
    expect(second.journal.projection.stops.rows.get('site')?.who).toBe('duty-engineer');
    expect(second.told[1]).toContain('leases, which end at their time: 1; the stop by duty-engineer');
    // From here on it is this journal's own, however often it starts.
    expect([...(await live(dir)).journal.projection.leases.rows.values()]).toEqual([taken]);
    expect(fsck(dir).clean).toBe(true);
  });

  it('R2 that is an older copy of itself lets go of leases that its mirror knows to have ended (row 99)', async () => {
    const dir = scratchDir();
    await live(dir, leaveLease);
    const copy = readFileSync(join(dir, 'journal.db'));
    const release = (journal: Journal): void => {
      const [lease] = journal.projection.leases.rows.values();
      const plan_id = idAt('pl', journal.nextSeq);
      const action = actionOf(plan_id, 0, { releases: lease?.lease_id ?? '' });
      journal.append(planOf(plan_id, [action]));
      journal.append(intentOf(action, journal.epoch));
      journal.append(receiptOf(action, 'applied', journal.epoch));
    };
    expect([...(await live(dir, release)).journal.projection.leases.rows]).toEqual([]);
    writeFileSync(join(dir, 'journal.db'), copy);
    const restored = await live(dir);
    expect([restored.holds, restored.journal.projection.leases.rows.size]).toEqual([['obligations_differ'], 0]);
  });

  it('R2 that is an older copy of itself is recognised, and the newer mirror is believed (rows 99, 105)', async () => {
    const dir = scratchDir();
    await live(dir, (journal) => void appendApplied(journal));
    const copy = scratchDir();
    cpSync(join(dir, 'journal.db'), join(copy, 'journal.db'));
    await live(dir, leaveDoubt);
    cpSync(join(copy, 'journal.db'), join(dir, 'journal.db'));
    const restored = await live(dir);
    expect(restored.holds).toEqual(['obligations_differ']);
    expect(restored.told[0]).toContain('an older copy was put in its place');
    expect(restored.journal.projection.inherited.rows.size).toBe(1);
  });

  it('R2 whose mirror lags behind owes what the journal says, and nothing more (row 99)', async () => {
    const dir = scratchDir();
    await live(dir, leaveDoubt);
    const old = readFileSync(join(dir, OBLIGATIONS_FILE));
    await live(dir, (journal) => void appendApplied(journal, { revision: 2 }));
    writeFileSync(join(dir, OBLIGATIONS_FILE), old);
    const { holds, journal } = await live(dir);
    expect([holds, journal.projection.inherited.rows.size]).toEqual([[], 0]);
  });

  it('R2 that failed three times in ten minutes holds back until it is acknowledged; slower failures do not add up', async () => {
    const dir = scratchDir();
    await live(dir);
    for (const minutes of [0, 5, 9]) noteJournalFailure(dir, WALL + minutes * 60_000);
    expect((await live(dir, acknowledge, WALL + 10 * 60_000)).holds).toEqual(['journal_failing']);
    forgetJournalFailures(dir);
    expect((await live(dir, undefined, WALL + 10 * 60_000)).holds).toEqual([]);
    for (const minutes of [20, 31, 42]) noteJournalFailure(dir, WALL + minutes * 60_000);
    expect((await live(dir, undefined, WALL + 43 * 60_000)).holds).toEqual([]);
    expect(LIMITS.journalFailures).toBe(3);
  });

  it('R1 of a newer version, or on a disk that cannot be written, is left where it is', async () => {
    const dir = scratchDir();
    await live(dir);
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(join(dir, 'journal.db'));
    onTestFinished(() => void db.close());
    db.pragma('user_version = 99');
    await expect(live(dir)).rejects.toThrow('written by a newer version');
    expect(existsSync(asideOf(dir))).toBe(false);
  });
});

describe('the mirror', () => {
  it('M1 survives half a write: the other slot is read', async () => {
    const dir = scratchDir();
    await live(dir, leaveDoubt);
    const before = readObligations(dir);
    await live(dir);
    const after = readObligations(dir);
    expect([before?.epoch, after?.epoch]).toEqual([1, 2]);
    const bytes = readFileSync(join(dir, OBLIGATIONS_FILE));
    const newer = bytes.lastIndexOf('"epoch":2');
    bytes[newer] = 0;
    writeFileSync(join(dir, OBLIGATIONS_FILE), bytes);
    expect(readObligations(dir)).toEqual(before);
    writeFileSync(join(dir, OBLIGATIONS_FILE), 'nothing of ours');
    expect(readObligations(dir)).toBeNull();
  });

  it('M3 follows the journal by a moment, and is not written when nothing that is owed has changed', async () => {
    const dir = scratchDir();
    const clock = new VirtualClock();
    let epoch = 1;
    const mirror = await openMirror({
      dataDir: dir,
      clock,
      log: QUIET,
      take: () => ({ gateway_uid: 'gw', epoch, seq: 1, hash: 'h', doubts: [], leases: [], stop: null }),
    });
    mirror.touch();
    mirror.touch();
    expect(readObligations(dir)).toBeNull();
    await clock.advance(1_000);
    await mirror.flush();
    expect(readObligations(dir)?.epoch).toBe(1);
    const written = readFileSync(join(dir, OBLIGATIONS_FILE));
    await mirror.flush();
    expect(readFileSync(join(dir, OBLIGATIONS_FILE)).equals(written)).toBe(true);
    epoch = 2;
    await mirror.close();
    expect(readObligations(dir)?.epoch).toBe(2);
  });
});
