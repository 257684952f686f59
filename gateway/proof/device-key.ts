/**
 * The key that the box signs its tree with: a file of the data folder that only its owner reads (G-R-4, G-R-10). The log is named by it,
 * so that a new key is a new log.
 */
import { hash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError, messageOf } from '@fibric/sdk';
import { syncFolder } from '../journal/schema.ts';
import { newKey, type Signer, signerFrom } from './ed25519.ts';
import { LOG_KEY, type NoteKey, noteKey } from './note.ts';

export const KEY_FILE = 'receipt-key';

export interface DeviceKey {
  readonly key: NoteKey;
  readonly signer: Signer;
}

/** The origin of the log that this key signs for a gateway. */
const originOf = (gatewayUid: string, publicKey: Buffer): string =>
  `${gatewayUid}/receipts/${hash('sha256', publicKey, 'hex').slice(0, 16)}`;

/** Makes a new key, durable before it is used; one that was there is written over. */
export function renewKey(dataDir: string, gatewayUid: string): DeviceKey {
  const file = join(dataDir, KEY_FILE);
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(fd, newKey());
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  syncFolder(dataDir);
  return readKey(file, gatewayUid);
}

/** The key of the folder; a new one where there is none. Throws `journal_unsafe` for a file that holds no key. */
export function deviceKey(dataDir: string, gatewayUid: string): DeviceKey {
  const file = join(dataDir, KEY_FILE);
  return existsSync(file) ? readKey(file, gatewayUid) : renewKey(dataDir, gatewayUid);
}

function readKey(file: string, gatewayUid: string): DeviceKey {
  try {
    const signer = signerFrom(readFileSync(file, 'utf8'));
    return { signer, key: noteKey(originOf(gatewayUid, signer.publicKey), LOG_KEY, signer.publicKey) };
  } catch (error) {
    throw new FibricError(
      'journal_unsafe',
      `${file} holds no Ed25519 key that receipts could be signed with (${messageOf(error)}); move it away and a new one is made`,
    );
  }
}
