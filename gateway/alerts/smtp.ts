/**
 * Pages by mail. The page's name is the Message-ID (RFC 5322 §3.6.4), so that a mail that comes twice is seen to. Of what the server
 * says only its code is shown: it may repeat what it was told.
 */
import { LIMITS } from '@fibric/sdk';
import { type Channel, headline, type PageMessage } from './channel.ts';

export interface SmtpOptions {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit' | 'none';
  readonly from: string;
  readonly to: readonly string[];
  /** Slots of user name and password; null: the server asks for none. */
  readonly auth: { readonly user: string; readonly pass: string } | null;
  readonly secretOf: (slot: string) => string | null;
}

export function smtpChannel(options: SmtpOptions): Channel {
  const { id, host, port, tls, from, to } = options;
  return {
    id,
    label: `smtp ${host}:${port}`,
    async send(message, signal) {
      const auth = credentials(options);
      const { createTransport } = await import('nodemailer');
      const transport = createTransport({
        host,
        port,
        secure: tls === 'implicit',
        requireTLS: tls === 'starttls',
        ignoreTLS: tls === 'none',
        ...(auth === null ? {} : { auth }),
        connectionTimeout: LIMITS.alertSendMs,
        greetingTimeout: LIMITS.alertSendMs,
        socketTimeout: LIMITS.alertSendMs,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const given = Promise.withResolvers<never>();
      const giveUp = (): void => given.reject(signal.reason);
      signal.addEventListener('abort', giveUp, { once: true });
      try {
        signal.throwIfAborted();
        const mail = { from, to: [...to], subject: headline(message).slice(0, 200), text: text(message) };
        const messageId = `<${message.id}.${message.gateway}@fibric>`;
        await Promise.race([transport.sendMail({ ...mail, messageId }).catch(failed), given.promise]);
      } finally {
        signal.removeEventListener('abort', giveUp);
        transport.close();
      }
    },
  };
}

function credentials({ auth, secretOf }: SmtpOptions): { readonly user: string; readonly pass: string } | null {
  if (auth === null) return null;
  const [user, pass] = [auth.user, auth.pass].map((slot) => {
    const value = secretOf(slot);
    if (value === null) throw new Error(`secret slot ${slot} is empty`);
    return value;
  }) as [string, string];
  return { user, pass };
}

function failed(error: unknown): never {
  const { code, responseCode } = error as { readonly code?: unknown; readonly responseCode?: unknown };
  const said = [code, responseCode].filter((part) => typeof part === 'string' || typeof part === 'number');
  throw new Error(`the mail was not taken${said.length === 0 ? '' : `: ${said.join(' ')}`}`, { cause: error });
}

function text(message: PageMessage): string {
  const {
    text: words,
    operator,
    capability,
    entity_key,
    count,
    kinds,
    at,
    gateway,
    id,
    action_id,
    provenance,
  } = message;
  const told = Object.entries(kinds).map(([kind, many]) => `${kind}: ${many}`);
  const lines: readonly (readonly [string, string | null])[] = [
    ['operator', operator],
    ['capability', capability],
    ['entity', entity_key],
    ['action', action_id],
    ['alerts', count === 1 ? null : `${count} (${told.join(', ')})`],
    ['at', at],
    ['id', `${gateway}:${id}`],
    ['world', provenance === 'simulated' ? 'simulated: nothing of this is real' : null],
  ];
  return [words, '', ...lines.flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]))].join('\n');
}
