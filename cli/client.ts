/** Talks to the local API of a running gateway, with the token of its data folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, type ErrorCode, FibricError, messageOf } from '@fibric/sdk';
import { z } from 'zod';
import type { Call } from './call.ts';
import { dataFolder, type Running, runningIn } from './data-folder.ts';

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface Client {
  readonly url: string;
  readonly data: string;
  get<T>(path: string, query?: Query): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  /** Every row of a list, page after page. */
  all<T>(path: string, query?: Query): AsyncGenerator<T>;
  /** The data of each server-sent event, until the gateway ends the stream. */
  stream<T>(path: string, query?: Query): AsyncGenerator<T>;
}

/** A page as the API gives it. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

/** A run that reads, reasons, writes and reads back may take its time. */
const REQUEST_MS = 120_000;
const wireError = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** The gateway that the call means. Throws `not_reachable` when none runs there. */
export async function connect(call: Call): Promise<Client> {
  const data = await dataFolder(call);
  const running = await runningIn(data);
  if (running === null) throw new FibricError('not_reachable', `no gateway runs on ${data}`);
  return clientOf(data, running);
}

export function clientOf(data: string, running: Running): Client {
  const headers = { authorization: `Bearer ${readToken(data)}` };
  const at = (path: string, query: Query = {}): URL => {
    const url = new URL(path, running.url);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    return url;
  };
  const get = async <T>(path: string, query?: Query): Promise<T> =>
    (await answer(at(path, query), { headers, signal: AbortSignal.timeout(REQUEST_MS) })).json() as Promise<T>;
  return {
    url: running.url,
    data,
    get,
    async post<T>(path: string, body?: unknown) {
      const json = body === undefined ? {} : { body: JSON.stringify(body) };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const init = {
        method: 'POST',
        headers: { ...headers, ...type },
        ...json,
        signal: AbortSignal.timeout(REQUEST_MS),
      };
      return (await answer(at(path), init)).json() as Promise<T>;
    },
    async *all<T>(path: string, query: Query = {}) {
      let cursor: string | undefined;
      do {
        const page: Page<T> = await get(path, { limit: 100, ...query, cursor });
        yield* page.data;
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
    },
    async *stream<T>(path: string, query?: Query) {
      const response = await answer(at(path, query), { headers });
      yield* eventData(response) as AsyncGenerator<T>;
    },
  };
}

function readToken(data: string): string {
  const file = join(data, 'token');
  if (!existsSync(file)) throw new FibricError('unauthorized', `no token in ${data}`);
  return readFileSync(file, 'utf8').trim();
}

async function answer(url: URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init).catch((error: unknown) => {
    throw new FibricError('not_reachable', `the gateway at ${url.origin} does not answer: ${messageOf(error)}`);
  });
  if (response.ok) return response;
  const body = wireError.safeParse(await response.json().catch(() => null));
  if (!body.success) throw new FibricError('internal', `${url.pathname} answered with status ${response.status}`);
  const { code, message } = body.data.error;
  throw new FibricError(code in ERRORS ? (code as ErrorCode) : 'internal', message);
}

/** The `data` lines of an event stream; ours are one line each. */
async function* eventData(response: Response): AsyncGenerator<unknown> {
  const text = response.body?.pipeThrough(new TextDecoderStream());
  let rest = '';
  try {
    for await (const chunk of text ?? []) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length));
    }
  } catch (error) {
    throw new FibricError('not_reachable', `the gateway went away: ${messageOf(error)}`);
  }
  throw new FibricError('not_reachable', 'the gateway went away');
}
