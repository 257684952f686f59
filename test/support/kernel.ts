/** An executor over fake devices and a real journal, in virtual time. */
import { z } from 'zod';
import {
  CAPABILITIES,
  type Capability,
  type DriverModule,
  type Envelope,
  makeEnvelope,
  type Mode,
  type PointValue,
  type Receipt,
} from '@fibric/sdk';
import { loadPolicy, type Policy } from '@fibric/policy';
import { createBindings } from '@fibric/gateway/bindings';
import type { Connection, Device, DeviceTool, Point, Site } from '@fibric/gateway/config/site';
import { createExecutor, type ExecutorDeps, type RunningExecutor } from '@fibric/gateway/executor/executor';
import { type Journal, type JournalOptions, openJournal } from '@fibric/gateway/journal/journal';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import type { JournalReader } from '@fibric/gateway/journal/types';
import type { PointStatus, Proposal } from '@fibric/gateway/kernel';
import { localTimeIn } from '@fibric/gateway/local-time';
import { FakeDevice } from './fake-device.ts';
import { VirtualClock } from './virtual-clock.ts';

export const identity = { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_test' };

const GATE: Capability = {
  name: 'gate.pulse',
  side_effecting: true,
  input: z.strictObject({ gate: z.string() }) as z.ZodType<Record<string, unknown>>,
  entity_key: (args) => `gate:${String(args['gate'])}`,
  value: null,
  action: 'pulse',
};

function point(device: string, name: string): Point {
  return {
    name,
    device,
    access: 'read_write',
    poll_ms: 1_000,
    deadband: null,
    address: null,
    unit: null,
    event_type: `zone.${name}`,
    plausibility: { range: null, spike: null, stuck_ms: null },
    stale_ms: 60_000,
  };
}

function thermostat(zone: string): Device {
  const id = `fcu-${zone}`;
  const tool: DeviceTool = {
    capability: CAPABILITIES.get('hvac.setpoint') as Capability,
    name: 'hvac.setpoint',
    device: id,
    connection: 'fcu',
    effect: 'absolute_set',
    writes: [{ point: 'setpoint', from: { kind: 'argument', argument: 'celsius', map: null } }],
    verify: {
      read: [{ point: 'setpoint', written: 'setpoint' }],
      tolerance: 0.05,
      settle_ms: 100,
      late_write_window_ms: 3_000,
      tries: 2,
    },
    proof: null,
    timeout_ms: 1_000,
    physical_points: [`fcu/${id}/1`],
  };
  return device(id, { kind: 'zone', id: zone }, ['setpoint', 'temperature'], [tool]);
}

function gate(id: string, proof: boolean): Device {
  const tool: DeviceTool = {
    capability: GATE,
    name: 'gate.pulse',
    device: `gate-${id}`,
    connection: 'fcu',
    effect: 'relative_or_pulse',
    writes: [{ point: 'pulse', from: { kind: 'constant', value: true } }],
    verify: null,
    proof: proof ? { point: 'counter' } : null,
    timeout_ms: 1_000,
    physical_points: [`gate/${id}`],
  };
  const made = device(`gate-${id}`, { kind: 'gate', id }, ['pulse', 'counter'], [tool]);
  return { ...made, points: made.points.map((p) => (p.name === 'pulse' ? { ...p, access: 'write' as const } : p)) };
}

function device(id: string, entity: Device['entity'], points: readonly string[], tools: readonly DeviceTool[]): Device {
  const list = points.map((name) => point(id, name));
  return {
    id,
    connection: 'fcu',
    profile: 'test',
    entity,
    spec: { id, options: null, points: list },
    points: list,
    identity: [],
    reads: {},
    tools,
  };
}

export const OPEN_POLICY = 'version: 1\nallow: [hvac.setpoint, gate.pulse]\n';

export function policyOf(text: string): Policy {
  const loaded = loadPolicy([{ file: 'policy.yaml', text }], {
    capabilities: new Set([...CAPABILITIES.keys(), 'gate.pulse']),
    tools: new Set(['hvac.setpoint', 'gate.pulse']),
  });
  if (!('policy' in loaded)) throw new Error(JSON.stringify(loaded));
  return loaded.policy;
}

export interface Kernel {
  readonly clock: VirtualClock;
  readonly device: FakeDevice;
  readonly journal: Journal;
  readonly executor: RunningExecutor;
  readonly receipts: Receipt[];
  /** What the gateway told the site by itself. */
  readonly announced: Envelope[];
  readonly points: Map<string, PointStatus>;
  readonly dataDir: string;
  /** Reason codes of plans that were rejected as a whole. */
  readonly rejections: string[];
  /** A device says so: what is known of the point, and news for the leases that depend on it. */
  say(device: string, point: string, value: PointValue, over?: Partial<PointStatus>): void;
  proposal(actions: readonly unknown[], over?: Partial<Proposal>): Proposal;
  propose(actions: readonly unknown[], over?: Partial<Proposal>): Promise<readonly Receipt[]>;
  /** As if the process had been killed: nothing is flushed, nothing is waited for. */
  close(): Promise<void>;
}

export interface KernelOptions {
  readonly dataDir: string;
  readonly policy?: string | null;
  readonly mode?: Mode;
  readonly device?: FakeDevice;
  readonly clock?: VirtualClock;
  readonly bootId?: string;
  readonly clockTrusted?: () => boolean;
  /** Why the disk is too full for a new plan. */
  readonly lowSpace?: () => string | null;
  /** The devices speak by themselves, as over MQTT. */
  readonly unsolicited?: boolean;
  /** What every thermostat says of itself. */
  readonly identity?: Device['identity'];
  /** The journal seen through something that fails or watches. */
  readonly openJournal?: (options: JournalOptions) => Journal;
  /** Another site around the same executor: what is given replaces what stands here. */
  readonly parts?: Partial<ExecutorDeps>;
}

function onDisk<T>(dataDir: string, read: (reader: JournalReader) => T): T {
  const reader = openJournalReader(dataDir);
  try {
    return read(reader);
  } finally {
    reader.close();
  }
}

/** A site of three thermostats (zones 412–414), a gate with a proof counter (A) and one without (B). */
export function startKernel(options: KernelOptions): Kernel {
  const {
    dataDir,
    mode = 'live',
    clock = new VirtualClock(),
    device: far = new FakeDevice(),
    bootId = 'boot-1',
  } = options;
  const { identity: said = [] } = options;
  const zones = ['412', '413', '414'].map((zone) => ({ ...thermostat(zone), identity: said }));
  const devices = [...zones, gate('A', true), gate('B', false)];
  const connection: Connection = {
    id: 'fcu',
    driver: { unsolicited: options.unsolicited ?? false } as DriverModule,
    options: null,
    devices,
  };
  const policy = options.policy === null ? null : policyOf(options.policy ?? OPEN_POLICY);
  const site = {
    connections: new Map([['fcu', connection]]),
    bindings: new Map([
      ['hvac.setpoint', ['fcu']],
      ['gate.pulse', ['fcu']],
    ]),
  } as unknown as Site;
  const open = options.openJournal ?? openJournal;
  const journal = open({ dataDir, clock, bootId, onFailure: () => undefined });
  journal.append({
    type: 'boot/1',
    epoch: journal.epoch + 1,
    boot_id: bootId,
    gateway_uid: 'gw',
    software: 'test',
    site: 'test',
  });
  const receipts: Receipt[] = [];
  const announced: Envelope[] = [];
  let runs = 0;
  const points = new Map<string, PointStatus>();
  function entityOf(id: string): string {
    const { kind, id: which } = devices.find((one) => one.id === id)?.entity ?? { kind: 'site', id };
    return `${kind}:${which}`;
  }
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const executor = createExecutor({
    identity,
    real: 'live',
    journal,
    recentReceipts: (before, limit) =>
      onDisk(dataDir, (reader) => reader.receipts({ limit, ...(before === undefined ? {} : { before }) })),
    clock,
    ioClock: clock,
    bootId,
    log: silent,
    policies: {
      of: () => policy,
      all: () => [{ policy }],
    },
    bindings: createBindings(site),
    people: null,
    records: {
      plan: (id) => onDisk(dataDir, (reader) => reader.plan(id)),
      receipt: (id) => onDisk(dataDir, (reader) => reader.receipt(id)),
    },
    points: {
      all: () => [...points.values()],
      get: (id, name) => points.get(`${id}/${name}`) ?? null,
      fact: (entity, name) => {
        const status = points.get(`${entity}/${name}`);
        if (!status) return null;
        const { value, unit, quality, provenance, observed_at: source_ts } = status;
        const age_ms = clock.monoMs() - status.received_mono_ms;
        const unchanged_ms = clock.monoMs() - status.changed_mono_ms;
        return { value, unit, quality, provenance, source_ts, age_ms, unchanged_ms };
      },
    },
    driver: () => far,
    observe: (readings) => {
      for (const r of readings) {
        const entity_key = entityOf(r.device);
        const now = clock.monoMs();
        const status: PointStatus = {
          ...{ ...r, entity_key, unit: null, received_at: '' },
          ...{ received_mono_ms: now, changed_mono_ms: now, change_seen: false },
        };
        for (const key of [`${r.device}/${r.point}`, `${entity_key}/${r.point}`]) points.set(key, status);
      }
    },
    localTime: localTimeIn('Europe/Stockholm'),
    heartbeat: null,
    telling: { unreachableMs: () => 0, accepted: async () => true },
    announce: (event_type, payload, from) => {
      const event = makeEnvelope(identity, {
        event_id: `e-${bootId}-${++runs}`,
        source: 'gateway',
        event_type,
        payload,
        ...(from ? { correlation_id: from.correlation_id, agent_id: from.operator } : {}),
      });
      announced.push(event);
      return event;
    },
    noticeSleep: () => undefined,
    clockTrusted: options.clockTrusted ?? (() => true),
    lowSpace: options.lowSpace ?? (() => null),
    onReceipt: (receipt) => void receipts.push(receipt),
    ...options.parts,
  });
  executor.recover();
  const rejections: string[] = [];
  function proposal(actions: readonly unknown[], over: Partial<Proposal> = {}): Proposal {
    const event = makeEnvelope(identity, {
      event_id: `e-${bootId}-${++runs}`,
      source: 'cron',
      event_type: 'cron.tick',
      payload: {},
    });
    return {
      run_id: `run_${runs}`,
      operator: { name: 'comfort', uid: 'comfort', version: 'local' },
      requires: ['hvac.setpoint', 'gate.pulse'],
      mode,
      event,
      proposed_by: 'rules',
      reasoner: null,
      plan: { reasoning: 'test', actions },
      state: null,
      ...over,
    };
  }
  return {
    clock,
    device: far,
    journal,
    executor,
    receipts,
    announced,
    points,
    dataDir,
    rejections,
    say(id, name, value, over = {}) {
      const entity_key = entityOf(id);
      const now = clock.monoMs();
      const status: PointStatus = {
        ...{ device: id, point: name, entity_key, value, unit: null, quality: 'good', quality_reason: null },
        ...{ provenance: 'live', observed_at: null, received_at: '', received_mono_ms: now },
        ...{ changed_mono_ms: now, change_seen: true },
        ...over,
      };
      for (const key of [`${id}/${name}`, `${entity_key}/${name}`]) points.set(key, status);
      executor.control.heard(status);
    },
    proposal,
    async propose(actions, over = {}) {
      const disposition = await clock.until(executor.submit(proposal(actions, over)));
      if (disposition.rejected) rejections.push(disposition.rejected.reason_code);
      return disposition.receipts;
    },
    async close() {
      await executor.stop();
      journal.close();
    },
  };
}

export const setpoint = (zone: string, celsius: number, over: Record<string, unknown> = {}) => ({
  capability: 'hvac.setpoint',
  args: { zone, celsius },
  ...over,
});
export const pulse = (id: string, over: Record<string, unknown> = {}) => ({
  capability: 'gate.pulse',
  args: { gate: id },
  ...over,
});
