/** Times as they are handed in, never read from a clock. */

/** Seconds since the epoch of an RFC 3339 time, or null when `text` is not one. */
export function epochS(text: string): number | null {
  try {
    return Math.floor(Temporal.Instant.from(text).epochMilliseconds / 1_000);
  } catch {
    return null;
  }
}

/** Minutes since midnight of `22:00` or of a local time such as `2026-07-02T22:00:00`. */
export function minuteOfDay(text: string): number {
  const match = /(\d\d):(\d\d)/.exec(text);
  if (match === null) throw new TypeError(`no time of day in '${text}'`);
  return Number(match[1]) * 60 + Number(match[2]);
}

const DAY_MIN = 24 * 60;

/** Minutes since the window `from`–`to` ended last; null inside it. The window may span midnight. */
export function minutesSince(window: { readonly from: string; readonly to: string }, minute: number): number | null {
  const after = (start: string): number => (minute - minuteOfDay(start) + DAY_MIN) % DAY_MIN;
  const sinceStart = after(window.from);
  const sinceEnd = after(window.to);
  return sinceStart < sinceEnd ? null : sinceEnd;
}

/** `45 min`, `2 h 10 min`. */
export function spoken(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`;
}
