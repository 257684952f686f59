/**
 * The driver of one process, and the network behind it. What a driver promises (D1–D3) holds; everything else goes wrong as the seed
 * says: silence, late frames, answers without deeds, deeds without answers, refusals, a line that drops.
 *
 * A frame may be late by the device's `late_write_window` after its connection was closed, and no later: that is what the profile says.
 */
import {
  badReading,
  type Driver,
  type DriverSink,
  LIMITS,
  type PointRef,
  type Reading,
  type WriteCommand,
  type WriteResult,
} from '@fibric/sdk';
import type { Dice } from './dice.ts';
import type { Field, Sent } from './field.ts';
import { LATE_MS, READ_POINTS, registerOf, SETTLE_MS } from './site.ts';
import type { ProcessClock, Timeline } from './timeline.ts';

export interface Faults {
  /** What becomes of a write. */
  readonly writes: Readonly<Record<WriteFate, number>>;
  /** One read in so many fails, by probability. */
  readonly badRead: number;
  readonly slowBus: number;
  /** Somebody turns the knob at the very moment that the gateway looks or writes. */
  readonly meddling: number;
}

export type WriteFate =
  | 'obey'
  | 'ignore'
  | 'refuse'
  | 'lost_request'
  | 'lost_answer'
  | 'late'
  | 'slow_actuator'
  | 'half'
  | 'defect';

export const CALM: Faults = {
  writes: {
    obey: 1,
    ignore: 0,
    refuse: 0,
    lost_request: 0,
    lost_answer: 0,
    late: 0,
    slow_actuator: 0,
    half: 0,
    defect: 0,
  },
  badRead: 0,
  slowBus: 0,
  meddling: 0,
};

export interface LinkDeps {
  readonly timeline: Timeline;
  readonly clock: ProcessClock;
  readonly field: Field;
  readonly dice: Dice;
  readonly faults: () => Faults;
  readonly isUp: () => boolean;
  /** A moment at which the process may be killed or stopped; true: it is dead now. */
  readonly moment: (what: string) => boolean;
  /** Looks up the durable intent behind a command, immediately before its first byte leaves. */
  readonly intentOf: (command: WriteCommand) => Sent['intent'];
  readonly wallMs: () => number;
  readonly complain: (what: string) => void;
  readonly meddle: (device: string) => void;
  readonly pollMs: number;
}

interface Frame {
  readonly sent: Sent;
  arrivesAt: number;
  arrived: boolean;
  lost: boolean;
  readonly arrive: () => void;
  readonly fail: (why: string) => void;
}

const never = new Promise<never>(() => undefined);
const response = { protocol: 'sim', code: 'ok', latency_ms: 1, request: '06', reply: '06' };

