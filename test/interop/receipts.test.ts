/**
 * Two verifiers, written apart from docs/RECEIPTS.md, in two languages: whatever is done to a bundle, both say the same of it. Every
 * change is made from its number, and the bundles are the same bytes in every run: a number that failed fails again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Proof } from '@fibric/gateway/journal/types';
import { verifyBundle } from '@fibric/gateway/proof/bundle';
import { parseTrust, type Trust } from '@fibric/gateway/proof/trust';
import { beforeAll, describe, expect, test } from 'vitest';
import { diceOf } from '../simulate/dice.ts';
import { ends } from '../support/ends.ts';
import { against, PythonVerifier, pythonVerify } from './peers.ts';
import { type Bundle, type Keys, linesOf, realBundles, rowLine, rowText, textOf, TRUSTS } from './receipt-bundles.ts';
import { EDGES, trustTexts } from './receipt-edges.ts';
import { FORGERIES, type Mutation, MUTATIONS } from './receipt-mutations.ts';

const end = ends();
/** Bundles that are with both verifiers at once. */
const BATCH = 100;

interface Verifiers {
  readonly trust: Trust;
  readonly python: PythonVerifier;
}

interface Changed {
  readonly what: string;
  readonly from: Bundle;
  readonly bytes: Buffer;
}

/** What is compared: all but the words. */
function said(proof: Proof): object {
  const { reason: _, ...rest } = { reason: null, ...proof };
  return rest;
}

