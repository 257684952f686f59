/** What the local API shows of a running gateway, and asks of it; all that reaches a device goes through the executor. */
import { type Clock, entityKey, FibricError, isoTime, type Log, type PointRef } from '@fibric/sdk';
import type {
  CapabilityView,
  DeviceView,
  EraseOrder,
  Erasure,
  GatewayView,
  HeldView,
  OperatorView,
  PointView,
  PolicyQuestion,
  RunReport,
} from './api/view.ts';
import type { Outbox } from './alerts/outbox.ts';
import type { Bindings } from './bindings.ts';
import { forgetJournalFailures } from './boot.ts';
import type { ClockWatch } from './clock-trust.ts';
import { PERSON, type Point, type Site } from './config/site.ts';
import type { Connections } from './connections.ts';
import type { Evaluation } from './executor/evaluate.ts';
import { breakerViews, closeBreaker } from './executor/breaker.ts';
import { correct } from './executor/correct.ts';
import type { RunningExecutor } from './executor/executor.ts';
import type { Hold } from './journal/entries.ts';
import type { Journal } from './journal/journal.ts';
import type { EventReader, JournalReader } from './journal/types.ts';
import type { PointStatus } from './kernel.ts';
import type { Modes } from './modes.ts';
import type { Observer } from './observe/observer.ts';
import type { Operators, SiteOperator } from './operators.ts';
import type { Persons } from './persons.ts';
import { policyViews } from './policies/view.ts';
import type { Policies } from './policies/running.ts';
import type { Checkpoints } from './proof/checkpoints.ts';
import { COMMITTED } from './proof/commitment.ts';
import { deliveryOf } from './sync/store.ts';
import type { Sync } from './sync/sync.ts';

export interface ViewParts {
  readonly site: Site;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly startedMonoMs: number;
  readonly clock: Clock;
  readonly ioClock: Clock;
  readonly log: Log;
  readonly watch: ClockWatch;
  readonly observer: Observer;
  readonly bindings: Bindings;
  readonly connections: Connections;
  readonly operators: Operators;
  readonly modes: Modes;
  readonly persons: Persons;
  readonly policies: Policies;
  readonly executor: RunningExecutor;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly reader: JournalReader;
  readonly events: EventReader;
  readonly checkpoints: Checkpoints;
  readonly sync: Sync | null;
}

const READ_TIMEOUT_MS = 3_000;

export function createView(parts: ViewParts): GatewayView {
  return {
    status: () => statusOf(parts),
    points: () =>
      parts.site.devices
        .values()
        .flatMap((device) => device.points.map((point) => pointView(parts, point)))
        .toArray(),
    readPoints: (refs) => readPoints(parts, refs),
    devices: () => devices(parts),
    connectors: () => connectors(parts),
    testConnector: (id) => parts.connections.probe(id),
    capabilities: () => capabilities(parts),
    operators: () => parts.operators.all().map((operator) => operatorView(parts, operator)),
    runOnce: (name, who) => runOnce(parts, name, who),
    async setMode(name, mode, order) {
      if (!(await parts.modes.set(name, mode, order))) return null;
      const found = parts.operators.all().find((operator) => operator.site.name === name);
      return found ? operatorView(parts, found) : null;
    },
    propose: (ask) => parts.persons.propose(ask),
    say: (say) => parts.executor.approvals.say(say),
    leases: () => parts.executor.control.leases(),
    releaseLease: (id, who) => parts.executor.control.release(id, who),
    stopAll: (order) => parts.executor.control.stopAll(order),
    clearStop: (who) => parts.executor.control.clearStop(who),
    breakers: () => breakerViews(parts.journal.projection),
    closeBreaker: (id, who, reason) => closeBreaker(parts, id, who, reason),
    correct: (correction) => correct(parts, correction),
    acknowledge: (who) => acknowledge(parts, who),
    policies: () => policyViews(parts.policies.all()),
    async reloadPolicies(who) {
      const running = await parts.policies.reload(who);
      parts.executor.rulesChanged();
      return policyViews(running);
    },
    evaluatePolicy: (question) => evaluatePolicy(parts, question),
    sync: () => parts.sync?.status() ?? null,
    why(receiptId) {
      const story = parts.reader.story(receiptId);
      return story && { ...story, sync: deliveryOf(parts.site.data, story.receipt.seq) };
    },
    erase: (receiptId, order) => erase(parts, receiptId, order),
    async checkpoint() {
      parts.checkpoints.sign();
      await parts.journal.durable();
      return parts.checkpoints.state;
    },
    journal: parts.reader,
    events: parts.events,
  };
}

