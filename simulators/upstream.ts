/**
 * The far end of sync: a receiver of the published events API, `POST /v1/events` with an `Idempotency-Key`, and a witness if it has one.
 *
 * U1 The same key with the same body is stored once and answered with the first answer; with another body it is 409 `idempotency_conflict`.
 * U2 What was stored is kept in the order in which it came.
 * U3 Every error has the shape `{error:{type,code,message,doc_url,request_id}}`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { LoopbackHttp } from './http-server.ts';
import type { Witness } from './witness.ts';

/** One stored event: what was sent, under which key, in which place. */
export interface StoredEvent {
  readonly position: number;
  readonly key: string;
  readonly body: UpstreamEvent;
}

const eventSchema = z.looseObject({
  source: z.string().min(1),
  event_type: z.string().regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/),
  payload: z.record(z.string(), z.unknown()),
  correlation_id: z.string().optional(),
});
export type UpstreamEvent = z.infer<typeof eventSchema>;

/** What the next requests meet, one each, in order; afterwards all is well again. */
export type Trouble =
  /** Nothing is read and nothing is said until `release()`. */
  | { readonly kind: 'stall' }
  | { readonly kind: 'refuse'; readonly status: number; readonly retryAfterS?: number; readonly code?: string }
  /** Stored, but the connection ends before the answer. */
  | { readonly kind: 'lose_response' };

export interface UpstreamOptions {
  readonly port: number;
  /** When given, requests must carry it. */
  readonly token?: string;
  /** How many of the last events to keep; all of them if left out. Keys are kept either way. */
  readonly keep?: number;
  /** Cosigns checkpoints at `/v1/witness`. */
  readonly witness?: Witness;
}

const BODY_LIMIT_BYTES = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'invalid_request_error',
  422: 'validation_error',
  429: 'rate_limit_error',
};

export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #http = new LoopbackHttp();
  #requests = 0;
  #stored = 0;
  readonly #received: StoredEvent[] = [];
  readonly #answers = new Map<string, { readonly digest: string; readonly answer: Answer }>();
  readonly #troubles: Trouble[] = [];
  #stalled: (() => void)[] = [];

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** What was stored, oldest first (U2). */
  get received(): readonly StoredEvent[] {
    return this.#received;
  }

  /** How many events were stored in all. */
  get stored(): number {
    return this.#stored;
  }

  /** Requests seen, repeats and refused ones included. */
  get requests(): number {
    return this.#requests;
  }

  get port(): number {
    return this.#http.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next requests meet these troubles, one each. */
  trouble(...troubles: readonly Trouble[]): void {
    this.#troubles.push(...troubles);
  }

  /** Lets stalled requests go on, and forgets troubles that nobody has met yet. */
  release(): void {
    this.#troubles.length = 0;
    const waiting = this.#stalled;
    this.#stalled = [];
    for (const go of waiting) go();
  }

  async start(): Promise<void> {
    await this.#http.start(this.#options.port, (request, response) => void this.#serve(request, response));
  }

  async stop(): Promise<void> {
    this.release();
    await this.#http.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = `req_${++this.#requests}`;
    const trouble = this.#troubles.shift();
    if (trouble?.kind === 'stall') await new Promise<void>((resolve) => this.#stalled.push(resolve));
    const body = await readBody(request).catch(() => null);
    if (response.destroyed) return;
    const answer = trouble?.kind === 'refuse' ? refusal(trouble, requestId) : this.#answer(request, body, requestId);
    if (trouble?.kind === 'lose_response') {
      response.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }

  #answer(request: IncomingMessage, body: string | null, requestId: string): Answer {
    if (!this.#authorised(request))
      return failure(401, 'key_invalid', 'the bearer token is missing or wrong', requestId);
    const path = (request.url ?? '/').split('?')[0];
    const { witness } = this.#options;
    if (witness && path === '/v1/witness/add-checkpoint' && request.method === 'POST' && body !== null) {
      const { status, type, body: said } = witness.addCheckpoint(body);
      return { status, body: said, headers: { 'content-type': type } };
    }
    if (path !== '/v1/events') return failure(404, 'not_found', `there is no ${path}`, requestId);
    if (request.method !== 'POST') return failure(400, 'invalid_parameter', 'only POST is offered here', requestId);
    if (body === null) return failure(413, 'invalid_parameter', 'the body is too large', requestId);
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || key.length < 1 || key.length > 255) {
      return failure(400, 'invalid_parameter', 'Idempotency-Key must have 1 to 255 characters', requestId);
    }
    return this.#store(key, body, requestId);
  }

  /** U1 */
  #store(key: string, body: string, requestId: string): Answer {
    const digest = createHash('sha256').update(body).digest('hex');
    const known = this.#answers.get(key);
    if (known !== undefined) {
      if (known.digest === digest) return known.answer;
      return failure(409, 'idempotency_conflict', `the key ${key} was used with another body`, requestId);
    }
    const event = parseEvent(body);
    if (event === null) return failure(422, 'invalid_parameter', 'the body is not an event', requestId);
    this.#stored += 1;
    this.#received.push({ position: this.#stored, key, body: event });
    if (this.#received.length > (this.#options.keep ?? Number.POSITIVE_INFINITY)) this.#received.shift();
    const answer: Answer = {
      status: 200,
      body: { id: `ev_${this.#stored}`, object: 'event', request_id: requestId, ...event },
    };
    this.#answers.set(key, { digest, answer });
    return answer;
  }

  #authorised(request: IncomingMessage): boolean {
    if (this.#options.token === undefined) return true;
    const given = Buffer.from(request.headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#options.token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

function parseEvent(body: string): UpstreamEvent | null {
  try {
    return eventSchema.safeParse(JSON.parse(body)).data ?? null;
  } catch {
    return null;
  }
}

function refusal(trouble: Extract<Trouble, { kind: 'refuse' }>, requestId: string): Answer {
  const { status, retryAfterS } = trouble;
  const answer = failure(
    status,
    trouble.code ?? (status === 429 ? 'rate_limited' : 'internal'),
    'refused as asked',
    requestId,
  );
  return retryAfterS === undefined ? answer : { ...answer, headers: { 'retry-after': String(retryAfterS) } };
}

/** U3 */
function failure(status: number, code: string, message: string, requestId: string): Answer {
  const type = ERROR_TYPES[status] ?? 'api_error';
  const error = { type, code, message, doc_url: `https://docs.fibric.io/errors#${code}`, request_id: requestId };
  return { status, body: { error } };
}

/** The body as text; null when it is larger than the limit (it is read all the same, so that the sender gets its answer). */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_LIMIT_BYTES) chunks.push(chunk);
  }
  return bytes > BODY_LIMIT_BYTES ? null : Buffer.concat(chunks).toString('utf8');
}
