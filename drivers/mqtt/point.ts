/**
 * One point of the site on this connection: where it stands, and what is remembered of it.
 *
 * D1 `next` answers with the device's own message, or with `bad` and the reason; it never throws.
 * D3 Whoever waits is answered: by a message, by the end of the time, or by the loss of the link.
 * D6 `fail` says `bad` once per reason until the point speaks again.
 */
import {
  type Clock,
  type PointRef,
  type PointSpec,
  type PointValue,
  type Provenance,
  type QualityReason,
  type Reading,
  badReading,
} from '@fibric/sdk';
import type { MqttAddress, MqttDevice } from './schema.ts';
import { nameFault, filterFault, pointTopic } from './topics.ts';
import { bareValue, converter, encoder, type Convert, type Encode } from './value.ts';

export interface Command {
  readonly topic: string;
  readonly encode: Encode;
}

interface Waiter {
  readonly settle: (reading: Reading) => void;
}

/** What the point said since the last command to its device left. */
interface SinceCommand {
  readonly untilMs: number;
  /** What the command set the point to; null when it was about other points. */
  readonly sent: PointValue;
  reading: Reading | null;
}

export class MqttPoint {
  readonly ref: PointRef;
  readonly address: MqttAddress;
  /** The topic filter that carries it; null for a point that is only written. */
  readonly filter: string | null;
  readonly command: Command | null;
  readonly convert: Convert;
  /** Why the site file's topics make no sense together; null when they do. */
  readonly fault: string | null;
  #badFor: QualityReason | null = null;
  #waiters = new Set<Waiter>();
  #sinceCommand: SinceCommand | null = null;

  constructor(device: string, options: MqttDevice, spec: PointSpec) {
    const address = spec.address as MqttAddress;
    this.ref = { device, point: spec.name };
    this.address = address;
    this.convert = converter(address);
    const filter = pointTopic(options.topic, address.topic);
    const command = address.set ? pointTopic(options.topic, address.set.topic) : null;
    const fault = filterFault(filter) ?? (command === null ? null : nameFault(command));
    this.fault = fault === null ? null : `${device}/${spec.name}: ${fault}`;
    this.filter = fault === null && spec.access !== 'write' ? filter : null;
    this.command =
      fault === null && command !== null && spec.access !== 'read'
        ? { topic: command, encode: encoder(address) }
        : null;
  }

  /** What a payload must hold to be understood, for the log. */
  get expects(): string {
    const { map, above, type } = this.address;
    if (map) return `one of ${Object.keys(map).join(', ')}`;
    return above === undefined ? type : 'number';
  }

  /** The value in a payload that is not JSON. */
  bare(text: string): unknown {
    return bareValue(this.address, text);
  }

  /** The point has spoken: the outage, if there was one, is over. */
  recovered(): void {
    this.#badFor = null;
  }

  /** The reading that says so, the first time; null when it was said before. */
  fail(reason: QualityReason, provenance: Provenance): Reading | null {
    if (this.#badFor === reason) return null;
    this.#badFor = reason;
    return badReading(this.ref, reason, provenance);
  }

  /** A command to the device is about to leave: from now on messages are kept, so that the answer cannot slip past `next`. */
  commandLeaves(untilMs: number, sent: PointValue): void {
    this.#sinceCommand = { untilMs, sent, reading: null };
  }

  /** The device itself said this just now: whoever waits has an answer. Never called for a retained message. */
  answer(reading: Reading): void {
    if (this.#sinceCommand) this.#sinceCommand.reading = reading;
    if (this.#waiters.size === 0) return;
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const waiter of waiters) waiter.settle(reading);
  }

  /** The link is gone: nothing remembered counts any more, and whoever waits is told. */
  linkLost(provenance: Provenance): void {
    this.#sinceCommand = null;
    this.answer(badReading(this.ref, 'disconnected', provenance));
  }

  /**
   * The next fresh message that carries the point. The answer to a command may be here already: then it is that. A message
   * since the command that does not confirm it may have been under way before it: a newer one is waited for.
   */
  next(clock: Clock, timeoutMs: number, provenance: Provenance): Promise<Reading> {
    const since = this.#sinceCommand;
    const kept = since && clock.monoMs() < since.untilMs ? since : null;
    if (kept?.reading && (kept.sent === null || kept.sent === kept.reading.value)) return Promise.resolve(kept.reading);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        settle(reading) {
          timer.cancel();
          resolve(reading);
        },
      };
      const timer = clock.after(timeoutMs, () => {
        this.#waiters.delete(waiter);
        resolve(kept?.reading ?? badReading(this.ref, 'timeout', provenance));
      });
      this.#waiters.add(waiter);
    });
  }
}
