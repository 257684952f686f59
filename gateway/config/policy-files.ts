/** The policy files of an operator, read from disk and compiled as one set; with a single finding there is no policy (G-PS-3). */
import { canonicalPolicy, type Finding, inOrder, loadPolicy, type Policy } from '@fibric/policy';
import { LIMITS } from '@fibric/sdk';
import type { PolicySourceFile } from '../journal/entries.ts';
import { sha256, signedBy } from './policy-signature.ts';
import type { PolicyFile, Site } from './site.ts';
import { readBytes, wholeFile } from './source.ts';

/** What a site says of policies: the capabilities that they may speak about, and the keys that must have signed them. */
export type PolicyGround = Pick<Site, 'policy_names' | 'policy_keys'>;

export type PolicyRead =
  /** The site names no file. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'ok';
      readonly policy: Policy;
      /** What a careful person looks at twice. */
      readonly warnings: readonly Finding[];
      readonly sources: readonly PolicySourceFile[];
    }
  | { readonly kind: 'bad'; readonly findings: readonly Finding[] };

/** `unreadable` makes the finding for a file that cannot be read. */
export function readPolicy(
  files: readonly PolicyFile[],
  { policy_names: names, policy_keys: keys }: PolicyGround,
  unreadable: (file: string, why: string) => Finding = wholeFile,
): PolicyRead {
  if (files.length === 0) return { kind: 'none' };
  const read = files.map((one) => ({ ...one, bytes: readBytes(one.path) }));
  const findings = read.flatMap(({ file, bytes }) => (typeof bytes === 'string' ? [unreadable(file, bytes)] : []));
  const sources: PolicySourceFile[] = [];
  const texts: { readonly file: string; readonly text: string }[] = [];
  for (const { bytes, ...one } of read) {
    if (typeof bytes === 'string') continue;
    texts.push({ file: one.file, text: bytes.toString('utf8') });
    const signed = keys.length === 0 ? { key: null, counter: null } : signedBy(one, bytes, keys);
    if ('key' in signed) sources.push({ file: one.name, sha256: sha256(bytes), ...signed });
    else findings.push(...signed);
  }
  // A tool is called by its capability.
  const loaded = loadPolicy(texts, { capabilities: names, tools: names });
  if ('findings' in loaded) return { kind: 'bad', findings: inOrder([...findings, ...loaded.findings]) };
  if (findings.length > 0) return { kind: 'bad', findings };
  const { length } = canonicalPolicy(loaded.policy);
  if (length > LIMITS.policyChars) {
    const why = `its rules take ${length} characters in canonical form, at most ${LIMITS.policyChars}: match with globs, or share rules`;
    return { kind: 'bad', findings: [wholeFile(files[0]?.file ?? '', why)] };
  }
  return { kind: 'ok', ...loaded, sources };
}