async function acknowledge({ journal, site, log }: ViewParts, who: string): Promise<readonly HeldView[]> {
  const held = [...journal.projection.liveHolds.rows].map(([hold, reason]) => ({ hold: hold as Hold, reason }));
  if (held.length === 0) return [];
  journal.append({ type: 'acknowledge/1', holds: held.map(({ hold }) => hold), who });
  await journal.durable();
  forgetJournalFailures(site.data);
  log.warn({ who, holds: held.map(({ hold }) => hold) }, 'acknowledged: operators act again');
  return held;
}

async function erase(
  { journal, reader, log }: ViewParts,
  receiptId: string,
  order: EraseOrder,
): Promise<Erasure | null> {
  const { field, who, reason } = order;
  const fields = [...new Set(Object.values(COMMITTED).flat())];
  if (!fields.includes(field))
    throw new FibricError('invalid_parameter', `'${field}' cannot be erased; what can be: ${fields.join(', ')}`);
  const erased = reader.textsOf(receiptId, field);
  if (erased === null) return null;
  if (erased.length === 0) throw new FibricError('conflict', `there is no ${field} of ${receiptId}, or it was erased`);
  journal.append({ type: 'redaction/1', who, reason, erased });
  await journal.durable();
  log.warn({ who, receipt: receiptId, field }, `${field} was erased`);
  return { object: 'redaction', who, reason, erased };
}

function notReady({ journal, operators }: ViewParts): readonly string[] {
  const reasons = operators
    .all()
    .flatMap(({ site, problem }) => (problem ? [`operator ${site.name}: ${problem}`] : []));
  const holds = journal.projection.liveHolds.rows.values().toArray();
  return journal.failure ? [journal.failure.message, ...holds, ...reasons] : [...holds, ...reasons];
}

function statusOf(parts: ViewParts): ReturnType<GatewayView['status']> {
  const { site, version, pid, startedAt, startedMonoMs, clock, ioClock, reader, events } = parts;
  const reasons = notReady(parts);
  const lookedThrough = parts.journal.projection.meta.rows.get('scrubbed_ms');
  return {
    object: 'status',
    version,
    site: site.name,
    identity: site.identity,
    timezone: site.timezone,
    site_time: isoTime(clock.wallMs()),
    simulation: site.simulation && { world: site.simulation.world, speed: site.simulation.speed },
    site_file: site.file,
    site_hash: site.hash,
    data: site.data,
    pid,
    started_at: startedAt,
    uptime_ms: Math.round(ioClock.monoMs() - startedMonoMs),
    clock: parts.watch.trust(),
    journal_head: reader.head(),
    journal_looked_through: lookedThrough === undefined ? null : isoTime(lookedThrough),
    events_head: events.head(),
    ready: reasons.length === 0,
    not_ready: reasons,
    open_actions: parts.journal.projection.open.rows.size,
    leases: [...parts.journal.projection.leases.rows.values()].filter(({ ttl_ms }) => ttl_ms !== null).length,
    breakers: parts.journal.projection.breakers.rows.size,
    alerts: parts.outbox.status(),
    stop: parts.executor.control.stop,
  };
}

function shown(point: Point, entity_key: string, status: PointStatus | null, age_ms: number | null): PointView {
  return {
    object: 'point',
    device: point.device,
    point: point.name,
    entity_key,
    value: status?.value ?? null,
    unit: point.unit,
    quality: status?.quality ?? 'bad',
    quality_reason: status?.quality_reason ?? null,
    provenance: status?.provenance ?? 'live',
    observed_at: status?.observed_at ?? null,
    received_at: status?.received_at ?? null,
    age_ms,
  };
}

function pointView({ site, observer, clock }: ViewParts, point: Point): PointView {
  const status = observer.points.get(point.device, point.name);
  const device = site.devices.get(point.device);
  const age = status ? Math.round(clock.monoMs() - status.received_mono_ms) : null;
  return shown(point, device ? entityKey(device.entity) : '', status, age);
}

async function readPoints(parts: ViewParts, refs: readonly PointRef[]): Promise<readonly PointView[]> {
  const points = refs.map((ref) => {
    const point = parts.site.devices.get(ref.device)?.points.find(({ name }) => name === ref.point);
    if (!point) throw new FibricError('not_found', `the site has no point ${ref.device}/${ref.point}`);
    return point;
  });
  const readings = await parts.connections.read(refs, READ_TIMEOUT_MS);
  const received_at = isoTime(parts.clock.wallMs());
  return points.map((point, i) => {
    const reading = readings[i];
    const view = pointView(parts, point);
    if (!reading) return view;
    const { value, quality, quality_reason, provenance, observed_at } = reading;
    return { ...view, value, quality, quality_reason, provenance, observed_at, received_at, age_ms: 0 };
  });
}

