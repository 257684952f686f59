/** For tests: a journal in memory, and a gateway made of it. */
import type { Mode, Receipt } from '@fibric/sdk';
import { type FakeControl, fakeControl } from './control-fixture.ts';
import type { ActivePolicy } from '../journal/policies.ts';
import { MemoryAlerts } from './alert-fixture.ts';
import { fakePeople } from './people-fixture.ts';
import type { Story } from '../journal/story.ts';
import type { JournalReader, ListQuery, PlanView, Verification } from '../journal/types.ts';
import { MemoryEvents } from './events-fixture.ts';
import { evaluationOf, POLICY } from './policy-fixture.ts';
import { storyOf } from './story-fixture.ts';
import type {
  CapabilityView,
  ConnectorView,
  DeviceView,
  GatewayView,
  OperatorView,
  PointView,
  StatusView,
} from './view.ts';
import type { Say } from '../executor/approvals.ts';
import type { Ask } from '../persons.ts';

const AT = '2026-07-02T08:00:00.000Z';
const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_test' };

/** A receipt as a write that was applied and read back leaves it. */
export function receiptOf(seq: number, changes: Partial<Receipt> = {}): Receipt {
  return {
    object: 'receipt',
    receipt_id: `rc_${seq}`,
    seq,
    prev: 'a'.repeat(64),
    hash: 'b'.repeat(64),
    ...IDENTITY,
    operator: 'comfort',
    version: 'local',
    run_id: 'run_1',
    plan_id: 'pl_1',
    action_id: `act_${seq}`,
    event_id: 'ev_1',
    correlation_id: `co_${seq}`,
    proposed_by: 'rules',
    capability: 'hvac.setpoint',
    connector: 'fcu',
    tool: 'set_setpoint',
    effect_class: 'absolute_set',
    device: 'fcu-412',
    args: { zone: '412', celsius: 21.5 },
    value: 21.5,
    entity_key: 'zone:412',
    idempotency_key: `op:zone:412:setpoint@ep=${seq}#1`,
    fingerprint: 'f'.repeat(64),
    attempt: 1,
    epoch: 1,
    mode: 'live',
    provenance: 'simulated',
    policy: { decision: 'allow', rule: 'comfort-setpoint', hash: 'c'.repeat(64) },
    verdict: { decision: 'ALLOW', rule: 'comfort-setpoint', stage: 'motion', rules: [] },
    evidence: [
      {
        point: 'zone:412/occupied',
        value: true,
        unit: null,
        quality: 'good',
        provenance: 'simulated',
        source_ts: AT,
        age_ms: 1_200,
        unchanged_ms: 60_000,
      },
    ],
    inputs: null,
    baseline: [{ point: 'setpoint', value: 17 }],
    target: [{ point: 'setpoint', value: 21.5 }],
    effective: [{ point: 'setpoint', value: 21.5 }],
    readback: [{ point: 'setpoint', value: 21.5, quality: 'good', at: AT }],
    device_response: { protocol: 'modbus', code: 'ok', latency_ms: 3, request: '0c0600000d7', reply: '0c0600000d7' },
    timeline: { intent_at: AT, sent_at: AT, answered_at: AT },
    outcome: 'applied',
    reason_code: null,
    reason: null,
    reasoning: 'zone 412 is occupied: 17 → 21.5 degC',
    approver: null,
    approval: null,
    lease: null,
    refers_to: [],
    at: AT,
    clock: { wall: AT, mono_ms: 1_000, boot_id: 'boot', state: 'trusted', uncertainty_ms: 0 },
    ...changes,
  };
}

function newest<T extends { readonly seq: number; readonly operator: string }>(
  rows: readonly T[],
  query: ListQuery,
): readonly T[] {
  return rows
    .filter((row) => row.seq < (query.before ?? Number.POSITIVE_INFINITY))
    .filter((row) => query.operator === undefined || row.operator === query.operator)
    .toSorted((a, b) => b.seq - a.seq)
    .slice(0, query.limit);
}

