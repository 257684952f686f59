/** What to say, and to do, when the server cannot be reached or does not let us in. */
import type { ConnectionStatus } from '@fibric/sdk';
import { endpointOf, type ConnectionOptions } from './options.ts';
import { ownCertificate } from './pki.ts';
import { listRejected, trustedFolder } from './rejected.ts';

/** Why there is no link; `detail` is a sentence for people. */
export interface Failure {
  readonly kind: 'failed';
  readonly status: ConnectionStatus;
  readonly detail: string;
}

function untrustedServer(stateDir: string): string {
  const file = listRejected(stateDir)[0]?.file;
  const where = file === undefined ? '' : ` It lies in ${file}: compare it with the server's and, if it is the same,`;
  return `the server's certificate is not trusted.${where || ' To trust it,'} move it to ${trustedFolder(stateDir)}`;
}

/** The sentences, by what the library or the server said; the first that matches. */
const SENTENCES: readonly {
  readonly said: RegExp;
  readonly status: ConnectionStatus;
  readonly detail: (match: RegExpMatchArray, options: ConnectionOptions, stateDir: string) => string;
}[] = [
  {
    said: /Certificate verification failed.*(BadCertificateUntrusted|BadCertificateChainIncomplete)/s,
    status: 'pending_auth',
    detail: (_match, _options, stateDir) => untrustedServer(stateDir),
  },
  {
    said: /Certificate verification failed.*?(Bad\w+)/s,
    status: 'error',
    detail: (match) => `the server's certificate cannot be accepted: ${match[1]}`,
  },
  {
    said: /BadIdentityToken\w+|BadUserAccessDenied|BadUserSignatureInvalid/,
    status: 'pending_auth',
    detail: (match, { auth }) =>
      auth === undefined
        ? `the server does not let in anonymous users (${match[0]}): give user and pass under auth`
        : `the server refuses user name or password (${match[0]}): check the secret slots ${auth.user} and ${auth.pass}`,
  },
  {
    said: /Cannot find (ANONYMOUS|USERNAME) user token policy/,
    status: 'pending_auth',
    detail: (match) =>
      match[1] === 'ANONYMOUS'
        ? 'the server does not let in anonymous users: give user and pass under auth'
        : 'the server offers no login by user name: leave out auth',
  },
  {
    said: /BadSecurityChecksFailed|BadCertificate\w+|BadApplicationSignatureInvalid/,
    status: 'pending_auth',
    detail: (match, _options, stateDir) =>
      `the server does not accept our certificate (${match[0]}): have it trust ${ownCertificate(stateDir)}`,
  },
  {
    said: /Cannot find an Endpoint matching|End point must exist|cannot find endpoint/i,
    status: 'error',
    detail: (_match, { security }) => `the server offers no endpoint with security ${security.mode}`,
  },
  {
    said: /BadTooManySessions/,
    status: 'error',
    detail: () => 'the server takes no more sessions: close another client, or wait for a broken one to time out',
  },
  {
    said: /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET/,
    status: 'error',
    detail: (match, options) => {
      const { host, port } = endpointOf(options);
      return `${host}:${port} cannot be reached: ${match[0]}`;
    },
  },
];

/** A failure in our own words, from whatever was said; unknown sayings are passed on in their first line. */
export function explain(said: string, options: ConnectionOptions, stateDir: string): Failure {
  for (const { said: pattern, status, detail } of SENTENCES) {
    const match = said.match(pattern);
    if (match) return { kind: 'failed', status, detail: detail(match, options, stateDir) };
  }
  return { kind: 'failed', status: 'error', detail: said.split('\n')[0] ?? said };
}
