import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { appendApplied } from '../../test/support/rows.ts';
import { ends } from '../../test/support/ends.ts';
import { signedJournal } from '../../test/support/signed-journal.ts';
import { canonicalText } from '../journal/canonical.ts';
import { idAt } from '../journal/entries.ts';
import { verifyBundle } from './bundle.ts';
import { exportBundle } from './export.ts';
import { logOf, proveFolder } from './folder.ts';
import { parseTrust, type Trust } from './trust.ts';

const end = ends();
const scratchDir = (): string => end.folder();
let dir: string;
let trust: Trust;
let whole: Buffer;

const trustIn = (folder: string): Trust => parseTrust(`log ${logOf(folder).key}\nquorum none\n`) as Trust;

function write(bytes: Buffer | string): string {
  const file = join(scratchDir(), 'bundle');
  writeFileSync(file, bytes);
  return file;
}

const verify = (bytes: Buffer | string) => verifyBundle(write(bytes), trust);

function exported(selection: Parameters<typeof exportBundle>[1], folder = dir): Buffer {
  const file = join(scratchDir(), 'bundle');
  exportBundle(folder, selection, file);
  return readFileSync(file);
}

beforeAll(async () => {
  dir = scratchDir();
  const signed = await signedJournal(dir);
  for (let i = 0; i < 130; i++) appendApplied(signed.journal, { intent_key: `x:zone:${i}:y`, occurrence: 'once' });
  await signed.journal.durable();
  signed.close();
  trust = trustIn(dir);
  whole = exported({ from: undefined, to: undefined });
});

const lines = (bytes: Buffer): readonly string[] => bytes.toString().trimEnd().split('\n');
const text = (all: readonly string[]): string => `${all.join('\n')}\n`;

