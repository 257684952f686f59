import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyFault, newKey, signerFrom, verifies } from './ed25519.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const MESSAGE = Buffer.from('gw/receipts/1\n1\n');

/** The eight points of small order, and what else decodes to one of them. */
const SMALL = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
];
const NOT_CANONICAL = [
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];

describe('Ed25519', () => {
  it('verifies what a key signed, and nothing else', () => {
    const signer = signerFrom(newKey());
    const signature = signer.sign(MESSAGE);
    expect(verifies(signer.publicKey, MESSAGE, signature)).toBe(true);
    expect(verifies(signer.publicKey, Buffer.from('another'), signature)).toBe(false);
    expect(verifies(signerFrom(newKey()).publicKey, MESSAGE, signature)).toBe(false);
    expect(verifies(signer.publicKey, MESSAGE, signature.subarray(1))).toBe(false);
  });

  it.each(SMALL)('refuses the key of small order %s, which one signature fits for any message (row 106)', (key) => {
    expect(keyFault(hex(key))).toBe('a public key of small order');
    // R the neutral element and S zero solve the equation of RFC 8032 for every message or for one in eight.
    const forAll = Buffer.concat([hex(SMALL[0] as string), Buffer.alloc(32)]);
    for (let i = 0; i < 16; i++) expect(verifies(hex(key), Buffer.from(`message ${i}`), forAll)).toBe(false);
  });

  it.each(NOT_CANONICAL)('refuses the key %s, which is not canonical (row 106)', (key) => {
    expect(keyFault(hex(key))).toBe('a public key that is not canonical');
  });

  it('refuses a signature that is not canonical: the same one with the order added to S (row 106)', () => {
    const signer = signerFrom(newKey());
    const signature = signer.sign(MESSAGE);
    const s = BigInt(`0x${Buffer.from(signature.subarray(32).toReversed()).toString('hex')}`) + L;
    const more = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').toReversed();
    expect(verifies(signer.publicKey, MESSAGE, Buffer.concat([signature.subarray(0, 32), more]))).toBe(false);
  });

  it('takes no private key of another kind', () => {
    const { privateKey } = generateKeyPairSync('ed448');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(() => signerFrom(pem)).toThrow('not an Ed25519 key');
  });
});