function devices({ site, observer }: ViewParts): readonly DeviceView[] {
  return [...site.devices.values()].map((device) => ({
    object: 'device',
    id: device.id,
    connection: device.connection,
    profile: device.profile,
    entity_key: entityKey(device.entity),
    capabilities: [...Object.keys(device.reads), ...device.tools.map((tool) => tool.capability.name)],
    points: device.points.length,
    points_not_good: device.points.filter((point) => observer.points.get(device.id, point.name)?.quality !== 'good')
      .length,
  }));
}

function connectors({ site, observer }: ViewParts): ReturnType<GatewayView['connectors']> {
  return observer.connections().flatMap(({ id, status, detail }) => {
    const connection = site.connections.get(id);
    if (!connection) return [];
    const { host, port } = connection.driver.endpoint(connection.options);
    return [
      {
        object: 'connector' as const,
        id,
        protocol: connection.driver.protocol,
        endpoint: `${host}:${port}`,
        status: status ?? 'error',
        detail,
        devices: connection.devices.length,
      },
    ];
  });
}

function capabilities({ site, bindings, operators }: ViewParts): readonly CapabilityView[] {
  const required = operators
    .all()
    .flatMap(({ site: { name }, description }) => (description?.requires ?? []).map((c) => [c, name] as const));
  const names = new Set([...site.bindings.keys(), ...required.map(([capability]) => capability)]);
  return [...names].sort().map((name) => {
    const connections = bindings.bound(name);
    const offering = [...site.devices.values()].filter(
      (device) =>
        connections.includes(device.connection) &&
        (name in device.reads || device.tools.some((t) => t.capability.name === name)),
    );
    const effect =
      offering.flatMap((device) => device.tools.filter((tool) => tool.capability.name === name))[0]?.effect ?? null;
    return {
      object: 'capability',
      capability: name,
      status: connections.length > 0 ? 'ready' : 'unbound',
      side_effecting: effect !== null,
      effect_class: effect,
      connections,
      devices: offering.map(({ id }) => id),
      entities: [...new Set(offering.map(({ entity }) => entityKey(entity)))],
      operators: required.filter(([capability]) => capability === name).map(([, operator]) => operator),
    };
  });
}

const NO_RUNS = { last_run: null, waiting: 0, dropped: 0, runs: 0, failed: 0 };

function operatorView(
  { modes, policies }: ViewParts,
  { site, runner, description, problem }: SiteOperator,
): OperatorView {
  const { last_run, waiting, dropped, runs, failed } = runner?.stats() ?? NO_RUNS;
  return {
    object: 'operator',
    name: site.name,
    uid: site.uid,
    goal: description?.goal ?? '',
    mode: modes.of(site),
    requires: description?.requires ?? [],
    triggers: description?.triggers ?? [],
    policy_hash: policies.of(site.uid)?.hash ?? null,
    problem,
    runs,
    failed,
    last_run,
    queued: waiting,
    dropped,
  };
}

async function runOnce({ operators, modes }: ViewParts, name: string, who: string): Promise<RunReport | null> {
  const trace = await operators.runOnce(name, who);
  const operator = operators.all().find(({ site }) => site.name === name)?.site;
  if (!trace || !operator) return null;
  const { run_id, sensed, proposed, reasoning, disposition, failed } = trace;
  return {
    object: 'run',
    run_id,
    operator: name,
    mode: modes.of(operator),
    sensed,
    plan_id: disposition?.plan_id ?? null,
    reasoning,
    proposed,
    failure: failed ?? disposition?.rejected ?? null,
    receipts: disposition?.receipts ?? [],
    awaiting: disposition?.awaiting ?? [],
  };
}

async function evaluatePolicy(
  { operators, executor, modes }: ViewParts,
  { operator, ...wish }: PolicyQuestion,
): Promise<Evaluation | null> {
  const asking = (one: SiteOperator): boolean =>
    operator === null ? one.description?.requires.includes(wish.capability) === true : one.site.name === operator;
  const found = operators.all().filter(asking);
  const [first, second] = found;
  if (second && operator === null) {
    const names = found.map(({ site }) => site.name).join(' and ');
    throw new FibricError('invalid_parameter', `${names} could do ${wish.capability}: say which operator is meant`);
  }
  if (!first && operator === null)
    throw new FibricError('invalid_parameter', `no operator of this site requires ${wish.capability}`);
  if (!first) return null;
  const { site, description } = first;
  const { name, uid } = site;
  const requires = description?.requires ?? (name === PERSON ? [wish.capability] : []);
  return executor.evaluate({ ...wish, operator: { name, uid, version: 'local' }, requires, mode: modes.of(site) });
}
