/** Chance with a seed: the same seed and labels give the same numbers on every machine, in whatever order they are asked for. */
import type { Random } from '@fibric/sdk';

/** FNV-1a, 32 bit, started from `basis`: spreads a label over the state of the generator. */
function hash(text: string, basis: number): number {
  let h = basis;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** sfc32 (Chris Doty-Humphrey's Small Fast Counter), seeded with the hash of `seed` and `labels`. */
export function seededRandom(seed: number, ...labels: readonly (string | number)[]): Random {
  const text = [seed, ...labels].join('/');
  let a = hash(text, 0x811c9dc5);
  let b = hash(text, 0x9e3779b9);
  let c = hash(text, 0x85ebca6b);
  let counter = 1;
  const next = (): number => {
    const out = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return (out >>> 0) / 4_294_967_296;
  };
  for (let i = 0; i < 12; i++) next();
  return { next };
}

/** True with the given probability. */
export function chance(random: Random, probability: number): boolean {
  return random.next() < probability;
}

/** Uniform between `from` and `to`. */
export function between(random: Random, from: number, to: number): number {
  return from + random.next() * (to - from);
}

/** A whole number from `from` to `to`, both included. */
export function wholeBetween(random: Random, from: number, to: number): number {
  return from + Math.floor(random.next() * (to - from + 1));
}
