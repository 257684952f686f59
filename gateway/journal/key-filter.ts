/**
 * A Bloom filter over the keys of a sealed segment: an idempotency key that is new, as nearly all are, is looked up in none of the
 * segments instead of in each. It may send somebody to look in vain; it never says of a key that is there that it is not.
 */

/** With so many bits and probes for a key, one in a hundred that are not there is looked for. */
const BITS_PER_KEY = 10;
const PROBES = 7;

/** Where the bits of a key are: keys are hashes in hex, so that parts of them are as good as further hashes. */
function* probesOf(key: string, bits: number): Generator<number> {
  const start = Number.parseInt(key.slice(0, 8), 16);
  const step = Number.parseInt(key.slice(8, 16), 16);
  for (let i = 0; i < PROBES; i++) yield (start + i * step) % bits;
}

/** The filter of these keys, each at least 16 hexadecimal digits of a hash. */
export function filterOf(keys: readonly string[]): Buffer {
  const filter = Buffer.alloc(Math.ceil((keys.length * BITS_PER_KEY) / 8));
  for (const key of keys)
    for (const bit of probesOf(key, filter.length * 8)) filter[bit >> 3] = (filter[bit >> 3] ?? 0) | (1 << (bit & 7));
  return filter;
}

/** False: the key is certainly not among those of the filter. */
export function mayHold(filter: Buffer, key: string): boolean {
  for (const bit of probesOf(key, filter.length * 8))
    if (((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  return true;
}
