import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HookReceiver } from '../../test/support/hook-receiver.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import type { PageMessage } from './channel.ts';
import { webhookChannel } from './webhook.ts';

const message = { object: 'alert', gateway: 'gw_1', id: 'al_1', text: 'set' } as PageMessage;
const KEY = 'canary4711';
let receiver: HookReceiver;
beforeEach(async () => {
  receiver = new HookReceiver();
  await receiver.up();
});
afterEach(() => receiver.down());

function send(secret: string | null = 'HOOK', value: string | null = KEY, signal = new AbortController().signal) {
  const clock = new VirtualClock();
  const channel = webhookChannel({ id: 'w', url: receiver.url, secret, clock, secretOf: () => value });
  return channel.send(message, signal);
}

describe('a webhook', () => {
  it('carries the page, its name for ever, and a signature that the receiver can check', async () => {
    await send();
    const [{ headers, body }] = receiver.received as [(typeof receiver.received)[0]];
    expect(JSON.parse(body)).toEqual(message);
    expect(headers['webhook-id']).toBe('gw_1:al_1');
    const signed = `gw_1:al_1.${String(headers['webhook-timestamp'])}.${body}`;
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
  });

  it('takes a key in base64 as Standard Webhooks write it, and goes unsigned where the site names no secret', async () => {
    await send('HOOK', `whsec_${Buffer.from(KEY).toString('base64')}`);
    await send(null);
    const [signed, plain] = receiver.received;
    const text = `gw_1:al_1.${String(signed?.headers['webhook-timestamp'])}.${signed?.body}`;
    expect(signed?.headers['webhook-signature']).toBe(`v1,${createHmac('sha256', KEY).update(text).digest('base64')}`);
    expect(plain?.headers['webhook-signature']).toBeUndefined();
  });

  it.each([
    ['refuses', 500, 'it answered with status 500'],
    ['sends it elsewhere', 307, 'it answered with status 307'],
  ])('that %s has not taken it', async (_, status, reason) => {
    receiver.status = status;
    await expect(send()).rejects.toThrow(reason);
  });

  it('that is away, that takes too long, or whose secret is missing has not taken it; no reason holds the secret', async () => {
    await expect(send('HOOK', null)).rejects.toThrow('secret slot HOOK is empty');
    await expect(send('HOOK', KEY, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    await receiver.down();
    await expect(send()).rejects.toThrow('ECONNREFUSED');
    expect(receiver.received).toEqual([]);
  });
});
