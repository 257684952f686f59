/**
 * Detached signatures of policy files: `policy.yaml.sig` beside `policy.yaml` says which key stands for these very bytes, and which
 * version of the file they are.
 *
 * P9 Where a site names the keys that it trusts, a policy file counts only with a signature of one of them, and never an older version than
 *    one that has counted.
 */
import { createHash } from 'node:crypto';
import { checkYaml, type Finding } from '@fibric/policy';
import { z } from 'zod';
import { keyFault, type Signer, verifies } from '../proof/ed25519.ts';
import type { PolicyFile } from './site.ts';
import { readBytes, wholeFile } from './source.ts';

const FORM = 'fibric-policy-signature/1';

const signatureFile = z.strictObject({
  form: z.literal(FORM),
  /** The id of the key: the first 16 hex digits of the SHA-256 of its 32 bytes. */
  key: z.string().regex(/^[0-9a-f]{16}$/, 'expected the id of a key, 16 hex digits'),
  /** Which version of the file it is: rises with every change. */
  counter: z.int().min(1),
  /** Of the policy file. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hex'),
  /** Ed25519 over `signedText`, base64. */
  signature: z.base64(),
});

export interface Signed {
  readonly key: string;
  readonly counter: number;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export const keyId = (publicKey: Buffer): string => sha256(publicKey).slice(0, 16);

/** A public key as site files write it: 32 bytes in base64. Or why it is none. */
export function publicKeyOf(text: string): Buffer | string {
  const key = Buffer.from(text, 'base64');
  if (key.toString('base64') !== text)
    return 'expected an Ed25519 public key in base64, such as `fibric policy sign` prints';
  return keyFault(key) ?? key;
}

/** What is signed: the form, the version and the hash of the file, a line each. */
const signedText = (counter: number, hash: string): Buffer => Buffer.from(`${FORM}\n${counter}\n${hash}\n`);

/** The text of the signature file for `bytes`. */
export function signatureOf(bytes: Buffer, signer: Signer, counter: number): string {
  const hash = sha256(bytes);
  const signature = signer.sign(signedText(counter, hash)).toString('base64');
  return `${JSON.stringify({ form: FORM, key: keyId(signer.publicKey), counter, sha256: hash, signature }, null, 2)}\n`;
}

/** The version that a signature file speaks of; null when there is none that can be read. */
export function versionOf(path: string): number | null {
  const bytes = readBytes(`${path}.sig`);
  const read = typeof bytes === 'string' ? null : checkYaml(bytes.toString('utf8'), path, signatureFile);
  return read && 'value' in read ? read.value.counter : null;
}

/** Who signed a policy file, and as which version; or what is wrong with that. `keys`: the public keys that are trusted, in base64. */
export function signedBy(
  { file, path }: PolicyFile,
  bytes: Buffer,
  keys: readonly string[],
): Signed | readonly Finding[] {
  const refused = (why: string): readonly Finding[] => [wholeFile(file, `policy_signature: ${why}`)];
  const text = readBytes(`${path}.sig`);
  if (typeof text === 'string')
    return refused(`this site takes only signed policies, and of ${file}.sig is said: ${text}`);
  const read = checkYaml(text.toString('utf8'), `${file}.sig`, signatureFile);
  if ('findings' in read) return read.findings;
  const { key, counter, sha256: hash, signature } = read.value;
  const trusted = keys.map((one) => Buffer.from(one, 'base64')).find((one) => keyId(one) === key);
  if (trusted === undefined) return refused(`it is signed by the key ${key}, which this site does not trust`);
  if (sha256(bytes) !== hash) return refused('it was changed after it was signed');
  if (!verifies(trusted, signedText(counter, hash), Buffer.from(signature, 'base64')))
    return refused(`its signature is not one of the key ${key}`);
  return { key, counter };
}
