/**
 * From readings to envelopes: what the drivers deliver is judged, becomes the present state, and is told when it is news.
 *
 * B1 Missing stays missing: a value past its time is shown as missing everywhere and told once; nothing is filled in.
 * B2 What arrives is told when it moved beyond the deadband or its quality changed; one outage is told once, and its end.
 * B3 Tenancy, ids and types come from the site; nothing a device says can change them.
 * B4 Ages are measured by when a reading arrived. A device's own time is recorded; when it lies ahead, the reading is uncertain.
 */
import {
  type Clock,
  type ConnectionStatus,
  type Envelope,
  isoTime,
  makeEnvelope,
  type PointValue,
  type QualityReason,
  type Reading,
  type ReadingPayload,
  type Sensed,
  type Timer,
} from '@fibric/sdk';
import type { Site } from '../config/site.ts';
import type { Ids } from '../ids.ts';
import type { Points } from '../kernel.ts';
import { parseTime } from '../system.ts';
import { implausible, isOutside } from './plausible.ts';
import { createPoints, indexSlots } from './points.ts';
import { createSensing } from './sense.ts';
import { isNews, isStale, type Slot, type State } from './slot.ts';

export interface ObserverOptions {
  readonly site: Site;
  /** Site time. */
  readonly clock: Clock;
  readonly ids: Ids;
  /** Takes every envelope, in order: the event log, then the router. */
  readonly emit: (envelope: Envelope) => void;
}

/** A connection as it was last reported; `status` is null until then. */
export interface ConnectionState {
  readonly id: string;
  readonly protocol: string;
  readonly status: ConnectionStatus | null;
  readonly detail: string;
  readonly since: string | null;
}

export interface Observer {
  /** Takes what a driver delivers. A point that the site does not have is a defect of the driver, and throws. */
  readings(batch: readonly Reading[]): void;
  /** Takes the state of a connection; a change is an envelope `connector.status_changed`. */
  status(connection: string, status: ConnectionStatus, detail: string): void;
  readonly points: Points;
  /** Answers a read capability that is made of points; `args` may name entities: `{ zone: '412' }` or `{ entity: 'zone:412' }`. */
  sense(capability: string, args: Readonly<Record<string, unknown>>): Sensed;
  connections(): readonly ConnectionState[];
  /** Begins to look for values past their time. */
  start(): void;
  stop(): void;
}

/** How far a device's clock may be ahead before its time is wrong (execution semantics, G-CL-7). Of real time. */
const AHEAD_MS = 5_000;
/** How late, in parts of the shortest limit, a value past its time may be told; and bounds on how often to look. */
const SWEEPS_PER_LIMIT = 10;
const SWEEP_MIN_MS = 1_000;
const SWEEP_MAX_MS = 30_000;

export function createObserver(options: ObserverOptions): Observer {
  const { site, clock } = options;
  const index = indexSlots(site);
  const sensing = createSensing(site, index, clock);
  const connections = new Map<string, ConnectionState>(
    [...site.connections.values()].map(({ id, driver }) => [
      id,
      { id, protocol: driver.protocol, status: null, detail: 'not heard from yet', since: null },
    ]),
  );
  const judge = createJudge(site);
  const tell = createTeller(options);
  const sweepMs = sweepInterval(index.all);
  let timer: Timer | null = null;

  function sweep(): void {
    timer = clock.after(sweepMs, sweep);
    const monoMs = clock.monoMs();
    for (const slot of index.all) {
      if (slot.now === null || !isStale(slot, monoMs)) continue;
      slot.now = { ...slot.now, value: null, quality: 'bad', reason: 'stale' };
      slot.changedMonoMs = monoMs;
      if (isNews(slot)) tell(slot, slot.now);
    }
  }

  return {
    readings(batch) {
      const wallMs = clock.wallMs();
      const monoMs = clock.monoMs();
      for (const reading of batch) {
        const slot = index.byDevice.get(reading.device)?.get(reading.point);
        if (slot === undefined)
          throw new Error(`a reading of a point that is not in the site: ${reading.device}/${reading.point}`);
        const now = judge(slot, reading, wallMs, monoMs);
        slot.now = now;
        slot.receivedWallMs = wallMs;
        slot.receivedMonoMs = monoMs;
        if (isNews(slot)) tell(slot, now);
      }
    },
    status(connection, status, detail) {
      const before = connections.get(connection);
      if (before === undefined) throw new Error(`a status of a connection that is not in the site: ${connection}`);
      const changed = before.status !== status;
      const since = changed ? isoTime(clock.wallMs()) : before.since;
      connections.set(connection, { ...before, status, detail, since });
      if (!changed) return;
      const { id, protocol, status: previous } = before;
      const envelope = makeEnvelope(site.identity, {
        event_id: options.ids.uuid(),
        source: `${protocol}:${id}`,
        event_type: 'connector.status_changed',
        payload: { connection: id, status, previous, detail, at: since },
      });
      options.emit(envelope);
    },
    points: createPoints(index, clock),
    sense: sensing,
    connections: () => [...connections.values()],
    start() {
      timer ??= clock.after(sweepMs, sweep);
    },
    stop() {
      timer?.cancel();
      timer = null;
    },
  };
}