describe('a bundle', () => {
  it('of all rows proves them to who trusts the key, and shows every text', () => {
    const proof = verify(whole);
    expect(proof).toMatchObject({ kind: 'proved', receipts: 130, open_intents: 0, opened: 390, withheld: 0 });
    expect(proveFolder(dir, trust)).toEqual(proof);
  });

  it('of some rows, and of one receipt, proves these in the same tree', () => {
    const { checkpoint } = verify(whole) as { checkpoint: object };
    const some = verify(exported({ from: 50, to: 120 }));
    expect(some).toMatchObject({ kind: 'proved', rows: 71, checkpoint });
    const one = verify(exported({ receipt: idAt('rc', 12) }));
    expect(one).toMatchObject({ kind: 'proved', rows: 3, receipts: 1, checkpoint });
  });

  it.each([
    ['whole', { rows: 12, receipts: 2, opened: 5 }],
    ['one-receipt', { rows: 4, receipts: 1, opened: 2 }],
  ])('of docs/RECEIPTS.md, %s, is proved as it says there, erasure included (row 107)', (name, figures) => {
    const examples = join(import.meta.dirname, '../../docs/receipts');
    const file = join(examples, `${name}.bundle`);
    expect(verifyBundle(file, parseTrust(readFileSync(join(examples, 'trust'), 'utf8')) as Trust)).toMatchObject({
      kind: 'proved',
      ...figures,
      checkpoint: { size: 10, cosigned: [{ witness: 'w1', at: '2026-07-01T08:00:00.000Z' }] },
      erased: [{ seq: 7, field: 'trigger', who: 'data-officer' }],
      withheld: 1,
    });
  });

  it('that was cut off is incomplete after what a signature covers, wherever it was cut (row 104)', () => {
    const all = lines(whole);
    const proofs = [3, 70, 200, all.length - 1].map((count) => verify(text(all.slice(0, count))));
    const sizes = proofs.map((proof) => [proof.kind, 'after' in proof ? proof.after : null]);
    expect(sizes).toEqual([
      ['incomplete', 0],
      ['incomplete', 2],
      ['incomplete', 67],
      ['incomplete', (verify(whole) as { rows: number }).rows - 1],
    ]);
    expect(verify(whole.subarray(0, -20))).toMatchObject({ kind: 'incomplete' });
  });

  it('proves nothing to who trusts another key, and is refused when a trusted one is said to have signed (row 106)', async () => {
    const other = scratchDir();
    (await signedJournal(other)).close();
    const strange = verifyBundle(write(whole), trustIn(other));
    expect(strange).toMatchObject({ kind: 'incomplete', after: 0, checkpoint: null });
    const all = [...lines(exported({ from: 5, to: 9 }))];
    const at = all.findIndex((line) => line.startsWith('["checkpoint"'));
    const [word, note] = JSON.parse(all[at] ?? '') as [string, string];
    const forged = note.replace(/.{20}\n$/, (end) => `${end.startsWith('A') ? 'B' : 'A'}${end.slice(1)}`);
    all[at] = canonicalText([word, forged]);
    expect(verify(text(all))).toMatchObject({ kind: 'tampered', reason: expect.stringContaining('is not its own') });
  });

  it('is refused when a row is removed, repeated or moved, with the first row that is not where it should be (row 103)', () => {
    const all = lines(whole);
    for (const at of [1, 17, 64, 300]) {
      const rowOf = (line: string): number | null => (JSON.parse(line) as [string, { seq?: number }])[1].seq ?? null;
      const row = all.findIndex((line, i) => i >= at && rowOf(line) !== null);
      const seq = rowOf(all[row] ?? '') as number;
      const without = all.toSpliced(row, 1);
      expect(verify(text(without))).toMatchObject({ kind: 'tampered' });
      const twice = verify(text(all.toSpliced(row, 0, all[row] ?? '')));
      expect(twice).toMatchObject({ kind: 'tampered', seq: seq + 1 });
    }
  });

  it('is refused for 10 000 changes of any of its bytes, with the right first bad row (row 103)', {
    timeout: 120_000,
  }, async () => {
    const small = scratchDir();
    const signed = await signedJournal(small);
    for (let i = 0; i < 4; i++) appendApplied(signed.journal, { intent_key: `x:zone:${i}:y`, occurrence: 'once' });
    await signed.journal.durable();
    signed.close();
    trust = trustIn(small);
    const bundles = [exported({ from: undefined, to: undefined }, small), exported({ receipt: idAt('rc', 6) }, small)];
    const places = bundles.map(placesIn);
    let seed = 1;
    const dice = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const file = join(scratchDir(), 'mutated');
    for (let i = 0; i < 10_000; i++) {
      const which = i % 2;
      const bytes = Buffer.from(bundles[which] as Buffer);
      const at = dice(bytes.length);
      const was = bytes[at] as number;
      bytes[at] = was ^ (1 << dice(8));
      writeFileSync(file, bytes);
      const proof = verifyBundle(file, trust);
      const { place, passedBy } = (places[which] as readonly Place[])[at] as Place;
      // Without its last newline it looks as if it had been cut.
      const cut = at === bytes.length - 1;
      expect([i, at, proof.kind]).toEqual([i, at, at < 23 ? 'bad_input' : cut ? 'incomplete' : 'tampered']);
      if (cut) continue;
      const seq = 'seq' in proof ? proof.seq : 0;
      // The hash of what is passed by shows to be wrong where the tree is signed.
      expect([i, at, passedBy && seq > place ? place : seq]).toEqual([i, at, place]);
    }
    trust = trustIn(dir);
  });

  it('is judged in bounded memory when it is garbage, too long, too deep or signed too often (row 109)', () => {
    const header = '["fibric-receipts/1"]\n';
    const bad = (bytes: Buffer | string) => expect(verify(bytes)).toMatchObject({ kind: 'bad_input', seq: 1 });
    bad('');
    bad(Buffer.alloc(8 * 1024 * 1024, 'x'));
    bad(header + 'x'.repeat(5 * 1024 * 1024));
    bad(`${header}${'['.repeat(100_000)}${']'.repeat(100_000)}\n`);
    bad(`${header}${canonicalText(['checkpoint', `a\n0\nx\n\n${'— a AAAAAAAA\n'.repeat(20_000)}`])}\n`);
  });
});

interface Place {
  readonly place: number;
  readonly passedBy: boolean;
}

/** For each byte of a bundle, the row that its change is to be found at. */
function placesIn(bundle: Buffer): readonly Place[] {
  const places: Place[] = [];
  let leaves = 0;
  for (const line of lines(bundle)) {
    const [word, first] = JSON.parse(line) as [string, unknown];
    const place = leaves + 1;
    if (/^[0-9a-f]{64}$/.test(word)) leaves += 1;
    if (word === 'skip') leaves += first as number;
    places.push(...Array.from({ length: Buffer.byteLength(line) + 1 }, () => ({ place, passedBy: word === 'skip' })));
  }
  return places;
}
