import { hash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ends } from '../../test/support/ends.ts';
import { actionOf, appendApplied, intentOf, planOf, receiptOf } from '../../test/support/rows.ts';
import { signedJournal } from '../../test/support/signed-journal.ts';
import { canonicalText } from '../journal/canonical.ts';
import { GENESIS } from '../journal/entries.ts';
import { Block, type Line } from './block.ts';
import { Blocks, ENOUGH, looked, startHelper } from './blocks.ts';
import { rowLine, verifyBundle } from './bundle.ts';
import { commitment } from './commitment.ts';
import { exportBundle } from './export.ts';
import { logOf } from './folder.ts';
import { READ } from './shape.ts';
import { parseTrust, type Trust } from './trust.ts';
import { Verifier } from './verifier.ts';

const end = ends();
const SALT = '000102030405060708090a0b0c0d0e0f';
const filler = (seq: number): string =>
  row(canonicalText({ type: 'run/1', seq, prev: 'p', at: 'a', text: 'x'.repeat(90_000) }));
const row = (body: string): string => rowLine(hash('sha256', `\0${body}`, 'hex'), body);

function blockOf(text: string): Block {
  const block = Block.ofBytes(Buffer.byteLength(text));
  block.filled(block.bytes.write(text));
  return block;
}

function linesOf(block: Block): readonly Line[] {
  const lines: Line[] = [];
  for (let line = block.next(); line !== null; line = block.next()) lines.push(line);
  return lines;
}

const look = (...lines: readonly string[]): readonly Line[] => {
  const block = blockOf(`${lines.join('\n')}\n`);
  expect(block.look()).toBe(true);
  return linesOf(block);
};

const text = (lines: readonly Line[]): readonly (string | null)[] =>
  lines.map((line) => (line.kind === 'other' ? line.bytes.toString() : null));

