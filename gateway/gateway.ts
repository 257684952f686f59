/**
 * The gateway of one site: starts its parts in order and stops them in reverse. Everything that touches the machine is an argument.
 *
 * Boot order (execution §2.5): lock → journal, its promises checked → epoch + 1, durable → devices → doubts settled under their
 * lanes → operators → API → upstream. What takes long and touches nothing – the hosts' own start, the code of the API – is begun
 * while the devices connect.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  type Entity,
  entityKey,
  type Envelope,
  isoTime,
  type Log,
  makeEnvelope,
  messageOf,
  type Random,
  type Receipt,
  sleep,
  upstreamOutcome,
} from '@fibric/sdk';
import type { Outbox } from './alerts/outbox.ts';
import { raise } from './alerts/raise.ts';
import { openOutbox } from './alerts/site-outbox.ts';
import { tellSkew } from './alerts/skew.ts';
import { ensureToken } from './api/auth.ts';
import { removeRunFile, writeRunFile } from './api/run-file.ts';
import type { Api } from './api/server.ts';
import type { GatewayView } from './api/view.ts';
import { createBindings } from './bindings.ts';
import { bootJournal, noteJournalFailure } from './boot.ts';
import type { Broker as BrokerSite, Site } from './config/site.ts';
import { type ClockSigns, type ClockWatch, declaredClock, watchClock } from './clock-trust.ts';
import { type Connections, createConnections } from './connections.ts';
import { type EventLog, openEventLog } from './events/log.ts';
import type { Control } from './executor/control.ts';
import { createExecutor } from './executor/executor.ts';
import { createHeartbeat } from './executor/heartbeat.ts';
import type { Announce } from './executor/override.ts';
import { createIds, type Ids } from './ids.ts';
import type { ClockEntry } from './journal/entries.ts';
import type { Journal } from './journal/journal.ts';
import { lockFolder } from './journal/lock.ts';
import { owedBy } from './journal/inherited.ts';
import { type Mirror, openMirror } from './journal/obligations.ts';
import { openJournalReader } from './journal/reader.ts';
import { localTimeIn } from './local-time.ts';
import { type Checkpoints, startCheckpoints } from './proof/checkpoints.ts';
import { parseKey } from './proof/note.ts';
import { createWitnessing } from './proof/witness.ts';
import { createObserver } from './observe/observer.ts';
import { createModes, tellRenames } from './modes.ts';
import { createOperators } from './operators.ts';
import { createPolicies } from './policies/running.ts';
import { createPersons } from './persons.ts';
import { createRouter } from './router.ts';
import { createSchedule } from './schedule.ts';
import { createSpaceGuard, sizeOf, type SpaceGuard, spaceOf } from './space.ts';
import { JOURNAL_FILE } from './journal/schema.ts';
import { createScrub, lookThroughApart } from './scrub.ts';
import { openSyncStore, SYNC_FILE } from './sync/store.ts';
import { createSync, type Sync } from './sync/sync.ts';
import { createView } from './view.ts';

export interface GatewayDeps {
  readonly site: Site;
  readonly version: string;
  readonly pid: number;
  /** Real time, and the site's own: the same but in an accelerated world. */
  readonly ioClock: Clock;
  readonly clock: Clock;
  readonly random: Random;
  /** What the machine says of its clocks, and how to move monotonic time on by what it slept. */
  readonly clockSigns: () => ClockSigns;
  readonly slept: (ms: number) => void;
  readonly bootId: string;
  readonly log: Log;
  readonly secret: (slot: string) => string | null;
  /** Starts the embedded broker and resolves with what stops it. */
  readonly startBroker: (broker: BrokerSite) => Promise<() => Promise<void>>;
  /** The journal failed: nothing may be acted on any more, and the process must end (G-IO-2). */
  readonly onJournalFailure: (error: Error) => void;
}

export interface Gateway {
  /** Where the local API listens. */
  readonly url: string;
  /** Reads the policies again. */
  readonly reload: GatewayView['reloadPolicies'];
  stop(): Promise<void>;
}

