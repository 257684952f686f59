/**
 * The HTTP driver: answers read capabilities through a connector. It has no points, so it reads `bad` and writes nothing.
 *
 * D3 A question ends within its time.
 * D5 After `stop()` nothing is told and no timer or socket is left: open questions end at once.
 * D7 See request.ts.
 */
import {
  type Auth,
  type ConnectionSpec,
  type Connector,
  type Driver,
  type DriverContext,
  type DriverSink,
  FibricError,
  type PointRef,
  type Probe,
  type Reading,
  type Tool,
  type WriteResult,
  badReading,
  messageOf,
} from '@fibric/sdk';
import { CONNECTORS } from './connectors/index.ts';
import { HttpFailure, getJson } from './request.ts';
import type { HttpConnection } from './schema.ts';

/** What `load()` of the module gives. */
export function createHttpDriver(spec: ConnectionSpec, context: DriverContext): Driver {
  const connection = spec.options as HttpConnection;
  const connector = CONNECTORS.find(({ name }) => name === connection.connector);
  if (!connector) throw new TypeError(`there is no connector ${connection.connector}`);
  return new HttpDriver(connection, connector, context);
}

class HttpDriver implements Driver {
  readonly #connection: HttpConnection;
  readonly #connector: Connector;
  readonly #context: DriverContext;
  readonly #open = new Set<AbortController>();
  #sink: DriverSink | null = null;
  #status: Probe['status'] | null = null;
  #stopped = false;

  constructor(connection: HttpConnection, connector: Connector, context: DriverContext) {
    this.#connection = connection;
    this.#connector = connector;
    this.#context = context;
  }

  start(sink: DriverSink): void {
    this.#sink = sink;
    void this.probe(); // there is nothing to keep open: the first answer tells whether the system is there
  }

  async query(capability: string, args: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<unknown> {
    const tool = this.#connector.tools.find((tool) => tool.capability === capability && !tool.sideEffecting);
    if (!tool) throw new FibricError('not_found', `${this.#connector.name} does not answer ${capability}`);
    const input = tool.input.safeParse(args);
    if (!input.success) {
      const issue = input.error.issues[0];
      throw new FibricError(
        'invalid_parameter',
        `${capability}: ${issue?.path.join('.') || 'input'}: ${issue?.message}`,
      );
    }
    return this.#run(tool, input.data, timeoutMs);
  }

  async probe(): Promise<Probe> {
    const { clock } = this.#context;
    const startMs = clock.monoMs();
    const tool = this.#connector.tools.find(({ sideEffecting }) => !sideEffecting);
    if (!tool) return { status: 'connected', detail: 'nothing to ask for', latency_ms: null };
    try {
      await this.#run(tool, tool.input.parse({}), this.#connection.timeout);
      const detail = `${tool.capability} answered`;
      return { status: 'connected', detail, latency_ms: Math.round(clock.monoMs() - startMs) };
    } catch (error) {
      const status = error instanceof HttpFailure ? error.status : null;
      return { status: status ?? 'degraded', detail: messageOf(error), latency_ms: null };
    }
  }

  async read(refs: readonly PointRef[]): Promise<readonly Reading[]> {
    return refs.map((ref) => badReading(ref, 'device_error', this.#context.world.kind));
  }

  async write(): Promise<WriteResult> {
    return { kind: 'not_sent', reason_code: 'invalid_parameter', message: 'an HTTP connection has no points to write' };
  }

  async reset(): Promise<void> {
    this.#abortAll('the connection was reset');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sink = null;
    this.#abortAll('the connection was stopped');
  }

  /** Runs a tool's body with its time limit, and tells what its end says of the connection. */
  async #run(tool: Tool, input: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#stopped) throw new HttpFailure('connection_failed', 'error', 'the connection was stopped');
    const controller = new AbortController();
    const { clock } = this.#context;
    const timer = clock.after(timeoutMs, () =>
      controller.abort(
        new HttpFailure('timeout', 'error', `no answer from ${this.#connection.url} within ${timeoutMs} ms`),
      ),
    );
    this.#open.add(controller);
    try {
      const answer = await tool.run({ input, ctx: { http: { get: this.#getter(controller.signal) } } });
      this.#tell('connected', `${tool.capability} answered`);
      return answer;
    } catch (thrown) {
      const failure = thrown instanceof FibricError ? thrown : new FibricError('bad_payload', messageOf(thrown));
      const status = failure instanceof HttpFailure ? failure.status : 'degraded';
      // A request at fault says nothing of the connection, unless nothing is known of it yet.
      if (status !== null || this.#status === null) this.#tell(status ?? 'degraded', failure.message);
      throw failure;
    } finally {
      timer.cancel();
      this.#open.delete(controller);
    }
  }

  #getter(signal: AbortSignal): (path: string, query?: Readonly<Record<string, string>>) => Promise<unknown> {
    const { secret, world } = this.#context;
    const context = { base: this.#connection.url, auth: this.#auth(), secret, world, signal };
    return (path, query = {}) => getJson(context, path, query);
  }

  /** The connector says how credentials are carried, the site which slot holds them. */
  #auth(): Auth {
    const slot = this.#connection.auth?.secret;
    const { auth } = this.#connector;
    if (slot === undefined) return { kind: 'none' };
    return auth.kind === 'bearer' || auth.kind === 'api_key' ? { ...auth, secret: slot } : auth;
  }

  #abortAll(why: string): void {
    for (const controller of this.#open) controller.abort(new HttpFailure('connection_failed', 'error', why));
  }

  #tell(status: Probe['status'], detail: string): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#sink?.status(status, detail);
  }
}