export class MemoryJournal implements JournalReader {
  readonly rows: Receipt[] = [];
  readonly planRows: PlanView[] = [];
  readonly policies = (): readonly ActivePolicy[] => [];
  readonly alerts = new MemoryAlerts();
  verification: Verification = {
    kind: 'proved',
    rows: 3,
    receipts: 2,
    head: 'd'.repeat(64),
    open_intents: 0,
    checkpoint: null,
    opened: 0,
    erased: [],
    withheld: 0,
  };

  /** Appends receipts with the next `seq`s; every other row of the chain is something else, as in a real journal. */
  write(count: number, changes: Partial<Receipt> = {}): void {
    for (let i = 0; i < count; i += 1) this.rows.push(receiptOf(this.head() + 2, changes));
  }

  receipts(query: ListQuery): readonly Receipt[] {
    return newest(this.rows, query);
  }

  receiptsAfter(after: number, limit: number): readonly Receipt[] {
    return this.rows.filter((row) => row.seq > after).slice(0, limit);
  }

  receipt(receiptId: string): Receipt | null {
    return this.rows.find((row) => row.receipt_id === receiptId) ?? null;
  }

  story(receiptId: string): Story | null {
    const receipt = this.receipt(receiptId);
    return receipt && storyOf(receipt);
  }

  plans(query: ListQuery): readonly PlanView[] {
    const waiting = this.planRows.filter(({ status }) => !query.waiting || status === 'proposed');
    return newest(waiting, query);
  }

  plan(planId: string): PlanView | null {
    return this.planRows.find((row) => row.plan_id === planId) ?? null;
  }

  textsOf(): null {
    return null;
  }

  verify(): Verification {
    return this.verification;
  }

  head(): number {
    return this.rows.at(-1)?.seq ?? 0;
  }
}

export interface FakeGateway extends GatewayView {
  readonly journal: MemoryJournal;
  readonly events: MemoryEvents;
  /** What the next run leaves behind. */
  nextReceipts: readonly Receipt[];
  notReady: readonly string[];
  /** Who changed what. */
  readonly modeChanges: string[];
  /** What was said of plans. */
  readonly said: Say[];
  /** What persons proposed. */
  readonly asked: Ask[];
  readonly control: FakeControl;
}

/** A small hotel: rooms 411 and 412, one operator, everything well. */
export function fakeGateway(): FakeGateway {
  const journal = new MemoryJournal();
  const events = new MemoryEvents();
  let mode: Mode = 'live';
  const control = fakeControl();
  const people = fakePeople(journal);
  const view: FakeGateway = {
    journal,
    events,
    nextReceipts: [],
    notReady: [],
    modeChanges: [],
    status: () => statusOf(view),
    points: () => ['411', '412'].map(pointOf),
    readPoints: async (refs) => refs.map((ref) => pointOf(ref.device.slice('room-'.length))),
    devices: () => DEVICES,
    connectors: () => [CONNECTOR],
    testConnector: async (id) =>
      id === CONNECTOR.id ? { status: 'connected', detail: 'unit 12 answered', latency_ms: 3 } : null,
    capabilities: () => CAPABILITIES,
    operators: () => [{ ...OPERATOR, mode }],
    runOnce: async (name) =>
      name !== OPERATOR.name
        ? null
        : {
            object: 'run',
            run_id: 'run_7',
            operator: name,
            mode,
            sensed: [{ capability: 'occupancy.read', entities: 2 }],
            plan_id: 'pl_7',
            reasoning: 'zone 412 is occupied',
            proposed: view.nextReceipts.length,
            failure: null,
            receipts: view.nextReceipts,
            awaiting: [],
          },
    setMode: async (name, wanted, { who, reason }) => {
      if (name !== OPERATOR.name) return null;
      mode = wanted;
      view.modeChanges.push([who, name, wanted, ...(reason === null ? [] : [reason])].join(' '));
      return { ...OPERATOR, mode };
    },
    ...people,
    control,
    ...control,
    acknowledge: async (who) => {
      const held = view.notReady.map((reason) => ({ hold: 'journal_failing' as const, reason }));
      view.notReady = [];
      if (held.length > 0) view.modeChanges.push(`${who} acknowledged`);
      return held;
    },
    policies: () => [POLICY],
    reloadPolicies: async (who) => {
      view.modeChanges.push(`${who} read the policies again`);
      return [POLICY];
    },
    evaluatePolicy: async (question) => evaluationOf(question),
    sync: () => null,
    why(receiptId) {
      const story = journal.story(receiptId);
      return story && { ...story, sync: { state: 'waiting', behind: 3 } };
    },
    erase: async () => null,
    checkpoint: async () => ({ origin: 'gw_1/receipts/1', key: 'k', source: 'gw_1', signed: 'note\n', cosigned: null }),
  };
  return view;
}

