import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAIL_USER, MailReceiver } from '../../test/support/mail-receiver.ts';
import type { PageMessage } from './channel.ts';
import { smtpChannel, type SmtpOptions } from './smtp.ts';

const message: PageMessage = {
  ...{ object: 'alert', gateway: 'gw_1', id: 'al_1', site: 'Hotel', tenant_id: 't_1', workspace_id: null },
  ...{ provenance: 'live', severity: 'critical', kind: 'unknown', kinds: { unknown: 2 }, count: 2 },
  ...{ operator: 'floor', capability: 'gate.pulse', entity_key: 'gate:B', action_id: null },
  ...{ text: 'gate.pulse for gate:B ended as unknown', at: '2026-07-01T08:00:00.000Z' },
};
let server: MailReceiver;
beforeEach(async () => {
  server = new MailReceiver();
  await server.up();
});
afterEach(() => server.down());

function send(over: Partial<SmtpOptions> = {}, signal = new AbortController().signal): Promise<void> {
  const place = { id: 's', host: '127.0.0.1', port: server.port, tls: 'none' } as const;
  const mail = { from: 'gateway@example.com', to: ['duty@example.com', 'night@example.com'], auth: null };
  return smtpChannel({ ...place, ...mail, secretOf: () => null, ...over }).send(message, signal);
}

const AUTH = { user: 'MAIL_USER', pass: 'MAIL_PASS' };
const slots = (values: Readonly<Record<string, string>>) => (slot: string) => values[slot] ?? null;

describe('a mail', () => {
  it('carries the page to everybody, under its name for ever', async () => {
    await send({ auth: AUTH, secretOf: slots({ MAIL_USER: MAIL_USER.user, MAIL_PASS: MAIL_USER.pass }) });
    // Long header lines are folded (RFC 5322 §2.2.3).
    const mail = server.mails[0]?.replaceAll('\r\n ', ' ');
    expect(server.ids).toEqual(['al_1.gw_1@fibric']);
    expect(mail).toContain('To: duty@example.com, night@example.com');
    expect(mail).toContain('Subject: [critical] Hotel: gate.pulse for gate:B ended as unknown (2 alerts)');
    for (const line of ['entity: gate:B', 'alerts: 2 (unknown: 2)', 'id: gw_1:al_1']) expect(mail).toContain(line);
  });

  it('cannot be made into another by what an alert says', async () => {
    const text = 'a\r\nBcc: everybody@example.com\r\n\r\n.\r\nMAIL FROM:<x@example.com>';
    const channel = smtpChannel({
      ...{ id: 's', host: '127.0.0.1', port: server.port, tls: 'none', from: 'a@example.com', to: ['b@example.com'] },
      ...{ auth: null, secretOf: () => null },
    });
    await channel.send({ ...message, text }, new AbortController().signal);
    expect(server.mails).toHaveLength(1);
    expect(server.mails[0]?.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  });

  it('has not been taken by a server that is away, refuses the password, or knows no TLS; no reason holds a secret', async () => {
    const wrong = { auth: AUTH, secretOf: slots({ MAIL_USER: MAIL_USER.user, MAIL_PASS: 'wrong-canary' }) };
    await expect(send(wrong)).rejects.toThrow(/^the mail was not taken: EAUTH 535$/);
    await expect(send({ auth: AUTH })).rejects.toThrow('secret slot MAIL_USER is empty');
    await expect(send({ tls: 'starttls' })).rejects.toThrow(/^the mail was not taken: ETLS/);
    await server.down();
    await expect(send()).rejects.toThrow(/^the mail was not taken: E/);
    expect(server.mails).toEqual([]);
  });

  it('is given up when it takes too long', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const late = new AbortController();
    const sent = send({ port: (silent.address() as { port: number }).port }, late.signal);
    late.abort(new Error('too late'));
    await expect(sent).rejects.toThrow('too late');
    silent.close();
  });
});
