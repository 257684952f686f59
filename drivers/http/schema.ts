/** What a site file may say of a connection to an HTTP system. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import { CONNECTORS } from './connectors/index.ts';

const slot = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'the name of a secret slot, such as PMS_KEY');

function parsedUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

const baseUrl = z
  .string()
  .refine((text) => /^https?:$/.test(parsedUrl(text)?.protocol ?? ''), { error: 'a URL such as https://pms.example' })
  .refine((text) => !parsedUrl(text)?.username && !parsedUrl(text)?.password, {
    error: 'secrets do not stand in a URL: name their slot in `auth`',
  })
  .refine((text) => !parsedUrl(text)?.search && !parsedUrl(text)?.hash, { error: 'a URL without ? and #' });

export const connectionSchema = z.strictObject({
  connector: z.enum(CONNECTORS.map(({ name }) => name)),
  /** Everything that the connector asks for lies below it. */
  url: baseUrl,
  /** Left out: the system asks for no credentials. */
  auth: z.strictObject({ secret: slot }).optional(),
  /** For a probe; what an operator asks for has a time of its own. */
  timeout: duration.refine((ms) => ms >= 100 && ms <= 60_000, 'between 100ms and 1m').prefault('5s'),
});
export type HttpConnection = z.output<typeof connectionSchema>;

/** Host and port of a connection. */
export function httpEndpoint(connection: HttpConnection): { readonly host: string; readonly port: number } {
  const url = new URL(connection.url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port) };
}
