/**
 * Bloom filters over the keys of sealed segments: an idempotency key that is new, as nearly all are, is looked up in none of the
 * segments instead of in each. They may send somebody to look in vain; they never say of a key that is there that it is not.
 */

/**
 * At the least so many bits a key, less than twice that at the most. A segment full of intents and receipts has 16, with which one key in
 * two thousand that is not there is looked for: a journal has hundreds of segments.
 */
const LEAST_BITS_PER_KEY = 12;
const PROBES = 8;
/** Segments whose filters are looked at as one word. */
const GROUP = 32;

/** A key as every filter sees it: its bits are at `start`, and then every `step`. */
interface Probe {
  readonly start: number;
  readonly step: number;
}

/**
 * Of a key of at least 14 hexadecimal digits of a hash, parts of which are as good as further hashes. Filters have a power of two of
 * bits: an odd step comes to a bit twice only once it has been to all.
 */
const probeOf = (key: string): Probe => ({
  start: Number.parseInt(key.slice(0, 7), 16),
  step: Number.parseInt(key.slice(7, 14), 16) | 1,
});

/** The filter of these keys, in whatever order. */
export function filterOf(keys: readonly string[]): Buffer {
  let bits = 8;
  while (bits < keys.length * LEAST_BITS_PER_KEY) bits *= 2;
  const filter = Buffer.alloc(bits / 8);
  const mask = bits - 1;
  for (const { start, step } of keys.map(probeOf)) {
    let bit = start & mask;
    for (let i = 0; i < PROBES; i++, bit = (bit + step) & mask)
      filter[bit >> 3] = (filter[bit >> 3] as number) | (1 << (bit & 7));
  }
  return filter;
}

/** The filters of up to 32 segments side by side: each word is the same bit of all of them. */
interface Group {
  words: Uint32Array;
  readonly segments: number[];
}

/** A filter said twice over knows the same keys: smaller ones stand beside larger ones like that. */
function widened(words: Uint32Array, bits: number): Uint32Array {
  const wide = new Uint32Array(bits);
  for (let at = 0; at < bits; at += words.length) wide.set(words, at);
  return wide;
}

/** The filters of all segments: a look at hundreds of them is a few words of each group. */
export class KeyFilters {
  readonly #groups: Group[] = [];

  /** Takes in the filter of a segment newer than all before. */
  add(segment: number, filter: Buffer): void {
    const bits = filter.length * 8;
    let group = this.#groups.at(-1);
    if (group === undefined || group.segments.length === GROUP) {
      group = { words: new Uint32Array(bits), segments: [] };
      this.#groups.push(group);
    }
    if (group.words.length < bits) group.words = widened(group.words, bits);
    const { words, segments } = group;
    const column = segments.push(segment) - 1;
    for (let at = 0; at < words.length; at += 8) {
      const byte = filter[(at >> 3) & (filter.length - 1)] as number;
      for (let bit = 0; bit < 8; bit++) words[at + bit] = (words[at + bit] as number) | (((byte >> bit) & 1) << column);
    }
  }

  /** The segments that may hold the key, the newest first; all others certainly do not. */
  mayHold(key: string): readonly number[] {
    const { start, step } = probeOf(key);
    const found: number[] = [];
    for (let at = this.#groups.length - 1; at >= 0; at--) {
      const { words, segments } = this.#groups[at] as Group;
      const mask = words.length - 1;
      let columns = -1;
      let bit = start & mask;
      for (let i = 0; i < PROBES && columns !== 0; i++, bit = (bit + step) & mask) columns &= words[bit] as number;
      while (columns !== 0) {
        const column = 31 - Math.clz32(columns);
        found.push(segments[column] as number);
        columns &= ~(1 << column);
      }
    }
    return found;
  }
}