function statusOf(view: FakeGateway): StatusView {
  return {
    object: 'status',
    version: '0.1.0',
    site: 'Test Hotel',
    identity: IDENTITY,
    timezone: 'Europe/Stockholm',
    site_time: AT,
    simulation: { world: 'w1', speed: 60 },
    site_file: '/site/hotel.yaml',
    site_hash: 'e'.repeat(64),
    data: '/site/data',
    pid: 4242,
    started_at: AT,
    uptime_ms: 90_000,
    clock: { state: 'trusted', uncertainty_ms: 0 },
    journal_head: view.journal.head(),
    journal_looked_through: null,
    events_head: view.events.head(),
    ready: view.notReady.length === 0,
    not_ready: view.notReady,
    open_actions: 0,
    leases: 1,
    breakers: 1,
    alerts: {
      undelivered: 1,
      channels: [{ id: 'webhook-1', label: 'webhook https://hooks.example.com', problem: 'ECONNREFUSED' }],
    },
    stop: view.control.stop,
  };
}

function pointOf(room: string): PointView {
  return {
    object: 'point',
    device: `room-${room}`,
    point: 'temperature',
    entity_key: `zone:${room}`,
    value: 21.4,
    unit: 'degC',
    quality: 'good',
    quality_reason: null,
    provenance: 'simulated',
    observed_at: null,
    received_at: AT,
    age_ms: 1_500,
  };
}

const DEVICES: readonly DeviceView[] = ['room-412', 'room-411', 'fcu-412'].map((id) => ({
  object: 'device',
  id,
  connection: 'field',
  profile: 'room-sensor',
  entity_key: 'zone:412',
  capabilities: ['occupancy.read'],
  points: 4,
  points_not_good: 0,
}));

const CONNECTOR: ConnectorView = {
  object: 'connector',
  id: 'fcu',
  protocol: 'modbus',
  endpoint: '127.0.0.1:5020',
  status: 'connected',
  detail: 'connected',
  devices: 24,
};

const CAPABILITIES: readonly CapabilityView[] = [
  {
    object: 'capability',
    capability: 'hvac.setpoint',
    status: 'ready',
    side_effecting: true,
    effect_class: 'absolute_set',
    connections: ['fcu'],
    devices: ['fcu-412'],
    entities: ['zone:412'],
    operators: ['comfort'],
  },
  {
    object: 'capability',
    capability: 'bookings.read',
    status: 'unbound',
    side_effecting: false,
    effect_class: null,
    connections: [],
    devices: [],
    entities: [],
    operators: ['comfort'],
  },
];

const OPERATOR: OperatorView = {
  object: 'operator',
  name: 'comfort',
  uid: 'op_1',
  goal: 'Rooms are comfortable when somebody is there.',
  mode: 'live',
  requires: ['occupancy.read', 'hvac.setpoint'],
  triggers: [{ on: 'zone.*' }, { every: '5m' }],
  policy_hash: 'c'.repeat(64),
  problem: null,
  runs: 6,
  failed: 0,
  last_run: { run_id: 'run_6', at: AT, sensed: 2, proposed: 3, outcomes: { applied: 2, blocked: 1 } },
  queued: 0,
  dropped: 0,
};
