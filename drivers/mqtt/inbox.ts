/**
 * From a message to readings. The hot path: one look-up of the topic, at most one JSON.parse, one batch to the sink.
 *
 * D6 A malformed message or a wrong type makes its points `bad` once, until they speak again.
 * D7 A simulated site takes only messages that carry its own world's mark; a live site tags what calls itself simulated.
 */
import { type DriverSink, type Provenance, type Reading, type World, badReading } from '@fibric/sdk';
import { readJsonPath } from './json-path.ts';
import { TopicMatcher } from './matcher.ts';
import { observedAt, payloadJson, payloadProvenance, payloadText } from './payload.ts';
import type { MqttPoint } from './point.ts';
import type { Sampler } from './sampler.ts';

/** The points that one topic carries, and whether any of them looks into JSON. */
interface Route {
  readonly points: readonly MqttPoint[];
  readonly json: boolean;
}

/** One message on its way through the points of its topic. */
interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
  readonly text: string;
  readonly root: Readonly<Record<string, unknown>> | null;
  readonly provenance: Provenance;
}

export interface InboxOptions {
  readonly points: readonly MqttPoint[];
  readonly world: World;
  readonly malformed: Sampler;
  readonly foreign: Sampler;
  readonly sink: Pick<DriverSink, 'readings'>;
  /** Who speaks here without belonging to the site's world, in a sentence; null when all have shown that they do. */
  readonly strangers: (objection: string | null) => void;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #routes: TopicMatcher<MqttPoint, Route>;
  /** Devices that have spoken with the mark of this site's world, and those that only spoke without. */
  readonly #recognised = new Set<string>();
  readonly #strangers = new Map<string, string>();
  #lastTime: { readonly raw: unknown; readonly observed: string | null } = { raw: undefined, observed: null };

  constructor(options: InboxOptions) {
    this.#options = options;
    const commands = new Set(options.points.map(({ command }) => command?.topic));
    // The broker hands our own commands back to a wildcard that covers them: an echo is no state.
    this.#routes = new TopicMatcher((points, topic) =>
      commands.has(topic) ? { points: [], json: false } : { points, json: points.some(({ address }) => address.path) },
    );
    for (const point of options.points) if (point.filter !== null) this.#routes.add(point.filter, point);
  }

  /** Whether the far side of `device` is known to belong to the site's world: always so in a live site. */
  recognised(device: string): boolean {
    return this.#options.world.kind === 'live' || this.#recognised.has(device);
  }

  /** The link is gone: whoever answers next has to show the mark again. */
  forget(): void {
    this.#recognised.clear();
    this.#strangers.clear();
  }

  message(topic: string, payload: Buffer, retained: boolean): void {
    const route = this.#routes.match(topic);
    // MQTT 3.1.1 §3.3.1.3: an empty payload takes a retained value back; it says nothing itself.
    if (route.points.length === 0 || payload.length === 0) return;
    const text = payloadText(payload);
    if (!text.ok) return this.#malformed(route, topic, text.reason, payload);
    const json = route.json ? payloadJson(text.value) : null;
    if (json && !json.ok) return this.#malformed(route, topic, json.reason, payload);
    const root = json?.value ?? null;
    const provenance = payloadProvenance(root, this.#options.world);
    if (provenance === null) return this.#foreign(route, topic, root, payload);
    const message: Message = { topic, payload, retained, text: text.value, root, provenance };
    const batch: Reading[] = [];
    for (const point of route.points) {
      if (this.#options.world.kind === 'simulated') this.#recognise(point.ref.device);
      const reading = this.#take(point, message);
      if (reading !== null) batch.push(reading);
    }
    if (batch.length > 0) this.#options.sink.readings(batch);
  }

  /** What `point` says by this message; null when it says nothing, or nothing new. */
  #take(point: MqttPoint, message: Message): Reading | null {
    const { address, ref } = point;
    const { retained, root } = message;
    const raw = address.path ? readJsonPath(root, address.path) : point.bare(message.text);
    if (raw === undefined) return null; // this message is about something else
    const value = point.convert(raw);
    if (value === null) return this.#wrongType(point, raw, message);
    const reading: Reading = {
      device: ref.device,
      point: ref.point,
      value,
      quality: retained ? 'uncertain' : 'good',
      quality_reason: retained ? 'retained' : null,
      provenance: message.provenance,
      observed_at: address.time ? this.#observedAt(readJsonPath(root, address.time)) : null,
    };
    point.recovered();
    if (!retained) point.answer(reading);
    return reading;
  }

  /** The points of a message share its time: it is read once. */
  #observedAt(raw: unknown): string | null {
    if (raw !== this.#lastTime.raw) this.#lastTime = { raw, observed: observedAt(raw) };
    return this.#lastTime.observed;
  }

  #wrongType(point: MqttPoint, raw: unknown, message: Message): Reading | null {
    const { provenance } = message;
    const found = raw === null ? 'null' : Array.isArray(raw) ? 'array' : typeof raw;
    const reason = `${point.ref.point}: expected ${point.expects}, got ${found}`;
    this.#options.malformed.note(message.topic, () => sample(message.topic, reason, message.payload));
    if (!message.retained) point.answer(badReading(point.ref, 'wrong_type', provenance));
    return point.fail('wrong_type', provenance);
  }

  #recognise(device: string): void {
    if (this.#recognised.has(device)) return;
    this.#recognised.add(device);
    if (this.#strangers.delete(device)) this.#object();
  }

  #foreign(route: Route, topic: string, root: Message['root'], payload: Buffer): void {
    const world = root?.['provenance'] === 'simulated' ? String(root['world']).slice(0, 64) : null;
    const claim = world === null ? 'does not speak as a simulator' : `speaks for world '${world}'`;
    this.#options.foreign.note(topic, () => sample(topic, claim, payload));
    for (const { ref } of route.points) {
      if (this.#recognised.has(ref.device) || this.#strangers.has(ref.device)) continue;
      this.#strangers.set(ref.device, claim);
      this.#object();
    }
  }

  #object(): void {
    const { world, strangers } = this.#options;
    const [first] = this.#strangers;
    if (first === undefined || world.kind === 'live') return strangers(null);
    strangers(`${first[0]} ${first[1]}, and this site is world '${world.id}'`);
  }

  #malformed(route: Route, topic: string, reason: string, payload: Buffer): void {
    this.#options.malformed.note(topic, () => sample(topic, reason, payload));
    const batch: Reading[] = [];
    for (const point of route.points) {
      // The kinds of a site and the provenances of what it may say share their names.
      const reading = point.fail('malformed', this.#options.world.kind);
      if (reading !== null) batch.push(reading);
    }
    if (batch.length > 0) this.#options.sink.readings(batch);
  }
}

/** Enough of a payload to recognise what sent it. */
const SAMPLE_BYTES = 100;

function sample(topic: string, reason: string, payload: Buffer): Readonly<Record<string, unknown>> {
  return { topic, reason, sample: payload.toString('utf8', 0, SAMPLE_BYTES), bytes: payload.length };
}
