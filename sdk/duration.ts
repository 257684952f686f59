/** Durations in configuration: a number and a unit, as `250ms`, `5s`, `15m`, `4h`, `2d`. Converted once, to milliseconds. */
import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration such as `15m`, or null when `text` is not one. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
  if (!match) return null;
  return Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
}

const EXPECTED = 'expected a duration such as 250ms, 5s, 15m, 4h or 2d';

/** Zod schema: text such as `15m` in, milliseconds out. */
export const duration = z.string({ error: EXPECTED }).transform((text, context) => {
  const ms = parseDuration(text);
  if (ms === null) {
    context.addIssue({ code: 'custom', message: `${EXPECTED}, got '${text}'` });
    return z.NEVER;
  }
  return ms;
});

/** A duration in words short enough for a log line: `250ms`, `5s`, `1.5m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms >= UNIT_MS[unit]) return `${Number((ms / UNIT_MS[unit]).toFixed(1))}${unit}`;
  }
  return `${Math.round(ms)}ms`;
}
