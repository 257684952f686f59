/** A mail server on a real socket, which can be taken away and come back on the same port. */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export const MAIL_USER = { user: 'gateway', pass: 'canary4711' } as const;

export class MailReceiver {
  /** The mails as they came, head and body. */
  readonly mails: string[] = [];
  #server: SMTPServer | null = null;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  /** Message-IDs of what was received, in order. */
  get ids(): readonly string[] {
    return this.mails.map((mail) => /^Message-ID: <(.+)>\r?$/im.exec(mail)?.[1] ?? 'none');
  }

  async up(): Promise<void> {
    const server = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      authOptional: true,
      onAuth({ username, password }, _session, answer) {
        const known = username === MAIL_USER.user && password === MAIL_USER.pass;
        answer(known ? null : new Error(`no such user: ${username} with ${password}`), { user: username });
      },
      onData: (stream, _session, answer) => {
        let mail = '';
        stream.on('data', (chunk: Buffer) => void (mail += chunk.toString()));
        stream.on('end', () => {
          this.mails.push(mail);
          answer(null);
        });
      },
    });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', () => resolve()));
    this.#port = (server.server.address() as AddressInfo).port;
    this.#server = server;
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }
}
