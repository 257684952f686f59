/**
 * One request to the upstream and what its answer means. The published events API is all that is used: `POST /v1/events`.
 *
 * Y3 The answer decides: stored, try the same again later, refused for good, or refused altogether.
 * Y4 The token is sent to the upstream only (redirects are not followed), and never logged, also when the upstream or the
 *    runtime repeats it in an error.
 */
import { type Clock, messageOf } from '@fibric/sdk';
import { parseTime } from '../system.ts';

/** One thing to send. The body is made from what the journal or the log holds: the same key always has the same body. */
export interface Item {
  /** `<gateway_uid>:<receipt_id or event_id>`: what the thing is, so that the receiver keeps it once. */
  readonly key: string;
  readonly body: string;
}

/** What the answer says the caller does next (Y3). */
export type Answer =
  /** The upstream has it. `pauseMs`: its rate limit is used up for so long. */
  | { readonly kind: 'stored'; readonly pauseMs: number }
  /** Nothing is wrong with the item: the same again, after `afterMs` if the upstream said when. */
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs: number | null }
  /** The upstream will never take this item. */
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly reason: string }
  /** Not the item but the credential is refused: nothing is sent until there is another. */
  | { readonly kind: 'locked_out'; readonly reason: string }
  /** The upstream holds us for another tenant: nothing may be sent any more. */
  | { readonly kind: 'wrong_tenant'; readonly reason: string };

export interface UplinkOptions {
  readonly url: string;
  readonly token: string | null;
  readonly clock: Clock;
}

const REQUEST_MS = 15_000;
/** What a header value can hold (RFC 9110 §5.5), as far as a token needs it. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;
const LONGEST_WAIT_MS = 3_600_000;

/** Posts one item and reads the answer to its end. Does not throw. */
export async function post(item: Item, options: UplinkOptions, signal: AbortSignal): Promise<Answer> {
  // The runtime's own complaint about such a header would show the token.
  if (options.token !== null && !HEADER_SAFE.test(options.token)) {
    return { kind: 'locked_out', reason: 'it holds characters that no header can' };
  }
  const deadline = new AbortController();
  const timer = options.clock.after(REQUEST_MS, () => deadline.abort(new Error(`no answer within ${REQUEST_MS} ms`)));
  const { token } = options;
  try {
    const response = await fetch(new URL('v1/events', baseOf(options.url)), {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': item.key,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
      body: item.body,
      signal: AbortSignal.any([signal, deadline.signal]),
    });
    const text = withoutToken(await response.text(), token);
    return readAnswer(response.status, response.headers, text, options.clock.wallMs());
  } catch (error) {
    return { kind: 'retry', reason: networkReason(error), afterMs: null };
  } finally {
    timer.cancel();
  }
}

/** What the upstream says is shown to people (Y4). In a JSON text the token stands as JSON writes it. */
function withoutToken(text: string, token: string | null): string {
  return token === null ? text : text.replaceAll(JSON.stringify(token).slice(1, -1), '[redacted]');
}

/** The site file's URL may or may not end in `/` or `/v1`. */
export function baseOf(url: string): string {
  return url.replace(/\/*(v1)?\/*$/, '/');
}

/** `fetch` says only that it failed; why is in the cause: a code of the system, or a sentence. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : messageOf(cause ?? error);
}

/** What a response means. Pure, so that every row of the table can be tried. */
export function readAnswer(status: number, headers: Headers, text: string, wallMs: number): Answer {
  const body = parseObject(text);
  if (status >= 200 && status < 300) {
    // A captive portal also says 200. Only the upstream answers with a JSON object.
    if (body !== null) return { kind: 'stored', pauseMs: ratePause(headers, wallMs) };
    return { kind: 'retry', reason: `status ${status} without a JSON object: not the upstream`, afterMs: null };
  }
  const error = (body?.error ?? {}) as { code?: unknown; message?: unknown };
  const code = typeof error.code === 'string' ? error.code : `http_${status}`;
  const reason = typeof error.message === 'string' ? `${code}: ${error.message}` : code;
  if (code === 'tenant_mismatch') return { kind: 'wrong_tenant', reason };
  if (status === 429 || (status === 409 && code === 'entity_locked')) {
    return { kind: 'retry', reason, afterMs: retryAfter(headers, wallMs) };
  }
  // Every item would be refused alike: burying them one by one would lose the upstream its history.
  if (status === 401 || code === 'insufficient_scope') return { kind: 'locked_out', reason };
  if (status >= 400 && status < 500) return { kind: 'refused', status, code, reason };
  return { kind: 'retry', reason: `status ${status} ${reason}`, afterMs: retryAfter(headers, wallMs) };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** `Retry-After` in milliseconds, seconds or a date (RFC 9110 §10.2.3); null when there is none. */
function retryAfter(headers: Headers, wallMs: number): number | null {
  const text = headers.get('retry-after')?.trim();
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : (parseTime(text) ?? Number.NaN) - wallMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_WAIT_MS) : null;
}

/** Zero requests left of the tenant's rate: wait for the reset (unix seconds) instead of running into 429. */
function ratePause(headers: Headers, wallMs: number): number {
  if (headers.get('x-ratelimit-remaining')?.trim() !== '0') return 0;
  const resetMs = Number(headers.get('x-ratelimit-reset') ?? Number.NaN) * 1_000 - wallMs;
  return Number.isFinite(resetMs) ? Math.min(Math.max(resetMs, 0), 60_000) : 1_000;
}
