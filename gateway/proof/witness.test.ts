import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@fibric/sdk';
import { Upstream } from '@fibric/simulators/upstream';
import { Witness } from '@fibric/simulators/witness';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { appendApplied } from '../../test/support/rows.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { type SignedJournal, signedJournal } from '../../test/support/signed-journal.ts';
import { modeUnderHolds } from '../executor/holds.ts';
import { systemClock } from '../system.ts';
import { newKey, signerFrom } from './ed25519.ts';
import { proveFolder } from './folder.ts';
import { checkpointText, keyText, LOG_KEY, noteKey, parseKey, signNote } from './note.ts';
import { consistencyProof, nodeHash, rootAt } from './tree.ts';
import { parseTrust, type Trust } from './trust.ts';
import { createWitnessing, type Witnessing } from './witness.ts';

const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const AT_S = 1_780_000_000;

async function upstreamWith(witness: Witness): Promise<Upstream> {
  const upstream = new Upstream({ port: 0, witness });
  await upstream.start();
  onTestFinished(() => upstream.stop());
  return upstream;
}

function asking({ journal, checkpoints }: SignedJournal, upstream: Upstream, witness: Witness): Witnessing {
  const key = parseKey(witness.key);
  if (typeof key === 'string') throw new Error(key);
  const shared = { journal, checkpoints, clock: systemClock(), log: QUIET, token: () => null };
  return createWitnessing({ url: `${upstream.url}/v1/witness`, key, ...shared });
}

const ask = (one: Witnessing): Promise<number | null> => one.ask(new AbortController().signal);

function grow({ journal, checkpoints }: SignedJournal, actions: number, name: string): Promise<void> {
  for (let i = 0; i < actions; i++) appendApplied(journal, { intent_key: `${name}:zone:${i}:y`, occurrence: 'once' });
  checkpoints.sign();
  return journal.durable();
}