function sweepInterval(slots: readonly Slot[]): number {
  const shortest = slots.reduce((ms, slot) => Math.min(ms, slot.point.stale_ms), Number.POSITIVE_INFINITY);
  return Math.min(Math.max(shortest / SWEEPS_PER_LIMIT, SWEEP_MIN_MS), SWEEP_MAX_MS);
}

type Judge = (slot: Slot, reading: Reading, wallMs: number, monoMs: number) => State;

/** What is to be believed of a reading, given what came before. Notes since when the value is what it is. */
function createJudge(site: Site): Judge {
  const aheadMs = AHEAD_MS * (site.simulation?.speed ?? 1);
  const isAhead = (observedAt: string | null, wallMs: number): boolean =>
    observedAt !== null && (parseTime(observedAt) ?? wallMs) > wallMs + aheadMs;

  return (slot, reading, wallMs, monoMs) => {
    const { value, quality, quality_reason: reason, provenance, observed_at: observedAt } = reading;
    const unusable = value === null || (typeof value === 'number' && !Number.isFinite(value));
    const kept = unusable ? null : value;
    if (slot.now === null || slot.now.value !== kept) {
      slot.changedMonoMs = monoMs;
      slot.changeSeen = slot.now !== null && slot.now.value !== null && kept !== null;
    }
    if (unusable) return { value: null, quality: 'bad', reason: reason ?? 'sensor_fault', provenance, observedAt };
    if (quality === 'bad') return { value, quality, reason, provenance, observedAt };
    const doubt =
      quality === 'good' ? implausibleOn(slot, value, monoMs) : isOutside(slot.point, value) ? 'out_of_range' : null;
    if (doubt !== null) return { value, quality: 'bad', reason: doubt, provenance, observedAt };
    if (quality === 'good' && isAhead(observedAt, wallMs)) {
      return { value, quality: 'uncertain', reason: 'clock_skew', provenance, observedAt };
    }
    return { value, quality, reason, provenance, observedAt };
  };
}

/** Only good values teach what is plausible: a retained one may be from last year. */
function implausibleOn(slot: Slot, value: PointValue, monoMs: number): QualityReason | null {
  return implausible(slot.point, slot.spike, value, monoMs, slot.changedMonoMs);
}

/** Makes the envelope of a point's state and hands it on. Many readings share a millisecond, so its text is kept. */
function createTeller({ site, ids, emit }: ObserverOptions): (slot: Slot, now: State) => void {
  let receivedMs = Number.NaN;
  let receivedAt = '';
  return (slot, now) => {
    if (slot.receivedWallMs !== receivedMs) {
      receivedMs = slot.receivedWallMs;
      receivedAt = isoTime(receivedMs);
    }
    const { value, quality, reason, provenance, observedAt } = now;
    const { entity, point, source } = slot;
    slot.told = { value, quality, reason, provenance };
    const payload = {
      entity,
      point: point.name,
      value,
      unit: point.unit,
      quality,
      quality_reason: reason,
      provenance,
      observed_at: observedAt,
      received_at: receivedAt,
      device: point.device,
    } satisfies ReadingPayload;
    emit(makeEnvelope(site.identity, { event_id: ids.uuid(), source, event_type: point.event_type, payload }));
  };
}
