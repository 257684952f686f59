/** The small words that site files and profiles are written in. */
import { EVENT_TYPE_PATTERN, LIMITS, parseEntityKey } from '@fibric/sdk';
import { z } from 'zod';
import { parseTime } from '../system.ts';

export const deviceId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected a name of letters, digits, dots and dashes, such as fcu-412');
export const connectionId = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'expected a lower-case name, such as field');
export const profileName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected the name of a profile without .yaml, such as fan-coil-unit');
export const pointName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'expected a lower-case name, such as supply_temperature');
export const operatorName = z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'expected a name such as ship-risk');
/** As a person is called; what stands in a row for anybody else has a colon or is not asked for. */
export const personName = z
  .string({ error: 'expected the name of a person' })
  .trim()
  .min(1)
  .max(LIMITS.nameChars)
  .regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@+'-]*$/u, 'expected the name of a person');
export const slot = z
  .string()
  .regex(
    /^[A-Z][A-Z0-9_]{0,63}$/,
    'expected the name of a secret slot, such as UPSTREAM_TOKEN, never the secret itself',
  );
export const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected an id of letters, digits, dots and dashes');
export const eventType = z
  .string()
  .regex(EVENT_TYPE_PATTERN, 'expected an event type of at least two lower-case words, such as zone.temperature');
export const eventGlob = z
  .string()
  .regex(/^([a-z][a-z0-9_]*|\*)(\.([a-z][a-z0-9_]*|\*))+$/, 'expected an event type or a glob such as zone.*');

export const entity = z.string().transform((text, context) => {
  const parsed = parseEntityKey(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: 'custom', message: `expected kind:id such as zone:412, got '${text.slice(0, 60)}'` });
  return z.NEVER;
});

/** RFC 3339 with its offset, as milliseconds since the epoch. */
export const instant = z.iso
  .datetime({ offset: true, error: 'expected a time such as 2026-01-05T06:00:00Z' })
  .transform((text) => {
    const ms = parseTime(text);
    if (ms === null) throw new Error(`an ISO time that is no time: ${text}`);
    return ms;
  });

export const timezone = z.string().refine(isTimezone, { error: 'expected an IANA time zone such as Europe/Stockholm' });

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '' && !/^[-+]/.test(name);
  } catch {
    return false;
  }
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8480` or `[::1]:8480`; port 0 lets the system choose. */
export const address = z.string().transform((text, context): Address => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { host: match[1] ?? match[2] ?? '', port };
  context.addIssue({
    code: 'custom',
    message: `expected host:port such as 127.0.0.1:8480, got '${text.slice(0, 60)}'`,
  });
  return z.NEVER;
});

/** True for addresses that never leave this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback(host: string): boolean {
  return /^127(\.\d{1,3}){3}$/.test(host) || host === '::1' || host.toLowerCase() === 'localhost';
}
