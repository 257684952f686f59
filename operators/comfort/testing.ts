/** For tests: a site made of values, in which time passes when it is told to, and `comfort` running over it. */
import {
  type CapabilityAction,
  type Envelope,
  type ExecutionPlan,
  executionPlanSchema,
  makeEnvelope,
  type OperatorContext,
  type PointValue,
  type QualityReason,
  type ReasonRequest,
  type Sensed,
} from '@fibric/sdk';
import comfort from './operator.ts';
import { settingsSchema } from './settings.ts';

interface Held {
  readonly value: PointValue;
  readonly bad: QualityReason | null;
  readonly since_s: number;
}

export interface BookingRecord {
  readonly booking_id: string;
  readonly room: string;
  readonly arrives_at: string;
  readonly departs_at: string;
  readonly status: string;
}

const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: null };
const READS: Readonly<Record<string, readonly string[]>> = {
  'climate.read': ['temperature', 'setpoint', 'window'],
  'occupancy.read': ['motion'],
  'lighting.read': ['scene'],
};

export class TestSite {
  /** Seconds since the epoch; the site's zone is UTC. */
  now_s: number;
  bookings: readonly BookingRecord[] | 'failing' | null = null;
  settings: Record<string, unknown> = {};
  state: Readonly<Record<string, unknown>> = {};
  readonly #zones = new Map<string, Map<string, Held>>();

  /** Starts at a local time such as `2026-07-02T12:00`. */
  constructor(local: string) {
    this.now_s = this.at(local);
  }

  at(local: string): number {
    return Temporal.Instant.from(`${local}:00Z`).epochMilliseconds / 1_000;
  }

  pass(minutes: number): this {
    this.now_s += minutes * 60;
    return this;
  }

  /** Sets points of a zone. What already has that value goes on having it. */
  set(zone: string, points: Readonly<Record<string, PointValue>>): this {
    for (const [name, value] of Object.entries(points)) this.#hold(zone, name, value, null);
    return this;
  }

  spoil(zone: string, point: string, reason: QualityReason): this {
    return this.#hold(zone, point, null, reason);
  }

  #hold(zone: string, name: string, value: PointValue, bad: QualityReason | null): this {
    const points = this.#zones.get(zone) ?? new Map<string, Held>();
    this.#zones.set(zone, points);
    const before = points.get(name);
    if (before?.value !== value || before.bad !== bad) points.set(name, { value, bad, since_s: this.now_s });
    return this;
  }

  /** A room that has been quiet at `setpoint` for an hour. */
  room(zone: string, setpoint: number, temperature = 21): this {
    this.now_s -= 3_600;
    this.set(zone, { setpoint, temperature, motion: false });
    return this.pass(60);
  }

  async run(event: Envelope = this.tick()): Promise<ExecutionPlan> {
    const plan = executionPlanSchema.parse(
      await comfort.run(this.#context(event) as unknown as OperatorContext<never>),
    );
    if (plan.state) this.state = JSON.parse(JSON.stringify(plan.state)) as Record<string, unknown>;
    return plan;
  }

  /** Runs, and does what the plan says. Returns it in short: `412 21.5`, `corridor-4 dim`, `412 21.5 ev=BK-1`. */
  async step(event?: Envelope): Promise<readonly string[]> {
    const { actions } = await this.run(event);
    return actions.map((action) => {
      const { capability, args, occurrence } = action as CapabilityAction;
      const zone = String(args['zone']);
      const value = capability === 'hvac.setpoint' ? Number(args['celsius']) : String(args['scene']);
      this.set(zone, capability === 'hvac.setpoint' ? { setpoint: value } : { scene: value });
      return `${zone} ${value}${occurrence === undefined ? '' : ` ${occurrence}`}`;
    });
  }

  tick(): Envelope {
    return makeEnvelope(IDENTITY, {
      event_id: 'ev-1',
      source: 'cron',
      event_type: 'cron.tick',
      payload: { every: '1m' },
    });
  }

  reading(zone: string, point: string, value: PointValue): Envelope {
    const payload = { entity: { kind: 'zone', id: zone }, point, value, quality: 'good' };
    return makeEnvelope(IDENTITY, { event_id: 'ev-1', source: 'fixture', event_type: `zone.${point}`, payload });
  }

  #context(event: Envelope): unknown {
    const utc = Temporal.Instant.fromEpochMilliseconds(this.now_s * 1_000).toString();
    return {
      event,
      settings: settingsSchema.parse(this.settings),
      now: { utc, zone: 'UTC', local: utc.slice(0, 19) },
      state: this.state,
      sense: async (capability: string, args: Record<string, unknown> = {}) => this.#sense(capability, args),
      bound: (capability: string) => capability !== 'bookings.read' || this.bookings !== null,
      reason: async (request: ReasonRequest) => request.schema?.parse(comfort.rules?.(request)),
      propose: (actions: unknown, reasoning: string) => ({ actions, reasoning }),
      log: () => {},
    };
  }

  #sense(capability: string, args: Readonly<Record<string, unknown>>): unknown {
    if (capability !== 'bookings.read') return this.#sensed(READS[capability] ?? [], args);
    if (this.bookings === 'failing') throw new Error('no answer');
    return { bookings: this.bookings };
  }

  #sensed(names: readonly string[], args: Readonly<Record<string, unknown>>): Sensed {
    const zones = [...this.#zones].filter(([id]) => args['entity'] === undefined || args['entity'] === `zone:${id}`);
    return {
      at: '',
      entities: zones.map(([id, points]) => ({
        kind: 'zone',
        id,
        points: Object.fromEntries(
          [...points].filter(([name]) => names.includes(name)).map(([name, held]) => [name, this.#point(held)]),
        ),
      })),
    };
  }

  #point({ value, bad, since_s }: Held): Sensed['entities'][number]['points'][string] {
    return {
      value,
      unit: null,
      quality: bad === null ? 'good' : 'bad',
      quality_reason: bad,
      provenance: 'live',
      age_s: 30,
      unchanged_s: this.now_s - since_s,
      change_seen: true,
      device: 'device',
    };
  }
}