export class Link implements Driver {
  readonly #deps: LinkDeps;
  readonly #frames = new Set<Frame>();
  readonly #busy = new Set<string>();
  #backAt = 0;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  start(sink: DriverSink): void {
    const { clock, pollMs } = this.#deps;
    const poll = (): void => {
      sink.readings(READ_POINTS.map((ref) => this.#sample(ref)));
      clock.after(pollMs, poll);
    };
    clock.after(1, poll);
  }

  async stop(): Promise<void> {}

  async probe() {
    return { status: 'connected' as const, detail: 'simulated', latency_ms: 1 };
  }

  async reset(): Promise<void> {
    if (this.#deps.moment('reset')) return never;
    this.drop('reset');
    this.#backAt = this.#deps.timeline.now + this.#deps.dice.int(20, 500);
  }

  /** The connection closes: what is on its way may still arrive, within the window. */
  drop(why: string): void {
    const { timeline, dice } = this.#deps;
    for (const frame of this.#frames) {
      if (!frame.arrived && !frame.lost && frame.arrivesAt > timeline.now) {
        frame.arrivesAt = Math.min(frame.arrivesAt, timeline.now + dice.int(0, LATE_MS - 1));
        timeline.after(frame.arrivesAt - timeline.now, frame.arrive);
      }
      frame.fail(why);
    }
    this.#frames.clear();
  }

  async read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]> {
    const { clock, dice, moment, faults, meddle } = this.#deps;
    if (moment('read')) return never;
    if (refs[0] && dice.chance(faults().meddling)) meddle(refs[0].device);
    const latencyMs = dice.int(1, 40);
    await this.#pause(latencyMs);
    const silent = refs.some(({ device }) => !this.#deps.field.isOn(device)) || dice.chance(faults().badRead);
    if (silent && this.#isOpen()) await this.#pause(timeoutMs - latencyMs);
    if (clock.dead) return never;
    const readings = refs.map((ref) => (silent ? badReading(ref, 'timeout', 'live') : this.#sample(ref, true)));
    await this.#pause(dice.int(0, 5));
    return readings;
  }

  async write(command: WriteCommand): Promise<WriteResult> {
    const { timeline, dice, faults, moment, complain, meddle } = this.#deps;
    if (moment('write')) return never;
    const calledAt = timeline.now;
    if (dice.chance(faults().meddling)) meddle(command.device);
    const names = command.writes.map(({ point }) => registerOf(command.device, point));
    for (const name of names) {
      if (this.#busy.has(name)) complain(`X2 two writes in flight for ${name}`);
      this.#busy.add(name);
    }
    try {
      if (dice.chance(faults().slowBus)) await this.#pause(dice.int(100, 4_000));
      else await this.#pause(dice.int(0, 3));
      if (!this.#isOpen()) return { kind: 'not_sent', reason_code: 'disconnected', message: 'no connection' };
      if (!command.mayStillSend()) return { kind: 'not_sent', reason_code: 'send_withdrawn', message: 'withdrawn' };
      const waitedMs = timeline.now - calledAt;
      if (waitedMs > LIMITS.sendPauseMs) complain(`K7 sent ${waitedMs} ms after its intent: ${command.idempotencyKey}`);
      return await this.#transmit(command);
    } finally {
      for (const name of names) this.#busy.delete(name);
    }
  }

  #isOpen(): boolean {
    return this.#deps.isUp() && this.#deps.timeline.now >= this.#backAt;
  }

  #sample(ref: PointRef, asked = false): Reading {
    const { field, dice, faults } = this.#deps;
    if (!this.#isOpen()) return badReading(ref, 'disconnected', 'live');
    if (!field.isOn(ref.device) || dice.chance(faults().badRead)) return badReading(ref, 'timeout', 'live');
    const value = asked ? field.look(ref.device, ref.point) : field.value(ref.device, ref.point);
    return { ...ref, value, quality: 'good', quality_reason: null, provenance: 'live', observed_at: null };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(ms, resolve));
  }

  #transmit(command: WriteCommand): Promise<WriteResult> {
    const { timeline, clock, field, dice, faults, intentOf, wallMs } = this.#deps;
    const { device, writes, idempotencyKey: key, timeoutMs } = command;
    const sent: Sent = {
      at: timeline.now,
      wall_ms: wallMs(),
      device,
      key,
      writes,
      intent: intentOf(command),
      effects: [],
      seen: field.seen(device, writes),
    };
    field.sent.push(sent);
    const fate = dice.weighted(faults().writes);
    return new Promise((resolve, reject) => {
      const answer = (result: WriteResult): void =>
        clock.deliver(() => {
          timer.cancel();
          this.#frames.delete(frame);
          resolve(result);
        });
      const doubt = (why: string): void =>
        answer({ kind: 'doubt', reason_code: why, message: `no answer: ${why}`, response: null });
      const frame: Frame = {
        sent,
        arrivesAt: timeline.now + (fate === 'late' ? dice.int(timeoutMs, timeoutMs + LATE_MS - 1) : dice.int(1, 200)),
        arrived: false,
        lost: fate === 'lost_request',
        arrive: () => this.#arrive(frame, fate, answer),
        fail: (why) => (fate === 'defect' ? clock.deliver(() => reject(new Error(why))) : doubt(why)),
      };
      const timer = clock.after(timeoutMs, () => frame.fail('timeout'));
      this.#frames.add(frame);
      timeline.after(frame.arrivesAt - timeline.now, frame.arrive);
    });
  }

  /** At the device. A frame whose arrival was moved forward arrives once. */
  #arrive(frame: Frame, fate: WriteFate, answer: (result: WriteResult) => void): void {
    const { timeline, field, dice, moment } = this.#deps;
    if (frame.arrived || frame.lost || timeline.now < frame.arrivesAt) return;
    frame.arrived = true;
    if (!field.isOn(frame.sent.device)) return;
    const backMs = dice.int(1, 200);
    const say = (result: WriteResult): void => {
      timeline.after(backMs, () => {
        if (this.#frames.has(frame)) answer(result);
      });
    };
    if (fate === 'refuse') {
      say({ kind: 'refused', reason_code: 'illegal_value', message: 'exception 3', response });
      return;
    }
    if (fate === 'slow_actuator') timeline.after(backMs + dice.int(0, SETTLE_MS - 1), () => field.take(frame.sent));
    else if (fate === 'half') field.take(frame.sent, frame.sent.writes.length === 2 ? 1 : 0);
    else if (fate !== 'ignore') field.take(frame.sent);
    moment('applied');
    if (fate === 'obey' || fate === 'ignore' || fate === 'slow_actuator') say({ kind: 'acknowledged', response });
  }
}
