/** Signing policy files, away from the gateway: the private key never comes near it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { keyId, signatureOf, versionOf } from '@fibric/gateway/config/policy-signature';
import { type Signer, signerFrom } from '@fibric/gateway/proof/ed25519';
import { FibricError, messageOf } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { document, line } from '../print.ts';

export async function sign({ args, options, io }: Call): Promise<ExitCode> {
  if (options.key === undefined)
    throw new FibricError('invalid_parameter', 'say with which key: --key <file>, an Ed25519 private key as PEM');
  const signer = signerOf(resolve(io.cwd, options.key));
  const [file = ''] = args;
  const path = resolve(io.cwd, file);
  const bytes = readOr(path);
  const before = versionOf(path);
  const counter = options.counter ?? (before ?? 0) + 1;
  if (before !== null && counter < before)
    throw new FibricError(
      'policy_rollback',
      `${file} is signed as version ${before} already: ${counter} would be refused`,
    );
  writeFileSync(`${path}.sig`, signatureOf(bytes, signer, counter));
  const [key, public_key] = [keyId(signer.publicKey), signer.publicKey.toString('base64')];
  if (options.json) document(io, { object: 'policy_signature', file: `${file}.sig`, counter, key, public_key });
  else {
    line(io, `${file}.sig  version ${counter}, key ${key}`);
    io.err(`sites that trust it: gateway: { policy_keys: ['${public_key}'] }`);
  }
  return EXIT.done;
}

function readOr(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new FibricError('config_unreadable', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

function signerOf(path: string): Signer {
  const pem = readOr(path).toString('utf8');
  try {
    return signerFrom(pem);
  } catch (error) {
    throw new FibricError('invalid_parameter', `${path} is not an Ed25519 private key as PEM`, { cause: error });
  }
}