describe('a block of lines', () => {
  const intent = '{"action_id":"a","at":"t","more":[{"seq":1}],"prev":"p","seq":5,"type":"intent/1","why_c":null}';

  it('knows a row by the hash of its bytes, and what is read of it', () => {
    const leaf = hash('sha256', `\0${intent}`, 'hex');
    const read = { action_id: 'a', at: 't', prev: 'p', seq: 5, type: 'intent/1', why_c: null };
    expect(look(row(intent))).toEqual([{ kind: 'row', length: intent.length + 69, leaf, row: read }]);
  });

  it('leaves a row as it was whose hash is another, that is not plain, or of which more is read', () => {
    const rows = [
      row(intent).replace('"seq":5', '"seq":6'),
      row(intent).toUpperCase(),
      row(intent.replace('"a"', '"ä"')),
      row(intent.replace(',"at"', ', "at"')),
      row('{"epoch":1,"type":"boot/1"}'),
      row('[]'),
      row(''),
      `${row(intent)} `,
    ];
    expect(text(look(...rows))).toEqual(rows);
  });

  it('knows an opening and what it opens to', () => {
    for (const value of ['"because"', '{"a":[1,2.5,null],"b":{}}', '0', `"${'x'.repeat(100_000)}"`]) {
      const [line] = look(`["open","why","${SALT}",${value}]`);
      expect(line).toMatchObject({
        kind: 'opening',
        field: 'why',
        commitment: commitment(Buffer.from(SALT, 'hex'), value),
      });
    }
  });

  it('leaves as it was what is no opening for certain', () => {
    const lines = [
      `["open","why","${SALT.toUpperCase()}",1]`,
      `["open","why","${SALT.slice(1)}",1]`,
      `["open","why","${SALT}0",1]`,
      `["open","why","${SALT}",1,2]`,
      `["open","why","${SALT}",]`,
      `["open","why","${SALT}"]`,
      `["open","why","${SALT}", 1]`,
      `["open","why","${SALT}",1`,
      `["open","why","${SALT}",1]]`,
      `["open","w\\"y","${SALT}",1]`,
      `["open","why","${SALT}","\\n"]`,
      `["open",1,"${SALT}",1]`,
      '["open","',
      '',
      '["end",5]',
    ];
    expect(text(look(...lines))).toEqual(lines);
  });

  it('comes to all of its lines, more than it has room to note', () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => (i % 1_000 === 0 ? row(intent) : String(i)));
    const found = look(...lines);
    expect(text(found)).toEqual(lines.map((line, i) => (i % 1_000 === 0 ? null : line)));
  });

  it('notes nothing where it stood in what was there before', () => {
    const salted = row('{"action_id":"0c0d0e0f","type":"intent/1"}');
    const opening = `["open","why","${SALT}",1]`;
    const [first, second] = [`${'x'.repeat(200)}\n${salted}\n`, `${salted}\n`];
    const place = first.indexOf('0c0d0e0f', 280);
    const padding = 'x'.repeat(place - second.length - opening.indexOf('0c0d0e0f') - 1);
    const block = Block.ofBytes(1_000);
    for (const written of [first, `${second}${padding}\n${opening}\n`]) {
      block.filled(block.bytes.write(written));
      block.look();
    }
    expect(linesOf(block)[0]).toMatchObject({ kind: 'row', row: { action_id: '0c0d0e0f' } });
  });

  it('can be looked at again by who wants to know after looking failed', () => {
    const block = blockOf('1\n');
    block.bytes.indexOf = () => {
      throw new Error('no luck');
    };
    expect(() => block.look()).toThrow('no luck');
    expect(block.looked).toBe(false);
    Reflect.deleteProperty(block.bytes, 'indexOf');
    expect(block.look()).toBe(true);
    expect(text(linesOf(block))).toEqual(['1']);
  });

  it('is looked at once, by a helper as by this thread', () => {
    const lines = Array.from({ length: 20 }, (_, i) => [
      `["open","why","${SALT}",${i}]`,
      row(intent),
      filler(i),
      '?',
    ]).flat();
    const blocks = [0, 1, 2].map(() => blockOf(`${lines.join('\n')}\n`));
    const calls = new Int32Array(new SharedArrayBuffer(4));
    const helper = startHelper(calls, blocks);
    onTestFinished(async () => void (await helper.terminate()));
    const head = new Int32Array((blocks[2] as Block).shared, 0, 1);
    for (let state = head[0]; !blocks[2]?.looked; state = Atomics.load(head, 0))
      expect(Atomics.wait(head, 0, state as number, 10_000)).not.toBe('timed-out');
    for (const block of blocks) {
      while (!block.looked) block.wait();
      expect(block.look()).toBe(false);
      expect(linesOf(block)).toEqual(look(...lines));
    }
    Atomics.store(calls, 0, ENOUGH);
    Atomics.notify(calls, 0);
  });
});

describe('while a helper looks at a block', () => {
  /** A helper that takes a block, does not come to an end for a while, and leaves it in this state. */
  const SLOW = `
    const { head, left } = require('node:worker_threads').workerData;
    Atomics.compareExchange(head, 0, 1, 2);
    Atomics.notify(head, 0);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    Atomics.store(head, 0, left);
    Atomics.notify(head, 0);`;

  it.each([
    ['it is waited for', 3],
    ['what it fails at is done here', 1],
  ])('the next is looked at, and then %s', (_, left) => {
    const [first, second] = [blockOf('1\n'), blockOf('2\n')] as [Block, Block];
    const head = new Int32Array(first.shared, 0, 1);
    const helper = new Worker(SLOW, { eval: true, workerData: { head, left } });
    onTestFinished(async () => void (await helper.terminate()));
    while (head[0] === 1) Atomics.wait(head, 0, 1, 10_000);
    expect(looked(first, [first, second])).toBe(first);
    expect([first, second].map((block) => block.looked)).toEqual([true, true]);
    expect(head[0]).toBe(3);
    expect(text(linesOf(second))).toEqual(['2']);
    expect(text(linesOf(first))).toEqual(['1']);
  });
});

