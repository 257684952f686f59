/**
 * One session with the server, from connecting to its end. It is never repaired: whatever breaks, the link is lost as a whole and
 * the supervisor opens another, so that there is one way back and not one for each thing that can break.
 */
import { type Clock, type ConnectionStatus, type DriverContext, messageOf, type Provenance } from '@fibric/sdk';
import type { Socket } from 'node:net';
import { explain, type Failure } from './failures.ts';
import { Lane } from './lane.ts';
import { findNodes, type Nodes } from './nodes.ts';
import type { ConnectionOptions } from './options.ts';
import { openPki } from './pki.ts';
import type { PlannedPoint } from './plan.ts';
import {
  type ClientSecureChannelLayer,
  type ClientSession,
  MessageSecurityMode,
  type OPCUACertificateManager,
  OPCUAClient,
  SecurityPolicy,
  type UserIdentityInfo,
  UserTokenType,
} from './ua.ts';
import { within } from './within.ts';

/** The application URI of every simulator of ours begins so; the world follows. */
const SIMULATOR = 'urn:fibric:simulator:';
/** A polite goodbye may take so long. */
const CLOSE_MS = 1_000;
/** Without other traffic the server is asked for a sign of life so often. */
const KEEP_ALIVE_MS = 5_000;
/** A session whose connection broke keeps its place on the server for so long, and some servers have only one. */
const SESSION_MS = 15_000;
/** The largest answer we take: ten times what a thousand texts need. Beyond it the library closes the connection. */
const MESSAGE_BYTES = 16 * 1024 * 1024;
const MESSAGE_CHUNKS = 1_024;
/** Enough to keep a server busy, few enough for a write to get through between them. */
const READS_IN_FLIGHT = 4;

export interface Link {
  readonly session: ClientSession;
  readonly nodes: Nodes;
  /** `simulated` when the server is a simulator of ours (D7). */
  readonly provenance: Provenance;
  /** Aborts when the link is lost; the reason says in words by what. */
  readonly lost: AbortSignal;
  /** Message chunks handed to the socket so far: equal before and after means that nothing left. */
  chunksSent(): number;
  /** Reads take turns, so that no write ever waits behind more than a few of them (D4). */
  readonly reads: Lane;
  /** Gives the link up and resets the connection: what has not left the machine never will. */
  abort(why: string): void;
  /** Ends what is pending and lets go of everything: in order when the link is alive. Within two seconds. */
  close(): Promise<void>;
}

export type Opened = { readonly kind: 'open'; readonly link: Link } | Failure;

/** What a connection consists of while it is being opened and closed. */
interface Wire {
  readonly client: OPCUAClient;
  readonly pki: OPCUACertificateManager;
  readonly lost: AbortController;
  chunks: number;
  channel: ClientSecureChannelLayer | null;
}

function failed(status: ConnectionStatus, detail: string): Failure {
  return { kind: 'failed', status, detail };
}

function policyOf({ security }: ConnectionOptions): SecurityPolicy {
  return security.mode === 'None' ? SecurityPolicy.None : SecurityPolicy.Basic256Sha256;
}

async function makeWire(options: ConnectionOptions, context: DriverContext): Promise<Wire> {
  const pki = await openPki(context.stateDir);
  const client = OPCUAClient.create({
    applicationName: 'FibricEdge',
    clientName: 'fibric-edge',
    clientCertificateManager: pki,
    securityMode: MessageSecurityMode[options.security.mode],
    securityPolicy: policyOf(options),
    // A server behind another address or name than it knows of itself is still the one we were told to use.
    endpointMustExist: false,
    // The library would retry for ever and repair sessions by itself; both are the supervisor's business.
    connectionStrategy: { maxRetry: 0, initialDelay: 100, maxDelay: 100 },
    keepSessionAlive: true,
    keepAliveInterval: Math.max(KEEP_ALIVE_MS, options.timeout),
    requestedSessionTimeout: Math.max(SESSION_MS, 3 * options.timeout),
    defaultTransactionTimeout: options.timeout,
    transportTimeout: Math.max(60_000, 4 * options.timeout),
    transportSettings: { maxMessageSize: MESSAGE_BYTES, maxChunkCount: MESSAGE_CHUNKS },
  });
  const wire: Wire = { client, pki, lost: new AbortController(), chunks: 0, channel: null };
  client.on('secure_channel_created', (channel) => {
    wire.channel = channel;
  });
  client.on('send_chunk', () => {
    wire.chunks += 1;
  });
  client.on('close', (error) => wire.lost.abort(error ? messageOf(error) : 'the server closed the connection'));
  return wire;
}