/** How long open actions of the last process wait for their devices to connect before they are taken up. */
const CONNECT_MS = 5_000;

type Closing = readonly [what: string, close: () => void | Promise<void>];

/** What the site is told of a receipt; the whole of it travels upstream by itself. */
function receiptEvent(site: Site, ids: Ids, receipt: Receipt): Envelope {
  const { receipt_id, capability, entity_key, outcome, reason, operator, correlation_id } = receipt;
  return makeEnvelope(site.identity, {
    event_id: ids.uuid(),
    source: 'gateway',
    event_type: 'receipt.written',
    payload: { receipt_id, capability, entity_key, outcome, upstream_outcome: upstreamOutcome(outcome), reason },
    correlation_id,
    agent_id: operator,
  });
}

function ownEvent(site: Site, ids: Ids, ...[event_type, payload, from]: Parameters<Announce>): Envelope {
  const whose = from && { correlation_id: from.correlation_id, agent_id: from.operator };
  return makeEnvelope(site.identity, { event_id: ids.uuid(), source: 'gateway', event_type, payload, ...whose });
}

/** What a reading says is news for the leases that depend on it. */
function heardBy(control: Control, { payload }: Envelope): void {
  const { device, point, entity } = payload;
  if (typeof device !== 'string' || typeof point !== 'string' || !isEntity(entity)) return;
  control.heard({ device, point, entity_key: entityKey(entity) });
}

const isEntity = (value: unknown): value is Entity =>
  typeof value === 'object' && value !== null && 'kind' in value && 'id' in value;

async function closeAll(closings: readonly Closing[], log: Log): Promise<void> {
  for (const [what, close] of closings.toReversed()) {
    try {
      await close();
    } catch (error) {
      log.error({ part: what }, `stopping ${what}: ${messageOf(error)}`);
    }
  }
}

/** Events of the clock are journaled once there is a journal; what happened before is in its first row. */
function clockWatchOf(
  deps: GatewayDeps,
  onEvent: (entry: ClockEntry) => void,
  alert: (words: string) => void,
): ClockWatch {
  const { site, ioClock, clockSigns, slept, log } = deps;
  if (site.simulation) return declaredClock();
  return watchClock({ dataDir: site.data, clock: ioClock, signs: clockSigns, slept, log, onEvent, alert });
}

function spaceGuardOf(
  { site, ioClock, log }: GatewayDeps,
  events: EventLog,
  alert: (words: string) => void,
): SpaceGuard {
  return createSpaceGuard({
    dir: site.data,
    clock: ioClock,
    log,
    // Also told while a commit is under way, when no row may be added to it.
    alert: (words) => queueMicrotask(() => alert(words)),
    spaceOf,
    walBytes: () => sizeOf(join(site.data, `${JOURNAL_FILE}-wal`)),
    shrink: (bytes) => events.shrink(bytes),
  });
}

