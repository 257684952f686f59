/**
 * The local API: HTTP on loopback, for the CLI and the console. Built on a `GatewayView` and on nothing else.
 *
 * A1 No route reaches a device's outputs. A2 A bearer token on all but the two health routes. A3 One form for all errors.
 * A5 Closing ends open streams first, so that it cannot hang on them.
 */
import type { Socket } from 'node:net';
import { type Clock, FibricError, type Log, LIMITS, messageOf } from '@fibric/sdk';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { isAuthorized, newRequestId } from './auth.ts';
import { wireError } from './errors.ts';
import { alertRoutes } from './routes/alerts.ts';
import { breakerRoutes } from './routes/breakers.ts';
import { controlRoutes } from './routes/control.ts';
import { eventRoutes } from './routes/events.ts';
import { operatorRoutes } from './routes/operators.ts';
import { policyRoutes } from './routes/policy.ts';
import { peopleRoutes } from './routes/people.ts';
import { recordRoutes } from './routes/records.ts';
import { siteRoutes } from './routes/site.ts';
import type { GatewayView } from './view.ts';

export interface ApiOptions {
  readonly view: GatewayView;
  readonly token: string;
  readonly log: Log;
  /** Real time: it paces the event stream. */
  readonly clock: Clock;
}

export interface Api {
  /** `http://host:port` that it listens on. */
  readonly url: string;
  close(): Promise<void>;
}

const OPEN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** The routes without a socket, as tests inject into them. */
export function buildApi(options: ApiOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: LIMITS.messageBytes,
    genReqId: newRequestId,
    clientErrorHandler: answerBrokenRequest,
    // A path that cannot be decoded never reaches a route, nor the handler below.
    frameworkErrors: (error, request, reply: FastifyReply) => answerError(error, request, reply, options.log),
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, options.log));
  app.setNotFoundHandler((request) => {
    throw new FibricError('not_found', `no route ${request.method} ${request.url.split('?')[0]}`);
  });
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    if (OPEN_PATHS.has(request.routeOptions.url ?? '')) return;
    if (!isAuthorized(request.headers.authorization, options.token)) {
      throw new FibricError('unauthorized', 'this needs the bearer token of the data folder');
    }
  });
  siteRoutes(app, options.view);
  operatorRoutes(app, options.view);
  alertRoutes(app, options.view);
  breakerRoutes(app, options.view);
  controlRoutes(app, options.view);
  policyRoutes(app, options.view);
  peopleRoutes(app, options.view);
  recordRoutes(app, options.view);
  eventRoutes(app, options.view, options.clock);
  return app;
}

/** Listens. A taken address is a `FibricError` of code `port_in_use`. */
export async function startApi(options: ApiOptions & { readonly host: string; readonly port: number }): Promise<Api> {
  const app = buildApi(options);
  try {
    const url = await app.listen({ host: options.host, port: options.port });
    return { url, close: () => app.close() };
  } catch (error) {
    await app.close();
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new FibricError('port_in_use', `${options.host}:${options.port} is taken by another program`, {
      cause: error,
    });
  }
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  const { status, body } = wireError(error, request.id);
  if (status >= 500) {
    log.error({ request_id: request.id, route: request.routeOptions?.url, error: messageOf(error) }, 'request failed');
  }
  void reply.code(status).send(body);
}

/** Bytes that are not HTTP: answered in the same form (A3), on the bare socket. */
function answerBrokenRequest(error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const answer = wireError(
    new FibricError('invalid_parameter', `not an HTTP request: ${error.message}`),
    newRequestId(),
  );
  const body = JSON.stringify(answer.body);
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
