/**
 * Pages over HTTP, signed as Standard Webhooks say (standardwebhooks.com, 1.0.0): `webhook-id` names the page for ever,
 * `webhook-signature` is HMAC-SHA256 over id, time and body. Redirects are not followed, and nothing of the answer is shown.
 */
import { createHmac } from 'node:crypto';
import { type Clock, messageOf } from '@fibric/sdk';
import { type Channel, keyOf } from './channel.ts';

export interface WebhookOptions {
  readonly id: string;
  readonly url: string;
  /** Name of the secret slot to sign with; null: not signed. */
  readonly secret: string | null;
  readonly clock: Clock;
  readonly secretOf: (slot: string) => string | null;
}

const ENCODED = 'whsec_';

/** A secret is text, or bytes in base64 behind `whsec_`. */
export function signature(secret: string, id: string, seconds: number, body: string): string {
  const key = secret.startsWith(ENCODED) ? Buffer.from(secret.slice(ENCODED.length), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

export function webhookChannel({ id, url, secret, clock, secretOf }: WebhookOptions): Channel {
  return {
    id,
    label: `webhook ${new URL(url).origin}`,
    async send(message, signal) {
      const body = JSON.stringify(message);
      const seconds = Math.floor(clock.wallMs() / 1_000);
      const key = secret === null ? null : secretOf(secret);
      if (secret !== null && key === null) throw new Error(`secret slot ${secret} is empty`);
      const signed = key === null ? {} : { 'webhook-signature': signature(key, keyOf(message), seconds, body) };
      const headers = { 'webhook-id': keyOf(message), 'webhook-timestamp': String(seconds), ...signed };
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/json', ...headers },
        body,
        signal,
      }).catch((error: unknown) => {
        throw new Error(reasonOf(error), { cause: error });
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answered with status ${response.status}`);
    },
  };
}

/** `fetch` says only that it failed; why is in the cause: a code of the system, or a sentence. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : messageOf(cause ?? error);
}
