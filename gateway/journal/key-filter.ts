/**
 * A Bloom filter over the keys of a sealed segment: an idempotency key that is new, as nearly all are, is looked up in none of the
 * segments instead of in each. It may send somebody to look in vain; it never says of a key that is there that it is not.
 */

/** With so many bits and probes for a key, one in two thousand that are not there is looked for: a journal has hundreds of segments. */
const BITS_PER_KEY = 16;
const PROBES = 11;

/** A key as every filter sees it: its bits are at `start`, and then every `step`. */
export interface Probe {
  readonly start: number;
  readonly step: number;
}

/** Of a key of at least 14 hexadecimal digits of a hash, parts of which are as good as further hashes. 28 bits each divide cheaply. */
export const probeOf = (key: string): Probe => ({
  start: Number.parseInt(key.slice(0, 7), 16),
  step: Number.parseInt(key.slice(7, 14), 16),
});

/** The filter of these keys. */
export function filterOf(keys: readonly string[]): Buffer {
  const filter = Buffer.alloc(Math.ceil((keys.length * BITS_PER_KEY) / 8));
  const bits = filter.length * 8;
  for (const { start, step } of keys.map(probeOf)) {
    let bit = start % bits;
    for (let i = 0; i < PROBES; i++, bit = (bit + step) % bits)
      filter[bit >> 3] = (filter[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return filter;
}

/** False: the key is certainly not among those of the filter. */
export function mayHold(filter: Buffer, { start, step }: Probe): boolean {
  const bits = filter.length * 8;
  if (bits === 0) return false;
  let bit = start % bits;
  for (let i = 0; i < PROBES; i++, bit = (bit + step) % bits)
    if (((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  return true;
}
