/**
 * Ed25519 (RFC 8032) through the runtime, with checks that RFC 8032 leaves open and runtimes answer differently: for a public key of
 * small order one signature fits any message (G-R-10).
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

/** The field's prime, and the group's order. */
const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
/** The y coordinates of the eight points whose order divides eight. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  P - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

const littleEndian = (bytes: Buffer): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`);

/** Why these bytes are no public key to trust, or null. */
export function keyFault(key: Buffer): string | null {
  if (key.length !== 32) return `a public key has 32 bytes, not ${key.length}`;
  const y = littleEndian(key) & ((1n << 255n) - 1n);
  if (y >= P) return 'a public key that is not canonical';
  return SMALL_ORDER_Y.has(y) ? 'a public key of small order' : null;
}

/** Whether `signature` is that of `key` over `message`. False for a key or signature that is not canonical. */
export function verifies(key: Buffer, message: Buffer, signature: Buffer): boolean {
  if (keyFault(key) !== null || signature.length !== 64 || littleEndian(signature.subarray(32)) >= L) return false;
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') };
  return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
}

export interface Signer {
  readonly publicKey: Buffer;
  sign(message: Buffer): Buffer;
}

const signerOf = (key: KeyObject): Signer => ({
  publicKey: Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url'),
  sign: (message) => sign(null, message, key),
});

/** From PEM (PKCS #8). Throws for anything that is not an Ed25519 private key. */
export function signerFrom(pem: string): Signer {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key');
  return signerOf(key);
}

/** A new private key as PEM (PKCS #8). */
export function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}
