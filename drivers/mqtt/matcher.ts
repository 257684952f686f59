/** Which subscriptions a topic belongs to: qlobber once per exact topic, a map lookup from then on. */
import { LIMITS } from '@fibric/sdk';
import { Qlobber } from 'qlobber';
import { TOPIC_LEVELS } from './topics.ts';

interface Entry<V> {
  readonly filter: string;
  readonly value: V;
}

export class TopicMatcher<V, R> {
  readonly #lobber: Qlobber<Entry<V>>;
  readonly #known = new Map<string, R>();
  readonly #resolve: (values: readonly V[], topic: string) => R;

  /** `resolve` makes what `match` returns from the values of the filters that a topic matches. */
  constructor(resolve: (values: readonly V[], topic: string) => R) {
    this.#resolve = resolve;
    this.#lobber = new Qlobber({
      separator: '/',
      wildcard_one: '+',
      wildcard_some: '#',
      match_empty_levels: true, // MQTT 3.1.1 §4.7.1.3: `+` matches an empty level
      max_words: TOPIC_LEVELS,
    });
  }

  /** Before the first `match` only: what was resolved is remembered. */
  add(filter: string, value: V): void {
    this.#lobber.add(filter, { filter, value });
  }

  match(topic: string): R {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    const resolved = this.#resolve(this.#matching(topic), topic);
    // A wildcard lets strangers invent topics without end: start over rather than grow.
    if (this.#known.size >= LIMITS.knownTopics) this.#known.clear();
    this.#known.set(topic, resolved);
    return resolved;
  }

  #matching(topic: string): readonly V[] {
    if (topic.split('/', TOPIC_LEVELS + 1).length > TOPIC_LEVELS) return []; // qlobber throws beyond its bound
    const entries = this.#lobber.match(topic);
    // MQTT 3.1.1 §4.7.2: a filter that begins with a wildcard does not match the broker's own $ topics.
    const own = topic.startsWith('$');
    return entries.filter(({ filter }) => !own || !/^[+#]/.test(filter)).map(({ value }) => value);
  }
}
