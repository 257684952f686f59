/** The policy files of an operator, read from disk and compiled as one set; with a single finding there is no policy (G-PS-3). */
import { createHash } from 'node:crypto';
import { canonicalPolicy, type Finding, inOrder, loadPolicy, type Policy } from '@fibric/policy';
import { LIMITS } from '@fibric/sdk';
import type { PolicySourceHash } from '../journal/entries.ts';
import type { PolicyFile } from './site.ts';
import { readBytes, wholeFile } from './source.ts';

export type PolicyRead =
  /** The site names no file. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'ok';
      readonly policy: Policy;
      /** What a careful person looks at twice. */
      readonly warnings: readonly Finding[];
      readonly sources: readonly PolicySourceHash[];
    }
  | { readonly kind: 'bad'; readonly findings: readonly Finding[] };

/** `names`: the capabilities that it may speak about. `unreadable` makes the finding for a file that cannot be read. */
export function readPolicy(
  files: readonly PolicyFile[],
  names: ReadonlySet<string>,
  unreadable: (file: string, why: string) => Finding = wholeFile,
): PolicyRead {
  if (files.length === 0) return { kind: 'none' };
  const read = files.map(({ file, path }) => ({ file, bytes: readBytes(path) }));
  const findings = read.flatMap(({ file, bytes }) => (typeof bytes === 'string' ? [unreadable(file, bytes)] : []));
  const there = read.flatMap(({ file, bytes }) => (typeof bytes === 'string' ? [] : [{ file, bytes }]));
  const texts = there.map(({ file, bytes }) => ({ file, text: bytes.toString('utf8') }));
  // A tool is called by its capability.
  const loaded = loadPolicy(texts, { capabilities: names, tools: names });
  if ('findings' in loaded) return { kind: 'bad', findings: inOrder([...findings, ...loaded.findings]) };
  if (findings.length > 0) return { kind: 'bad', findings };
  const { length } = canonicalPolicy(loaded.policy);
  if (length > LIMITS.policyChars) {
    const why = `its rules take ${length} characters in canonical form, at most ${LIMITS.policyChars}: match with globs, or share rules`;
    return { kind: 'bad', findings: [wholeFile(there[0]?.file ?? '', why)] };
  }
  const sources = there.map(({ file, bytes }) => ({ file, sha256: createHash('sha256').update(bytes).digest('hex') }));
  return { kind: 'ok', ...loaded, sources };
}