/** What is there before any device is spoken to: the lock, the event log, room on the disk, the journal and its mirror. */
async function openStores(deps: GatewayDeps, closings: Closing[]) {
  const { site, ioClock, clock, random, log, bootId } = deps;
  const dataDir = site.data;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockFolder(dataDir);
  closings.push(['lock', () => lock.release()]);
  const ids = createIds(clock, random);
  const events = openEventLog({ dir: dataDir, clock: ioClock, siteClock: clock, log });
  closings.push(['event log', () => events.close()]);
  const space = spaceGuardOf(deps, events, (words) => void raise({ journal, log }, 'disk', words));
  const watch = clockWatchOf(
    deps,
    (entry) => void journal.append(entry),
    (words) => void raise({ journal, log }, 'clock', words),
  );
  let mirror: Mirror | null = null;
  let outbox: Outbox | null = null;
  let checkpoints: Checkpoints | null = null;
  closings.push(['mirror', () => mirror?.close()]);
  const { journal, uid } = await bootJournal({
    dataDir,
    clock,
    ioClock,
    bootId,
    ids,
    log,
    boot: { software: deps.version, site: site.hash },
    onFailure(error) {
      noteJournalFailure(dataDir, ioClock.wallMs());
      deps.onJournalFailure(error);
    },
    trust: () => watch.trust(),
    onFull: () => space.release(),
    onAppend: (row) => checkpoints?.appended(row),
    onCommit() {
      mirror?.touch();
      outbox?.touch();
    },
  });
  closings.push(['journal', () => journal.close()]);
  const policies = createPolicies({ site, journal, log });
  tellRenames({ journal, log }, site.operators);
  checkpoints = startCheckpoints({ dataDir, gatewayUid: uid, journal, clock: ioClock, log });
  closings.push(['checkpoints', () => checkpoints?.close()]);
  await journal.durable();
  const owed = () => ({
    gateway_uid: uid,
    epoch: journal.epoch,
    ...journal.durableHead,
    ...owedBy(journal.projection),
  });
  mirror = await openMirror({ dataDir, clock: ioClock, log, take: owed });
  outbox = openOutbox(deps, journal, uid);
  closings.push(['alerts', () => outbox?.stop()]);
  await mirror.flush();
  watch.start();
  closings.push(['clock', () => watch.stop()]);
  space.start();
  closings.push(['space', () => space.stop()]);
  const reader = openJournalReader(dataDir);
  closings.push(['journal reader', () => reader.close()]);
  outbox.start();
  const scrub = createScrub({ dataDir, journal, clock, ioClock, log, lookThrough: lookThroughApart });
  scrub.start();
  closings.push(['scrub', () => scrub.stop()]);
  return { ids, uid, journal, policies, events, reader, space, watch, checkpoints, outbox };
}

type Stores = Awaited<ReturnType<typeof openStores>>;

/** From the devices to the operators, in the order of execution §2.5. */
async function startKernel(
  deps: GatewayDeps,
  { ids, journal, policies, events, reader, space, watch, outbox }: Stores,
  closings: Closing[],
) {
  const { site, ioClock, clock, random, log, bootId } = deps;
  const router = createRouter(log);
  let hear: (envelope: Envelope) => void = () => undefined;
  const emit = (envelope: Envelope): void => {
    events.append(envelope);
    hear(envelope);
    router.route(envelope);
  };
  if (site.broker) closings.push(['broker', await deps.startBroker(site.broker)]);
  const observer = createObserver({ site, clock, ids, emit });
  const bindings = createBindings(site);
  const connections = createConnections({ site, observer, ioClock, random, log, secret: deps.secret });
  closings.push(['connections', () => connections.stop()], ['observer', () => observer.stop()]);
  const executor = createExecutor({
    identity: site.identity,
    real: site.simulation ? 'simulated' : 'live',
    policies,
    bindings,
    journal,
    recentReceipts: (before, limit) => reader.receipts({ limit, ...(before === undefined ? {} : { before }) }),
    ...{ records: reader, people: site.people },
    points: observer.points,
    driver: (connection) => connections.driver(connection),
    observe: (readings) => observer.readings(readings),
    clock,
    ioClock,
    localTime: localTimeIn(site.timezone),
    bootId,
    log,
    heartbeat: site.heartbeat?.device ?? null,
    announce: (eventType, payload, from) => {
      const envelope = ownEvent(site, ids, eventType, payload, from);
      emit(envelope);
      return envelope;
    },
    clockTrusted: () => watch.trust().state !== 'untrusted',
    noticeSleep: () => watch.look(),
    telling: outbox,
    lowSpace: () => space.refusal(),
    onReceipt: (receipt) => emit(receiptEvent(site, ids, receipt)),
  });
  hear = (envelope) => {
    heardBy(executor.control, envelope);
    tellSkew({ journal, log }, envelope);
  };
  closings.push(['executor', () => executor.stop()]);
  const schedule = createSchedule({ identity: site.identity, clock, ids, emit });
  const modes = createModes({ journal, operators: site.operators });
  const shared = { site, clock, ioClock, watch, modes, ids, log, journal, bindings, connections, observer, executor };
  const operators = createOperators({ ...shared, router, schedule, emit });
  closings.push(['operators', () => operators.stop()]);
  async function startDevices(): Promise<void> {
    await connections.start();
    observer.start();
    const { open, leases, inherited } = journal.projection;
    if (open.rows.size + leases.rows.size + inherited.rows.size > 0) await connected(observer, ioClock);
    executor.recover();
    startHeartbeat(deps, journal, connections, closings);
  }
  await Promise.all([operators.load(), startDevices()]);
  operators.start();
  schedule.start();
  closings.push(['schedule', () => schedule.stop()]);
  return { ...shared, policies, persons: createPersons({ ...shared, emit }), operators };
}

