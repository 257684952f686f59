/**
 * The devices, and everything that ever happened to them, in their own words: what the end state is judged by.
 * Nothing here knows of the gateway.
 */
import type { PointState, PointValue } from '@fibric/sdk';
import { KNOBS, registerOf } from './site.ts';
import type { Timeline } from './timeline.ts';

export type Author = 'gateway' | 'person' | 'master' | 'reboot';

/** One change of one register. */
export interface Effect {
  readonly at: number;
  readonly register: string;
  readonly value: PointValue;
  readonly by: Author;
  /** The command behind it, when it came from the gateway. */
  readonly sent: Sent | null;
}

/** One command that left the gateway. */
export interface Sent {
  readonly at: number;
  readonly wall_ms: number;
  readonly device: string;
  readonly key: string;
  readonly writes: readonly { readonly point: string; readonly value: PointValue }[];
  /** The intent on disk that it was sent for: action and attempt; null when there was none, which must not be. */
  readonly intent: { readonly action_id: string; readonly attempt: number } | null;
  readonly effects: Effect[];
  /** What the gateway had read last of what this writes. */
  readonly seen: readonly PointState[];
}

const FIRST_SETPOINT = 17;
const LARGEST_SETPOINT = 26;

export class Field {
  readonly history: Effect[] = [];
  readonly sent: Sent[] = [];
  readonly #values = new Map<string, PointValue>();
  readonly #seen = new Map<string, PointValue>();
  readonly #offUntil = new Map<string, number>();
  /** Keys that the desk has seen: it does a thing once for each. */
  readonly #called = new Set<string>();
  readonly #timeline: Timeline;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    for (const knob of KNOBS) this.#values.set(knob, FIRST_SETPOINT);
    this.#values.set('vav-416/boost', false);
    this.#values.set('gate-A/counter', 0);
    this.#values.set('gate-B/counter', 0);
  }

  isOn(device: string): boolean {
    return this.#timeline.now >= (this.#offUntil.get(unitOf(device)) ?? 0);
  }

  value(device: string, point: string): PointValue {
    return this.#values.get(registerOf(device, point)) ?? null;
  }

  /** What the gateway reads when it asks. */
  look(device: string, point: string): PointValue {
    const value = this.value(device, point);
    this.#seen.set(registerOf(device, point), value);
    return value;
  }

  seen(device: string, writes: Sent['writes']): Sent['seen'] {
    return writes.map(({ point }) => ({ point, value: this.#seen.get(registerOf(device, point)) ?? null }));
  }

  /** Takes a command the way this kind of device does. `points`: how many of its writes arrive. */
  take(sent: Sent, points = sent.writes.length): void {
    for (const { point, value } of sent.writes.slice(0, points)) {
      if (point === 'pulse') {
        const counter = `${sent.device}/counter`;
        this.#set(counter, Number(this.#values.get(counter)) + 1, 'gateway', sent);
      } else if (point === 'text') {
        if (this.#called.has(sent.key)) continue;
        this.#called.add(sent.key);
        this.#set(`${sent.device}/text`, value, 'gateway', sent);
      } else {
        this.#set(registerOf(sent.device, point), asTaken(sent.device, value), 'gateway', sent);
      }
    }
  }

  /** Somebody else writes. */
  turn(register: string, value: PointValue, by: Author): void {
    this.#set(register, value, by, null);
  }

  /** Dark for `ms`; what is not kept in permanent memory is as on the first day. Counters are permanent. */
  reboot(device: string, ms: number, forgets: boolean): void {
    this.#offUntil.set(unitOf(device), this.#timeline.now + ms);
    if (!forgets) return;
    const knob = registerOf(device, 'setpoint');
    if (this.#values.has(knob)) this.#set(knob, FIRST_SETPOINT, 'reboot', null);
  }

  powerUp(): void {
    this.#offUntil.clear();
  }

  #set(register: string, value: PointValue, by: Author, sent: Sent | null): void {
    if (this.#values.get(register) === value) return;
    const effect: Effect = { at: this.#timeline.now, register, value, by, sent };
    this.#values.set(register, value);
    this.history.push(effect);
    sent?.effects.push(effect);
  }
}

const unitOf = (device: string): string => registerOf(device, '');

/** 413 knows half degrees only; 414 goes no higher than 26. */
function asTaken(device: string, value: PointValue): PointValue {
  if (typeof value !== 'number') return value;
  if (device === 'fcu-413') return Math.round(value * 2) / 2;
  return device === 'fcu-414' ? Math.min(value, LARGEST_SETPOINT) : value;
}
