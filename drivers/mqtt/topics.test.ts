import { LIMITS } from '@fibric/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopicMatcher } from './matcher.ts';
import { TOPIC_LEVELS, filterFault, nameFault, pointTopic } from './topics.ts';

/** MQTT 3.1.1 §4.7 word for word, slowly. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const wanted = filter.split('/');
  const given = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= given.length || (level !== '+' && level !== given[i])) return false;
  }
  return wanted.length === given.length;
}

const level = fc.constantFrom('a', 'b', '', '$SYS');
const topic = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))
  .filter((text) => text !== '');

function matcher(filters: readonly string[]): TopicMatcher<string, readonly string[]> {
  const made = new TopicMatcher<string, readonly string[]>((values) => values.toSorted());
  for (const text of filters) made.add(text, text);
  return made;
}

describe('topic matching', () => {
  it('agrees with the letter of the standard, the first time and from memory', () => {
    fc.assert(
      fc.property(fc.uniqueArray(filter, { maxLength: 6 }), fc.array(topic, { maxLength: 6 }), (filters, topics) => {
        const made = matcher(filters);
        for (const text of [...topics, ...topics]) {
          expect(made.match(text)).toEqual(filters.filter((one) => matches(one, text)).toSorted());
        }
      }),
    );
  });

  it('takes a topic of more levels than the matcher can do for one that matches nothing', () => {
    expect(matcher(['#']).match(Array(TOPIC_LEVELS).fill('a').join('/'))).toEqual(['#']);
    expect(
      matcher(['#']).match(
        Array(TOPIC_LEVELS + 1)
          .fill('a')
          .join('/'),
      ),
    ).toEqual([]);
    expect(matcher(['#']).match('/'.repeat(65_000))).toEqual([]);
  });

  it('goes on when strangers have invented more topics than it remembers', () => {
    let resolved = 0;
    const made = new TopicMatcher<string, number>(() => ++resolved);
    for (let i = 0; i <= LIMITS.knownTopics; i++) made.match(`t/${i}`);
    made.match(`t/${LIMITS.knownTopics}`);
    expect(resolved).toBe(LIMITS.knownTopics + 1);
    made.match('t/0'); // forgotten with the others
    expect(resolved).toBe(LIMITS.knownTopics + 2);
  });
});

describe('the grammar of topics', () => {
  it.each([
    ['', 'a topic has at least one character'],
    ['a\0b', 'a topic has no NUL character'],
    ['a/b+', "+ stands for a whole level, not for a part of 'b+'"],
    ['a/#b', "# stands for whole levels, not for a part of '#b'"],
    ['a/#/b', '# is the last level of a filter'],
    ['a/'.repeat(100), 'a topic has at most 100 levels'],
    ['x'.repeat(65_536), 'a topic has at most 65535 bytes'],
  ])('refuses %j', (text, message) => {
    expect(filterFault(text)).toBe(message);
  });

  it('accepts wildcards for listening and refuses them for speaking', () => {
    expect(filterFault('site/+/room/#')).toBeNull();
    expect(nameFault('site/+/set')).toBe('a command goes to one topic: no + or #');
    expect(nameFault('site/1/set')).toBeNull();
  });
});

describe("a point's topic", () => {
  it.each([
    [undefined, 'home/room1'],
    ['state', 'home/room1/state'],
    ['stat/{topic}/POWER', 'stat/home/room1/POWER'],
  ])('%j becomes %j', (point, full) => {
    expect(pointTopic('home/room1', point)).toBe(full);
  });
});
