/**
 * One GET: credentials attached, answer bounded in time and size, every way to fail named.
 *
 * D7 The answer shows by its `fibric-world` header which world it comes from; the wrong one is not even read.
 */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type Auth, type ConnectionStatus, FibricError, LIMITS, type World, messageOf } from '@fibric/sdk';

/** A request that failed, and what that says of the connection: null when it says nothing. */
export class HttpFailure extends FibricError {
  readonly status: ConnectionStatus | null;

  constructor(code: FibricError['code'], status: ConnectionStatus | null, message: string) {
    super(code, message);
    this.status = status;
  }
}

export interface RequestContext {
  readonly base: string;
  readonly auth: Auth;
  readonly world: World;
  readonly secret: (slot: string) => string | null;
  readonly signal: AbortSignal;
}

/** The parsed JSON at `path` below the connection's URL. Throws `HttpFailure`, or the signal's own reason. */
export async function getJson(
  context: RequestContext,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<unknown> {
  const url = new URL(`${context.base.replace(/\/+$/, '')}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const headers = requestHeaders(context);
  let response: IncomingMessage | null = null;
  try {
    response = await send(url, headers, context.signal);
    checkWorld(response, context.world, url.host);
    checkStatus(response, `${url.host}${url.pathname}`);
    return parsed(await boundedText(response), url.host);
  } catch (error) {
    if (error instanceof FibricError) throw error;
    if (context.signal.aborted) throw context.signal.reason;
    throw new HttpFailure('connection_failed', 'error', `${url.host}: ${reasonOf(error)}`);
  } finally {
    response?.destroy();
  }
}

/** Not `fetch`: its pool holds sockets open after the answer, and nothing may be left after `stop()` (D5). */
function send(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    request(url, { agent: false, headers, signal }).once('response', resolve).on('error', reject).end();
  });
}

function requestHeaders({ auth, secret }: RequestContext): Readonly<Record<string, string>> {
  const use = (slot: string): string => {
    const value = secret(slot);
    if (!value) throw new HttpFailure('secret_missing', 'pending_auth', `the secret slot ${slot} is empty`);
    // The runtime's own complaint about such a header would show the secret.
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new HttpFailure(
        'secret_missing',
        'pending_auth',
        `the secret slot ${slot} holds characters that no header can`,
      );
    }
    return value;
  };
  const accept = { accept: 'application/json' };
  if (auth.kind === 'bearer') return { ...accept, authorization: `Bearer ${use(auth.secret)}` };
  if (auth.kind === 'api_key') return { ...accept, [auth.header]: use(auth.secret) };
  if (auth.kind === 'none') return accept;
  // RFC 7617 §2
  return { ...accept, authorization: `Basic ${Buffer.from(`${use(auth.user)}:${use(auth.pass)}`).toString('base64')}` };
}

function checkWorld({ headers }: IncomingMessage, world: World, host: string): void {
  const shown = headers['fibric-world']?.toString() ?? null;
  if (world.kind === 'live' && shown === null) return;
  if (world.kind === 'simulated' && shown === world.id) return;
  const who = shown === null ? 'is no simulator' : `is the simulator of world '${shown.slice(0, 64)}'`;
  const here = world.kind === 'live' ? 'this site is live' : `this site is world '${world.id}'`;
  throw new HttpFailure('world_mismatch', 'error', `${host} ${who}, and ${here}`);
}

function checkStatus({ statusCode = 0 }: IncomingMessage, where: string): void {
  if (statusCode >= 200 && statusCode < 300) return;
  const message = `${where} answered ${statusCode}`;
  if (statusCode === 401 || statusCode === 403) throw new HttpFailure('unauthorized', 'pending_auth', message);
  // A redirect is not followed: it would carry credentials and trust to an address that nobody configured.
  // From 400 to 499 the request was at fault, not the system.
  throw new HttpFailure('device_refused', statusCode >= 400 && statusCode < 500 ? null : 'degraded', message);
}

async function boundedText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LIMITS.replyBytes) {
      throw new HttpFailure('bad_payload', 'degraded', `an answer of more than ${LIMITS.replyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string, host: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpFailure('bad_payload', 'degraded', `${host} answered something that is not JSON`);
  }
}

/** An address of several names fails with an error of several errors and no message. */
function reasonOf(error: unknown): string {
  return messageOf(error) || (error instanceof Error && 'code' in error ? String(error.code) : 'no connection');
}
