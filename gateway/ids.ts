/**
 * Ids, minted by the box and by nobody else.
 *
 * I1 Ids rise in the order they were minted, also when the clock stands still or goes back.
 * I2 Two boots never mint the same id, even in the same millisecond: the tail is drawn once a boot.
 * I3 Consecutive ids differ in a few characters only, so that a log of them stays compressible.
 */
import type { Clock, Random } from '@fibric/sdk';

/** Ids of one millisecond: the twelve bits `rand_a` of RFC 9562 §5.7 count. */
const PER_MS = 4_096;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export interface Ids {
  /** A time-ordered UUID of version 7 (RFC 9562 §5.7). */
  uuid(): string;
  /** An opaque id such as `rc_…`, time-ordered among those of its prefix. */
  next(prefix: IdPrefix): string;
}

/** The prefixes of the contract, §7. */
export type IdPrefix =
  | 'ev'
  | 'op'
  | 'cn'
  | 'pl'
  | 'act'
  | 'rc'
  | 'grd'
  | 'ap'
  | 'ls'
  | 'al'
  | 'run'
  | 'req'
  | 'cur'
  | 'co';

export function createIds(clock: Clock, random: Random): Ids {
  const bits = (count: number): number => Math.floor(random.next() * 2 ** count);
  const uuidTail = `${(0x8000 + bits(14)).toString(16)}-${hex(bits(48), 12)}`;
  const opaqueTail = bits(40).toString(36).padStart(8, '0');
  let ms = 0;
  let count = PER_MS;
  let uuidHead = '';
  let opaqueHead = '';

  function advance(): void {
    const now = Math.floor(clock.wallMs());
    if (now <= ms && count < PER_MS - 1) {
      count += 1;
      return;
    }
    // A clock that went back, or a millisecond that is used up: borrow from the future rather than repeat or disorder.
    ms = Math.max(now, ms + 1);
    count = 0;
    const time = hex(ms, 12);
    uuidHead = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    opaqueHead = ms.toString(36).padStart(9, '0');
  }

  return {
    uuid() {
      advance();
      return `${uuidHead}${hex(count, 3)}-${uuidTail}`;
    },
    next(prefix) {
      advance();
      return `${prefix}_${opaqueHead}${count.toString(36).padStart(3, '0')}${opaqueTail}`;
    },
  };
}

/** When an id of `Ids.uuid` was minted, milliseconds of its clock; null for any other text. */
export function uuidTimeMs(uuid: string): number | null {
  return UUID_V7.test(uuid) ? Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) : null;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
