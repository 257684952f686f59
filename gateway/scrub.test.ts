import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { appendApplied, rowsOf } from '../test/support/rows.ts';
import { scratchDir } from '../test/support/scratch.ts';
import { VirtualClock } from '../test/support/virtual-clock.ts';
import { lookThrough } from './journal/fsck.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import { createScrub, lookThroughApart, type LookThrough, type Scrub } from './scrub.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };
const never = new AbortController().signal;

interface Life {
  readonly journal: Journal;
  readonly scrub: Scrub;
  readonly told: string[];
}

function live(dataDir: string, clock: VirtualClock, look: LookThrough = async (dir) => lookThrough(dir)): Life {
  const journal = openJournal({ dataDir, clock, bootId: 'boot', onFailure: () => undefined });
  const told: string[] = [];
  const say = (_: object, words: string): void => void told.push(words);
  const log = { ...QUIET, warn: say, error: say };
  const scrub = createScrub({ dataDir, journal, clock, ioClock: clock, log, lookThrough: look });
  scrub.start();
  onTestFinished(async () => {
    await scrub.stop();
    journal.close();
  });
  return { journal, scrub, told };
}

const scrubs = (dataDir: string) => rowsOf(dataDir).filter((row) => row.type === 'scrub/1');

/** As a disk that loses a bit does it: under the triggers, in a row that nothing reads any more. */
function spoil(dataDir: string): void {
  const db = new Database(join(dataDir, 'journal.db'));
  db.exec("DROP TRIGGER entries_no_update; UPDATE entries SET body = replace(body, '21.5', '22.5') WHERE seq = 2");
  db.close();
}

describe('looking the journal through', () => {
  it('W1 happens once a week, across restarts, and not in the hour of a start (G-IO-6)', async () => {
    const [dataDir, clock] = [scratchDir(), new VirtualClock()];
    const first = live(dataDir, clock);
    appendApplied(first.journal);
    await clock.advance(HOUR - 1);
    expect(scrubs(dataDir)).toEqual([]);
    await clock.advance(1);
    expect(scrubs(dataDir)).toMatchObject([{ rows: 3, findings: [] }]);
    await clock.advance(6 * DAY);
    await first.scrub.stop();
    first.journal.close();
    const second = live(dataDir, clock);
    await clock.advance(DAY - HOUR);
    expect(scrubs(dataDir)).toHaveLength(1);
    await clock.advance(2 * HOUR);
    expect(scrubs(dataDir)).toHaveLength(2);
    expect([second.told, [...second.journal.projection.liveHolds.rows]]).toEqual([[], []]);
    expect(lookThrough(dataDir).clean).toBe(true);
  });

  it('W2 finds a bit that turned over in the middle: it is told, and operators only propose (G-IO-6, row 98)', async () => {
    const [dataDir, clock] = [scratchDir(), new VirtualClock()];
    const { journal, told } = live(dataDir, clock);
    appendApplied(journal);
    await journal.durable();
    spoil(dataDir);
    await clock.advance(HOUR);
    const [row] = scrubs(dataDir);
    expect(row).toMatchObject({ findings: [{ check: 'chain', detail: expect.stringMatching(/^row 2: /) }] });
    expect(journal.projection.liveHolds.rows.get('journal_unsound')).toContain('row 2: its content does not match');
    expect(told).toEqual([expect.stringContaining('the journal does not hold: chain: row 2')]);
  });

  it('tells of what is long in short', async () => {
    const [dataDir, clock] = [scratchDir(), new VirtualClock()];
    const long = Array.from({ length: 50 }, (_, i) => ({
      check: 'state' as const,
      detail: `${i} ${'🙂'.repeat(100_000)}`,
    }));
    live(dataDir, clock, async (dir) => ({ ...lookThrough(dir), clean: false, findings: long }));
    await clock.advance(HOUR);
    const [row] = scrubs(dataDir);
    expect(row?.type === 'scrub/1' && row.findings.map(({ detail }) => detail.length)).toEqual([
      500, 500, 500, 500, 500,
    ]);
  });

  it('believes the second look, and says when there was none', async () => {
    const [dataDir, clock] = [scratchDir(), new VirtualClock()];
    let looks = 0;
    const { journal, told } = live(dataDir, clock, async (dir) => {
      looks += 1;
      if (looks === 1) throw new Error('no memory for that');
      const seen = lookThrough(dir);
      return looks === 2 ? { ...seen, clean: false, findings: [{ check: 'file', detail: 'page 7' }] } : seen;
    });
    await clock.advance(HOUR);
    expect([told, scrubs(dataDir)]).toEqual([[expect.stringContaining('no memory for that')], []]);
    await clock.advance(HOUR);
    expect([looks, scrubs(dataDir).length, journal.projection.liveHolds.rows.size]).toEqual([3, 1, 0]);
  });
});

describe('a process of its own', () => {
  it('says what a look from here says, while the journal is written to', async () => {
    const [dataDir, clock] = [scratchDir(), new VirtualClock()];
    const { journal } = live(dataDir, clock);
    appendApplied(journal);
    await journal.durable();
    const apart = lookThroughApart(dataDir, never);
    appendApplied(journal, { revision: 2 });
    await journal.durable();
    expect(await apart).toMatchObject({ clean: true, open_intents: 0 });
    expect(await lookThroughApart(dataDir, never)).toEqual(lookThrough(dataDir));
    spoil(dataDir);
    expect(await lookThroughApart(dataDir, never)).toEqual(lookThrough(dataDir));
  });

  it('names what it could not open, and ends when it is told to', async () => {
    const nowhere = join(scratchDir(), 'nowhere');
    expect(await lookThroughApart(nowhere, never)).toMatchObject({ clean: false, findings: [{ check: 'file' }] });
    const stopping = new AbortController();
    const look = lookThroughApart(nowhere, stopping.signal);
    stopping.abort();
    await expect(look).rejects.toThrow('abort');
  });
});