against(['python3-cryptography'], () => {
  let folder: string;
  let bundles: readonly Bundle[];
  let keys: Keys;
  const verifiers = new Map<string, Verifiers>();

  beforeAll(async () => {
    folder = end.folder();
    bundles = await realBundles(folder);
    keys = (bundles[0] as Bundle).keys;
    for (const [name, textFor] of Object.entries(TRUSTS)) {
      const file = join(folder, `${name}.trust`);
      writeFileSync(file, textFor(keys));
      const python = end.add(new PythonVerifier(file), (one) => one.end());
      verifiers.set(name, { trust: parseTrust(textFor(keys)) as Trust, python });
    }
  });

  function ours(bytes: Buffer, trust: Trust): Proof {
    const file = join(folder, 'changed');
    writeFileSync(file, bytes);
    return verifyBundle(file, trust);
  }

  /** Both verifiers on each; the verdicts, which are the same. */
  async function bothSay(changed: readonly Changed[], trusted: string): Promise<readonly Proof[]> {
    const { trust, python } = verifiers.get(trusted) as Verifiers;
    const theirs = changed.map(({ bytes }) => python.verify(bytes));
    const proofs = changed.map(({ bytes }) => ours(bytes, trust));
    for (const [i, proof] of (await Promise.all(theirs)).entries()) {
      const what = [changed[i]?.what, trusted];
      expect([...what, said(proof)]).toEqual([...what, said(proofs[i] as Proof)]);
    }
    return proofs;
  }

  async function bothSayOfAll(
    count: number,
    mutations: Readonly<Record<string, Mutation>>,
    check: (proof: Proof, of: Changed) => void,
  ) {
    const kinds: Record<string, number> = {};
    for (let from = 0; from < count; from += BATCH) {
      const changed: Changed[] = [];
      for (let seed = from; seed < Math.min(from + BATCH, count); seed++) changed.push(change(seed, mutations));
      const trusted = [...verifiers.keys()][(from / BATCH) % verifiers.size] as string;
      for (const [i, proof] of (await bothSay(changed, trusted)).entries()) {
        kinds[proof.kind] = (kinds[proof.kind] ?? 0) + 1;
        check(proof, changed[i] as Changed);
      }
    }
    return kinds;
  }

  function change(seed: number, mutations: Readonly<Record<string, Mutation>>): Changed {
    const dice = diceOf(seed);
    const [name, mutation] = dice.pick(Object.entries(mutations));
    const from = mutations === FORGERIES ? (bundles[0] as Bundle) : dice.pick(bundles);
    return { what: `${seed}: ${name} of ${from.name}`, from, bytes: mutation(from, dice) };
  }

  test('both prove the bundles of a real journal', async () => {
    const changed = bundles.map((from) => ({ what: from.name, from, bytes: from.bytes }));
    const kinds = new Map<string, readonly string[]>();
    for (const trusted of verifiers.keys())
      kinds.set(
        trusted,
        (await bothSay(changed, trusted)).map(({ kind }) => kind),
      );
    expect(Object.fromEntries(kinds)).toEqual({
      'the log alone': ['proved', 'proved', 'proved'],
      // What came after the last cosignature is not covered.
      'one witness of two': ['incomplete', 'proved', 'proved'],
      'both witnesses': ['incomplete', 'proved', 'proved'],
    });
  });

  test('both say the same of 10 000 changes, and nothing that was changed is covered by a signature (row 103)', {
    timeout: 600_000,
  }, async () => {
    const kinds = await bothSayOfAll(10_000, MUTATIONS, (proof, { what, from, bytes }) => {
      if (proof.kind !== 'proved' && proof.kind !== 'incomplete') return;
      const shown = shownUpTo(bytes, proof.checkpoint?.size ?? 0, proof.kind === 'proved');
      const signed = new Set(from.lines.map(String));
      expect([what, shown.filter((line) => !signed.has(line))]).toEqual([what, []]);
    });
    // Mostly they are found out; where a text is no longer shown, or the file was cut, nothing is wrong with what is left.
    expect(kinds['tampered']).toBeGreaterThan(6_000);
    expect(kinds['incomplete']).toBeGreaterThan(500);
    expect(kinds['proved']).toBeGreaterThan(200);
    expect(kinds['bad_input']).toBeGreaterThan(100);
  });

  test('both say the same of what somebody wrote who has the keys', { timeout: 300_000 }, async () => {
    const kinds = await bothSayOfAll(2_000, FORGERIES, () => undefined);
    expect(kinds['tampered']).toBeGreaterThan(800);
    expect(kinds['proved']).toBeGreaterThan(100);
  });

  describe('at the bounds', () => {
    test.each(Object.entries(EDGES))('both say the same of %s', { timeout: 60_000 }, async (name, [kind, lines]) => {
      const from = bundles[0] as Bundle;
      const [proof] = await bothSay([{ what: name, from, bytes: textOf(lines(from)) }], 'the log alone');
      expect(proof?.kind).toBe(kind);
    });
  });

  test('both take and refuse the same trust files', { timeout: 120_000 }, async () => {
    const bundle = join(folder, 'all');
    for (const [text, good] of trustTexts(keys)) {
      const file = join(folder, 'some.trust');
      writeFileSync(file, text);
      const trust = parseTrust(text);
      expect([text, typeof trust === 'object']).toEqual([text, good]);
      const { code, out } = await pythonVerify(bundle, '--trust', file, '--json');
      if (typeof trust === 'string') expect([text, code]).toEqual([text, 2]);
      else {
        const { object: _, ...proof } = JSON.parse(out) as Proof & { readonly object: string };
        expect([text, said(proof)]).toEqual([text, said(ours(readFileSync(bundle), trust))]);
      }
    }
  });

  test('the one in Python ends as the command does', async () => {
    const [bundle, cut, forged, none, trust] = ['all', 'cut', 'forged', 'none', 'the log alone.trust'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string, string];
    const { bytes, lines } = bundles[0] as Bundle;
    writeFileSync(cut, bytes.subarray(0, -9));
    const row = rowText(lines[1] as Buffer) as string;
    writeFileSync(forged, textOf(linesOf(bytes).with(1, rowLine(row.replace('"site":"s"', '"site":"t"')))));
    const codes = [bundle, cut, forged, trust, none].map(
      async (file) => (await pythonVerify(file, '--trust', trust)).code,
    );
    expect(await Promise.all(codes)).toEqual([0, 7, 6, 2, 4]);
  });
});

/** Rows that a signature covers, and what is opened of them. A proof covers all rows but those about the tree itself at its end. */
function shownUpTo(bytes: Buffer, size: number, proved: boolean): readonly string[] {
  const shown: string[] = [];
  let opened: string[] = [];
  // A last line without its newline is not looked at.
  for (const line of linesOf(bytes.subarray(0, bytes.lastIndexOf(10) + 1))) {
    const text = rowText(line);
    if (text === null) {
      if (line.toString().startsWith('["open"')) opened.push(line.toString());
      continue;
    }
    const { seq, type } = JSON.parse(text) as { readonly seq: number; readonly type: string };
    const aboutTheTree = type === 'checkpoint/1' || type === 'cosignature/1';
    if (seq <= size || (proved && !aboutTheTree)) shown.push(...opened, line.toString());
    opened = [];
  }
  return shown;
}
