import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '@fibric/sdk';
import { actionOf, appendApplied, intentOf, planOf, receiptOf } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { type SignedJournal, signedJournal } from '../../test/support/signed-journal.ts';
import { idAt } from '../journal/entries.ts';
import { fsck } from '../journal/fsck.ts';
import { openJournal } from '../journal/journal.ts';
import { proveFolder } from './folder.ts';
import { parseCheckpoint, parseKey } from './note.ts';
import { parseTrust, type Trust } from './trust.ts';
import { CompactRange } from './tree.ts';

interface Stored {
  readonly seq: number;
  readonly kind: string;
  readonly hash: Buffer;
  readonly body: string;
}

function rowsIn(dir: string): readonly Stored[] {
  const db = new Database(join(dir, 'journal.db'), { readonly: true });
  const rows = db.prepare<[], Stored>('SELECT seq, kind, hash, body FROM entries ORDER BY seq').all();
  db.close();
  return rows;
}

/** The sizes that were signed, each held against the tree over the rows before it. */
function signedSizes(dir: string): readonly number[] {
  const tree = new CompactRange();
  return rowsIn(dir).flatMap(({ seq, kind, hash, body }) => {
    const before = tree.root();
    tree.push(hash);
    if (kind !== 'checkpoint/1') return [];
    const checkpoint = parseCheckpoint((JSON.parse(body) as { note: string }).note);
    expect(checkpoint).toMatchObject({ size: seq - 1, root: before });
    return [seq - 1];
  });
}

const trustIn = ({ checkpoints }: SignedJournal): Trust =>
  parseTrust(`log ${checkpoints.state.key}\nquorum none\n`) as Trust;

describe('checkpoints', () => {
  it('C1 are made at the start, after 64 rows, within 60 s of a row, and at a clean stop', async () => {
    const dir = scratchDir();
    const signed = await signedJournal(dir);
    expect(signed.journal.nextSeq).toBe(4);
    for (let i = 0; i < 22; i++) appendApplied(signed.journal, { revision: i + 1 });
    await signed.clock.advance(LIMITS.checkpointMs - 1);
    expect(signedSizes(dir)).toEqual([2, 67]);
    await signed.clock.advance(1);
    await signed.journal.durable();
    expect(signedSizes(dir)).toEqual([2, 67, 70]);
    await signed.clock.advance(10 * LIMITS.checkpointMs);
    expect(signedSizes(dir)).toEqual([2, 67, 70]);
    appendApplied(signed.journal, { revision: 23 });
    signed.close();
    expect(signedSizes(dir)).toEqual([2, 67, 70, 74]);
    expect(proveFolder(dir, trustIn(signed))).toMatchObject({ kind: 'proved', rows: 75, checkpoint: { size: 74 } });
  });

  it('C1 are made at once after an alert, an unknown outcome, and a change of who may do what', async () => {
    const dir = scratchDir();
    const { journal, close } = await signedJournal(dir);
    const plan_id = idAt('pl', journal.nextSeq);
    const action = actionOf(plan_id, 0);
    journal.append(planOf(plan_id, [action]));
    journal.append({ ...intentOf(action, 1), decision: 'ALERT' });
    journal.append(receiptOf(action, 'unknown', 1));
    journal.append({ type: 'stop/1', state: 'on', who: 'duty-engineer', reason: null, release: false });
    await journal.durable();
    expect(signedSizes(dir)).toEqual([2, 5, 7, 9]);
    close();
  });

  it('C2 never sign two trees of one size: a process that dies after any commit goes on with a new checkpoint (C12)', async () => {
    const dir = scratchDir();
    const first = await signedJournal(dir);
    for (let i = 0; i < 30; i++) appendApplied(first.journal, { revision: i + 1 });
    await first.journal.durable();
    // It dies here: what it would have signed at its end is not there.
    const died = scratchDir();
    for (const file of readdirSync(dir)) copyFileSync(join(dir, file), join(died, file));
    first.close();
    const again = await signedJournal(died);
    appendApplied(again.journal, { revision: 31 });
    again.close();
    const sizes = signedSizes(died);
    expect(new Set(sizes).size).toBe(sizes.length);
    expect(proveFolder(died, trustIn(first))).toMatchObject({ kind: 'proved' });
    expect(fsck(died)).toMatchObject({ clean: true });
  });

  it('are of a key that only its owner reads, and a lost key is another log, which says so', async () => {
    const dir = scratchDir();
    const first = await signedJournal(dir);
    first.close();
    const file = join(dir, 'receipt-key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain('BEGIN PRIVATE KEY');
    expect(parseKey(first.checkpoints.state.key)).toMatchObject({ name: first.checkpoints.state.origin });
    rmSync(file);
    const second = await signedJournal(dir);
    second.close();
    const rows = rowsIn(dir).filter(({ kind }) => kind === 'incarnation/1');
    expect(rows.map(({ body }) => (JSON.parse(body) as { cause: string }).cause)).toEqual(['begun', 'key_lost']);
    // Who trusted the first key is told how far it signed; who trusts the second has it all.
    expect(proveFolder(dir, trustIn(first))).toMatchObject({ kind: 'incomplete', after: 2 });
    expect(proveFolder(dir, trustIn(second))).toMatchObject({ kind: 'proved' });
  });

  it('C2 are held against the tree at the start: a journal that is not the one that was signed is not gone on with', async () => {
    const dir = scratchDir();
    const signed = await signedJournal(dir);
    for (let i = 0; i < 200; i++) appendApplied(signed.journal, { revision: i + 1 });
    signed.close();
    const db = new Database(join(dir, 'journal.db'));
    db.exec(`UPDATE state SET row = '"${'0'.repeat(64)}"' WHERE tab = 'tile' AND key = '1'`);
    db.close();
    const open = () => openJournal({ dataDir: dir, clock: signed.clock, bootId: 'b', onFailure: () => undefined });
    expect(open).toThrow('rows are not those that were signed last');
  });
});

describe('a text', () => {
  it('is erased for good, and everything stays proved; a verifier tells who erased it (rows 107, 108)', async () => {
    const dir = scratchDir();
    const signed = await signedJournal(dir);
    const { seq } = { seq: signed.journal.nextSeq };
    appendApplied(signed.journal);
    await signed.journal.durable();
    const before = proveFolder(dir, trustIn(signed));
    expect(before).toMatchObject({ opened: 3, withheld: 0, erased: [] });
    const erased = [seq, seq + 2].map((row) => ({ seq: row, field: 'reasoning' }));
    signed.journal.append({ type: 'redaction/1', who: 'data-officer', reason: 'asked for', erased });
    await signed.journal.durable();
    signed.close();
    const proof = proveFolder(dir, trustIn(signed));
    expect(proof).toMatchObject({ kind: 'proved', opened: 1, withheld: 2 });
    expect('erased' in proof && proof.erased).toEqual(
      erased.map((one) => ({ ...one, who: 'data-officer', reason: 'asked for', at: expect.any(String) as string })),
    );
    expect(fsck(dir)).toMatchObject({ clean: true });
    // Neither the text nor its salt is in any file; the commitment, which alone is left, needs both.
    for (const file of readdirSync(dir)) expect(readFileSync(join(dir, file)).includes('because')).toBe(false);
  });
});