describe('a witness', () => {
  it('T7 cosigns what it is shown, and a verifier that asks for it proves as much as was cosigned, and when', async () => {
    const witness = new Witness('witness.example/w1', () => AT_S);
    const upstream = await upstreamWith(witness);
    const signed = await signedJournal(scratchDir());
    onTestFinished(() => signed.close());
    const witnessing = asking(signed, upstream, witness);
    const { origin, key } = signed.checkpoints.state;
    const trust = parseTrust(`log ${key}\nwitness w1 ${witness.key}\nquorum w1\n`) as Trust;
    // It does not know this log: nobody has enrolled its key.
    await ask(witnessing);
    expect(proveFolder(signed.dir, trust)).toMatchObject({ kind: 'incomplete', after: 0 });
    witness.enrol(key);
    for (const actions of [30, 100, 5]) {
      await grow(signed, actions, `n${actions}`);
      await ask(witnessing);
      expect(witnessing.due(true)).toBe(false);
      const size = witness.sizeOf(origin);
      expect(size).toBe(signed.journal.nextSeq - 3);
      const cosigned = [{ witness: 'w1', at: '2026-05-28T20:26:40.000Z' }];
      expect(proveFolder(signed.dir, trust)).toMatchObject({ kind: 'proved', checkpoint: { size, cosigned } });
    }
    await grow(signed, 1, 'late');
    expect(witnessing.due(true)).toBe(true);
    expect(witnessing.due(false)).toBe(false);
    expect(proveFolder(signed.dir, trust)).toMatchObject({ kind: 'incomplete', after: witness.sizeOf(origin) });
  });

  it('T6 is shown only what is on disk', async () => {
    const witness = new Witness('witness.example/w1', () => AT_S);
    const upstream = await upstreamWith(witness);
    const signed = await signedJournal(scratchDir());
    onTestFinished(() => signed.close());
    witness.enrol(signed.checkpoints.state.key);
    const durable: number[] = [];
    const cosign = witness.addCheckpoint.bind(witness);
    witness.addCheckpoint = (body) => {
      durable.push(signed.journal.durableHead.seq);
      return cosign(body);
    };
    void grow(signed, 5, 'a');
    const last = signed.journal.nextSeq - 1;
    expect(signed.journal.durableHead.seq).toBeLessThan(last);
    await ask(asking(signed, upstream, witness));
    expect(durable).toEqual([last]);
    expect(witness.sizeOf(signed.checkpoints.state.origin)).toBe(last - 1);
  });

  it('says to how many rows it was put back, cosigns from there, and is no reason to doubt the journal (row 113)', async () => {
    const witness = new Witness('witness.example/w1', () => AT_S);
    const signed = await signedJournal(scratchDir());
    onTestFinished(() => signed.close());
    const { origin, key } = signed.checkpoints.state;
    witness.enrol(key);
    const first = asking(signed, await upstreamWith(witness), witness);
    await grow(signed, 10, 'a');
    expect(await ask(first)).toBeNull();
    const [backup, size] = [witness.backup(), witness.sizeOf(origin)];
    await grow(signed, 10, 'b');
    expect(await ask(first)).toBeNull();
    await grow(signed, 1, 'c');
    const after = asking(signed, await upstreamWith(backup), backup);
    expect(await ask(after)).toBe(size);
    expect([backup.sizeOf(origin), signed.journal.projection.liveHolds.rows.size]).toEqual([
      signed.journal.nextSeq - 3,
      0,
    ]);
    expect(await ask(after)).toBeNull();
  });

  it('C3 tells a journal that was put back from a copy, which goes out of live and on under another name (row 105)', async () => {
    const witness = new Witness('witness.example/w1', () => AT_S);
    const upstream = await upstreamWith(witness);
    const dir = scratchDir();
    const first = await signedJournal(dir);
    witness.enrol(first.checkpoints.state.key);
    await grow(first, 10, 'a');
    await ask(asking(first, upstream, witness));
    const { origin, cosigned } = first.checkpoints.state;
    const copy = scratchDir();
    const clone = scratchDir();
    for (const to of [copy, clone]) cpSync(dir, to, { recursive: true });
    await grow(first, 10, 'b');
    await ask(asking(first, upstream, witness));
    first.close();
    // The copy is put back: the witness knows more. It grows past that before it is asked: the witness knows it otherwise.
    for (const [folder, actions] of [
      [copy, 0],
      [clone, 60],
    ] as const) {
      const back = await signedJournal(folder);
      await grow(back, actions, folder);
      expect(modeUnderHolds('live', back.journal.projection)).toBe('live');
      await ask(asking(back, upstream, witness));
      expect(back.journal.projection.liveHolds.rows.get('forked')).toContain('a second one of its name');
      expect(modeUnderHolds('live', back.journal.projection)).toBe('propose_only');
      const { state } = back.checkpoints;
      expect(state.origin).not.toBe(origin);
      expect(state.source).toBe(state.origin);
      back.close();
      const trust = parseTrust(`log ${state.key}\nquorum none\n`) as Trust;
      expect(proveFolder(folder, trust)).toMatchObject({ kind: 'proved' });
      const row = incarnationIn(folder);
      expect(row).toMatchObject({ cause: 'forked', cosigned, origin: state.origin });
    }
    // The one that the witness knows goes on undisturbed.
    const again = await signedJournal(dir);
    await ask(asking(again, upstream, witness));
    expect(again.journal.projection.liveHolds.rows.size).toBe(0);
    expect(again.checkpoints.state.origin).toBe(origin);
    again.close();
  });

  it('that answers something else is no reason to leave live, and is asked again later (row 112)', async () => {
    const witness = new Witness('witness.example/w1', () => AT_S);
    const upstream = await upstreamWith(witness);
    const signed = await signedJournal(scratchDir());
    onTestFinished(() => signed.close());
    witness.enrol(signed.checkpoints.state.key);
    upstream.trouble({ kind: 'refuse', status: 500 }, { kind: 'refuse', status: 409 }, { kind: 'lose_response' });
    for (let i = 0; i < 3; i++) await ask(asking(signed, upstream, witness));
    const other = new Witness('witness.example/w1', () => AT_S);
    await ask(asking(signed, upstream, other));
    expect(signed.journal.projection.liveHolds.rows.size).toBe(0);
    expect(signed.checkpoints.state.cosigned).toBeNull();
  });

  it('W1 cosigns only what continues what it cosigned before, whatever it is shown', () => {
    const signer = signerFrom(newKey());
    const key = noteKey('log.example', LOG_KEY, signer.publicKey);
    const leaves = Array.from({ length: 120 }, (_, i) => Buffer.alloc(32, i));
    const subtree = (from: number, count: number): Buffer =>
      count === 1 ? (leaves[from] as Buffer) : nodeHash(subtree(from, count / 2), subtree(from + count / 2, count / 2));
    const pair = fc.tuple(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 120 }));
    fc.assert(
      fc.property(pair, fc.nat(), ([a, b], which) => {
        const [old, size] = [Math.min(a, b), Math.max(a, b)];
        const witness = new Witness('w', () => AT_S);
        witness.enrol(keyText(key));
        const show = (from: number, proof: readonly Buffer[], at: number, root: Buffer) =>
          witness.addCheckpoint(
            `old ${from}\n${proof.map((one) => `${one.toString('base64')}\n`).join('')}\n${signNote(checkpointText(key.name, at, root), key, signer)}`,
          );
        expect(show(0, [], old, rootAt(subtree, old)).status).toBe(200);
        const proof = consistencyProof(subtree, old, size);
        if (proof.length > 0) {
          const wrong = proof.with(which % proof.length, Buffer.alloc(32, 255));
          expect(show(old, wrong, size, rootAt(subtree, size)).status).toBe(422);
        }
        expect(show(old, proof, size, Buffer.alloc(32, 254)).status).toBe(old === size ? 409 : 422);
        expect(show(old + 1, [], size + 1, Buffer.alloc(32)).status).toBe(409);
        expect(show(old, proof, size, rootAt(subtree, size)).status).toBe(200);
        expect(witness.sizeOf(key.name)).toBe(size);
      }),
      { numRuns: 60 },
    );
  });
});

function incarnationIn(folder: string): unknown {
  const db = new Database(join(folder, 'journal.db'), { readonly: true });
  const last = db.prepare("SELECT body FROM entries WHERE kind = 'incarnation/1' ORDER BY seq DESC LIMIT 1").pluck();
  const body = last.get() as string;
  db.close();
  return JSON.parse(body);
}