function startHeartbeat(deps: GatewayDeps, journal: Journal, connections: Connections, closings: Closing[]): void {
  const { site, ioClock, log } = deps;
  if (!site.heartbeat) return;
  const { heartbeat } = site;
  const real = site.simulation ? 'simulated' : 'live';
  const driver = () => connections.driver(heartbeat.connection);
  const beating = createHeartbeat({ heartbeat, driver, journal, real, ioClock, log });
  beating.start();
  closings.push(['heartbeat', () => beating.stop()]);
}

async function startParts(deps: GatewayDeps, closings: Closing[]): Promise<Pick<Gateway, 'url' | 'reload'>> {
  const { site, version, pid, ioClock, log } = deps;
  const stores = await openStores(deps, closings);
  const [kernel, { startApi }] = await Promise.all([startKernel(deps, stores, closings), import('./api/server.ts')]);
  const { reader, events, checkpoints } = stores;
  const sync = startSync(deps, stores);
  if (sync) closings.push(['sync', sync.close]);
  const started = { startedAt: isoTime(ioClock.wallMs()), startedMonoMs: ioClock.monoMs() };
  const view = createView({
    ...kernel,
    version,
    pid,
    ...started,
    reader,
    events,
    outbox: stores.outbox,
    checkpoints,
    sync: sync?.sync ?? null,
  });
  const api: Api = await startApi({ view, token: ensureToken(site.data), log, clock: ioClock, ...site.listen });
  closings.push(['api', () => api.close()]);
  writeRunFile(site.data, { url: api.url, pid });
  closings.push(['run file', () => removeRunFile(site.data)]);
  return { url: api.url, reload: (who) => view.reloadPolicies(who) };
}

/** Resolves when every connection has said how it is, or after a bounded wait: a device that is down must not stop the others. */
async function connected(
  observer: { connections(): readonly { status: string | null }[] },
  clock: Clock,
): Promise<void> {
  const until = clock.monoMs() + CONNECT_MS;
  while (clock.monoMs() < until && observer.connections().some(({ status }) => status !== 'connected'))
    await sleep(clock, 20);
}

function startSync(
  { site, ioClock, random, log, secret }: GatewayDeps,
  { reader, events, journal, checkpoints }: Stores,
): { readonly sync: Sync; readonly close: () => Promise<void> } | null {
  const { upstream } = site;
  if (!upstream) return null;
  const store = openSyncStore(join(site.data, SYNC_FILE));
  const key = site.witness && parseKey(site.witness.key);
  const token = (): string | null => (upstream.secret === null ? null : secret(upstream.secret));
  const shared = { clock: ioClock, log };
  const witness =
    site.witness && typeof key === 'object' && key !== null
      ? createWitnessing({ url: site.witness.url, key, journal, checkpoints, token, ...shared })
      : null;
  const source = (): string => checkpoints.state.source;
  const sync = createSync({ source, witness, upstream, journal: reader, events, store, random, secret, ...shared });
  sync.start();
  return {
    sync,
    close: async () => {
      await sync.stop();
      store.close();
    },
  };
}

/** Starts the gateway of a site. Throws `FibricError`; whatever had been started by then is stopped again. */
export async function startGateway(deps: GatewayDeps): Promise<Gateway> {
  const closings: Closing[] = [];
  try {
    const started = await startParts(deps, closings);
    return { ...started, stop: () => closeAll(closings, deps.log) };
  } catch (error) {
    await closeAll(closings, deps.log);
    throw error;
  }
}
