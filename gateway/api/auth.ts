/**
 * Who may ask: whoever can read the token file of the data folder. The only randomness of the API is drawn here.
 *
 * A2 The token is 256 random bits in a file of mode 0600, compared in constant time, and never logged.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The token of this data folder, made on first start: 64 hexadecimal digits in `<data>/token`. */
export function ensureToken(dataDir: string): string {
  const file = join(dataDir, 'token');
  const token = readToken(file);
  if (token !== null) {
    chmodSync(file, 0o600);
    return token;
  }
  const made = randomBytes(32).toString('hex');
  writeFileSync(file, `${made}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return made;
}

function readToken(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return /^[0-9a-f]{64}$/.test(text) ? text : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** True when an `Authorization` header carries the token (RFC 6750 §2.1). */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
  return given !== undefined && timingSafeEqual(sha256(given), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** `req_` and 96 random bits: names one request in answers and logs. */
export function newRequestId(): string {
  return `req_${randomBytes(12).toString('hex')}`;
}
