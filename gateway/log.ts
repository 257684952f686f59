/**
 * The log of the process: one JSON object a line on standard error.
 *
 * G1 What stands under a name that holds secrets is not written, at any depth; nor are credentials inside a URL.
 */
import { type Clock, isoTime, type Log } from '@fibric/sdk';
import pino, { type DestinationStream } from 'pino';

type Fields = Readonly<Record<string, unknown>>;

export interface GatewayLog extends Log {
  /** The same log with these fields on every line. */
  child(fields: Fields): GatewayLog;
}

const SECRET_NAME = /^(pass|passwd|password|secret|token|authorization|cookie|credentials?|api_?key|private_?key)$/i;
const URL_CREDENTIALS = /(\/\/)[^\s/@]+@/g;
const REDACTED = '[redacted]';
/** Deeper, a field is not for a log line. */
const DEEPEST = 6;

/** Writes to standard error unless told otherwise. Lines are written at once: the last ones before a crash matter most. */
export function createLog(
  clock: Clock,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): GatewayLog {
  const base = pino(
    {
      base: null,
      timestamp: () => `,"time":"${isoTime(clock.wallMs())}"`,
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
  return wrap(base);
}

function wrap(logger: pino.Logger): GatewayLog {
  return {
    info: (fields, message) => logger.info(redactFields(fields), redactText(message)),
    warn: (fields, message) => logger.warn(redactFields(fields), redactText(message)),
    error: (fields, message) => logger.error(redactFields(fields), redactText(message)),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
}

function redactFields(fields: Fields): Record<string, unknown> {
  return redact(fields, 0) as Record<string, unknown>;
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEEPEST) return '[deep]';
  if (value instanceof Error)
    return { type: value.name, message: redactText(value.message), stack: redactText(value.stack ?? '') };
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    SECRET_NAME.test(key) ? REDACTED : redact(inner, depth + 1),
  ]);
  return Object.fromEntries(entries) as unknown;
}

function redactText(text: string): string {
  return text.replace(URL_CREDENTIALS, `$1${REDACTED}@`);
}