/** Resets the TCP connection: the kernel forgets what it still had to send. The library itself can only close it. */
function breakConnection(wire: Wire): void {
  const transport = wire.channel?.getTransport() as unknown as { readonly _socket?: Socket | null } | undefined;
  transport?._socket?.resetAndDestroy();
}

/** Lets go of everything: politely first when `politely`, and in any case within a second. */
async function release(wire: Wire, clock: Clock, politely: boolean): Promise<void> {
  if (!politely) breakConnection(wire);
  const done = await within(clock, CLOSE_MS, null, wire.client.disconnect());
  if (done.kind !== 'done') {
    breakConnection(wire);
    await within(clock, CLOSE_MS, null, wire.client.disconnect());
  }
  // The client counts its uses up, and down again only after a connection that came about; unless disposed, it stays in memory.
  wire.pki.referenceCounter = 0;
  await wire.pki.dispose();
}

function identity(options: ConnectionOptions, context: DriverContext): UserIdentityInfo | Failure {
  if (options.auth === undefined) return { type: UserTokenType.Anonymous };
  const userName = context.secret(options.auth.user);
  const password = context.secret(options.auth.pass);
  const missing = userName === null ? options.auth.user : password === null ? options.auth.pass : null;
  if (missing !== null || userName === null || password === null) {
    return failed('pending_auth', `secret slot ${missing} is empty: user name and password are needed to log in`);
  }
  return { type: UserTokenType.UserName, userName, password };
}

/** The server's application URI, as its endpoint tells it before anything of ours is told to it. */
function applicationUri(wire: Wire, options: ConnectionOptions): string {
  const endpoint = wire.client.findEndpointForSecurity(MessageSecurityMode[options.security.mode], policyOf(options));
  return endpoint?.server.applicationUri ?? '';
}

/** D7: a simulated site speaks to its own simulator and to nobody else. */
function worldFailure(uri: string, context: DriverContext): Failure | null {
  if (context.world.kind === 'live' || uri === SIMULATOR + context.world.id) return null;
  return failed(
    'error',
    `this site is simulated (world ${context.world.id}) and the server is not its simulator: its application URI is '${uri}'`,
  );
}

async function openSession(
  wire: Wire,
  options: ConnectionOptions,
  context: DriverContext,
  points: readonly PlannedPoint[],
): Promise<Opened> {
  await wire.client.connect(options.url);
  const uri = applicationUri(wire, options);
  const stranger = worldFailure(uri, context);
  if (stranger !== null) return stranger;
  const user = identity(options, context);
  if ('kind' in user) return user;
  const session = await wire.client.createSession(user);
  session.on('session_closed', () => wire.lost.abort('the server closed the session'));
  const nodes = await findNodes(session, points);
  const link: Link = {
    session,
    nodes,
    provenance: context.world.kind === 'simulated' || uri.startsWith(SIMULATOR) ? 'simulated' : 'live',
    lost: wire.lost.signal,
    chunksSent: () => wire.chunks,
    reads: new Lane(READS_IN_FLIGHT),
    abort(why) {
      wire.lost.abort(why);
      breakConnection(wire);
    },
    close() {
      const alive = !wire.lost.signal.aborted;
      wire.lost.abort('closed by us');
      return release(wire, context.clock, alive);
    },
  };
  return { kind: 'open', link };
}

/**
 * Opens a link: channel, world check, session, nodes. Ends within a few timeouts, or at once when `stop` aborts; a failure says
 * what to do about it. Throws nothing.
 */
export async function openLink(
  options: ConnectionOptions,
  context: DriverContext,
  points: readonly PlannedPoint[],
  stop: AbortSignal,
): Promise<Opened> {
  let wire: Wire;
  try {
    wire = await makeWire(options, context);
  } catch (error) {
    return failed('error', `the folder for keys and certificates cannot be used: ${messageOf(error)}`);
  }
  // Connecting takes up to four round trips (certificate, channel, session, nodes), each bounded by the timeout.
  const opened = await within(context.clock, 4 * options.timeout, stop, openSession(wire, options, context, points));
  if (opened.kind === 'done' && opened.value.kind === 'open') return opened.value;
  await release(wire, context.clock, false);
  switch (opened.kind) {
    case 'done':
      return opened.value;
    case 'failed':
      return explain(messageOf(opened.error), options, context.stateDir);
    case 'lost':
      return failed('error', 'stopped while connecting');
    case 'timeout':
      return failed('error', `${options.url} does not answer`);
  }
}