describe('a file in blocks', () => {
  it('is all of its lines in their order, and what stands behind the last', () => {
    const lines = Array.from({ length: 400 }, (_, i) => (i % 7 === 0 ? `${i}` : filler(i)));
    const file = join(end.folder(), 'lines');
    writeFileSync(file, `${lines.join('\n')}\nrest`);
    const fd = openSync(file, 'r');
    const blocks = new Blocks(fd, 1_000_000);
    onTestFinished(() => {
      blocks.close();
      closeSync(fd);
    });
    const found: unknown[] = [];
    for (let block = blocks.next(); block !== null; block = blocks.next())
      for (const line of linesOf(block))
        found.push(line.kind === 'row' ? (line.row as { seq: number }).seq : line.kind);
    expect(found).toEqual(lines.map((_, i) => (i % 7 === 0 ? 'other' : i)));
    expect(blocks.rest.toString()).toBe('rest');
  });
});

describe('of a row of a kind that is common', () => {
  const plan_id = 'pl_00000001';
  const stamp = { at: 't', prev: GENESIS, clock: {} };
  const action = actionOf(plan_id, 0);
  const waiting = { approvers: 2, expires_ms: 0, breakers: [], policy_hash: null, rules: [], asked: null };
  const plan = { ...planOf(plan_id, [action]), actions: [{ status: 'awaiting', action, waiting }] };
  const receipt = { ...receiptOf(action, 'unknown', 1), reasoning_c: null };
  const rows = [plan, intentOf(action, 1), receipt, { type: 'run/1' }].map((one) => ({ ...stamp, seq: 1, ...one }));

  it.each(rows.map((one) => [one.type, one] as const))('nothing is read that is not noted: %s', (_, one) => {
    const names = new Set<string>();
    const watched = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? Array.isArray(value)
          ? value.map(watched)
          : value
        : new Proxy(value, {
            get(from, name) {
              names.add(String(name));
              return watched(from[name as never]);
            },
          });
    // The rows before it are not there: it is looked at for itself.
    const verifier = new Verifier(null);
    verifier.skip(1, [Buffer.alloc(32)]);
    const fault = verifier.row({ stated: GENESIS, leaf: GENESIS, content: { value: watched({ ...one, seq: 2 }) } });
    expect(fault).toBeNull();
    expect([...names].filter((name) => !(READ as readonly string[]).includes(name) && !name.endsWith('_c'))).toEqual(
      [],
    );
    expect(names.size).toBeGreaterThan(3);
  });
});

describe('a bundle of many blocks', () => {
  let whole: Buffer;
  let trust: Trust;
  const proofOf = (bytes: Buffer) => {
    const file = join(end.folder(), 'bundle');
    writeFileSync(file, bytes);
    return verifyBundle(file, trust);
  };

  beforeAll(async () => {
    const dir = end.folder();
    const signed = await signedJournal(dir);
    for (let i = 0; i < 400; i++) {
      const args = { note: 'n'.repeat(20_000) };
      appendApplied(signed.journal, { intent_key: `x:zone:${i}:y`, occurrence: 'once', args });
    }
    await signed.journal.durable();
    signed.close();
    trust = parseTrust(`log ${logOf(dir).key}\nquorum none\n`) as Trust;
    const file = join(end.folder(), 'bundle');
    exportBundle(dir, { from: undefined, to: undefined }, file);
    whole = readFileSync(file);
  });

  it('is proved with a helper, and refused at the row that was changed, wherever that is (row 103)', () => {
    expect(whole.length).toBeGreaterThan(14_000_000);
    const proof = proofOf(whole);
    expect(proof).toMatchObject({ kind: 'proved', receipts: 400, open_intents: 0, opened: 1_200, withheld: 0 });
    expect(proofOf(whole.subarray(0, -1_000_000))).toMatchObject({ kind: 'incomplete' });
    for (const part of [0.1, 0.5, 0.63, 0.8, 0.99]) {
      const at = Math.floor(whole.length * part);
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 1;
      const rows = whole.subarray(0, whole.lastIndexOf(10, at)).toString().split('\n');
      const before = rows.filter((line) => /^\["[0-9a-f]{64}"/.test(line)).length;
      expect(proofOf(changed)).toMatchObject({ kind: 'tampered', seq: before + 1 });
    }
  });
});
