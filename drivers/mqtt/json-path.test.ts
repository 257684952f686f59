import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forbiddenKey, mayHoldForbiddenKey, parseJsonPath, readJsonPath } from './json-path.ts';

const key = fc
  .string({ minLength: 1 })
  .filter((text) => !/[.[\]]/.test(text) && !/^(__proto__|constructor|prototype)$/.test(text));
const steps = fc.array(fc.oneof(key, fc.nat({ max: 5 })), { minLength: 1, maxLength: 6 });

function spelled(path: readonly (string | number)[]): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

function wrapped(path: readonly (string | number)[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, step) => {
    if (typeof step === 'string') return Object.fromEntries([[step, inner]]);
    return Array.from({ length: step + 1 }, (_, i) => (i === step ? inner : null));
  }, value);
}

describe('a path into a payload', () => {
  it.each([
    ['temperature', ['temperature']],
    ['a.b[0].c', ['a', 'b', 0, 'c']],
    ['[2].value', [2, 'value']],
    ['DS18B20-1.Temperature', ['DS18B20-1', 'Temperature']],
  ])('is read as its steps: %s', (text, path) => {
    expect(parseJsonPath(text)).toEqual(path);
  });

  it.each(['', '.', 'a.', '.a', 'a..b', 'a[', 'a[x]', 'a]b', 'a[0]b', '__proto__', 'a.constructor', 'prototype.x'])(
    'is refused when it is none: %j',
    (text) => {
      expect(parseJsonPath(text)).toBeNull();
    },
  );

  it('finds what was put where it points, however deep', () => {
    fc.assert(
      fc.property(steps, fc.jsonValue(), (path, value) => {
        const parsed = parseJsonPath(spelled(path));
        expect(parsed).toEqual(path);
        expect(readJsonPath(wrapped(path, value), path)).toEqual(value);
      }),
    );
  });

  it('finds nothing where nothing is, and nothing that JavaScript adds by itself', () => {
    fc.assert(
      fc.property(fc.jsonValue(), steps, (root, path) => {
        expect(() => readJsonPath(root, path)).not.toThrow();
      }),
    );
    expect(readJsonPath({}, ['toString'])).toBeUndefined();
    expect(readJsonPath([1], ['length'])).toBeUndefined();
    expect(readJsonPath({ 0: 'a' }, [0])).toBeUndefined();
    expect(readJsonPath('text', [0])).toBeUndefined();
  });
});

describe('a key that means something to JavaScript', () => {
  it('is found wherever it stands, also behind an escape', () => {
    const hidden = String.raw`{"a":[{"\u005f_proto__":{"x":1}}]}`;
    expect(mayHoldForbiddenKey(hidden)).toBe(true);
    expect(forbiddenKey(JSON.parse(hidden))).toBe('__proto__');
    expect(forbiddenKey(JSON.parse('{"a":{"constructor":{"prototype":1}}}'))).toBe('constructor');
  });

  it('is no key when it is only a word', () => {
    expect(forbiddenKey({ trade: 'constructor', name: '__proto__' })).toBeNull();
  });

  it('is looked for without recursion, so that depth costs no stack', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(forbiddenKey(deep)).toBeNull();
  });
});
