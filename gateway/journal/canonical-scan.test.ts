import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, parseCanonical } from './canonical.ts';
import { CanonicalNotes, CanonicalScan, UNSURE } from './canonical-scan.ts';

const NAMES = ['action', 'actions', 'seq', 'type'];
const scan = new CanonicalScan(NAMES, '_c');
const said = new CanonicalNotes(NAMES);
const isLooked = (name: string): boolean => NAMES.includes(name) || name.endsWith('_c');

/** What it says of a text that stands between others; undefined: it does not know. */
function read(text: string | Buffer, room = 1_000): unknown {
  const body = Buffer.from(text as string);
  const bytes = Buffer.concat([Buffer.from('{"a":'), body, Buffer.from('}0,"')]);
  const notes = new Int32Array(room);
  scan.forget();
  if (scan.scan(bytes, 5, 5 + body.length, notes, 7) === UNSURE) return undefined;
  said.begin(bytes, notes);
  return said.object(7);
}

/** The members that are looked at, of what the whole text says. */
function looked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(looked);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => isLooked(name));
  return Object.fromEntries(members.map(([name, one]) => [name, looked(one)]));
}

/** It may not know; what it says must be so. */
function agrees(text: string | Buffer): void {
  const found = read(text);
  if (found === undefined) return;
  const parsed = parseCanonical(text.toString());
  expect(parsed).toHaveProperty('value');
  expect(found).toEqual(looked((parsed as { value: unknown }).value));
}

const object = (text: fc.Arbitrary<string>, number: fc.Arbitrary<number>): fc.Arbitrary<object> => {
  const names = fc.oneof(fc.constantFrom(...NAMES, 'reasoning_c', '_c', 'typ', 'types', '__proto__', ''), text);
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.constant(null), fc.boolean(), number),
      text,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(names, tie('value'), { maxKeys: 8 }),
    ),
  }));
  return fc.dictionary(names, value, { maxKeys: 8 });
};
const numbers = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.integer().map((n) => n / 100),
  )
  .filter((one) => !Object.is(one, -0) && (!Number.isInteger(one) || Number.isSafeInteger(one)));
const any = object(fc.string({ unit: 'binary' }), numbers);
const PLAIN = ' !#$%&()*+,-./0123456789:;<=>?@AZ[]^_`az{|}~'.split('');
const plain = object(
  fc.string({ unit: fc.constantFrom(...PLAIN) }),
  fc.oneof(
    fc.integer(),
    fc.integer().map((n) => n / 1_000),
  ),
);

describe('canonical JSON, read in its bytes', () => {
  it('says of whatever is canonical what it says', () => {
    fc.assert(
      fc.property(any, (value) => agrees(canonicalText(JSON.parse(JSON.stringify(value))))),
      { numRuns: 3_000 },
    );
  });

  it('knows all that is plain', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const said: unknown = JSON.parse(JSON.stringify(value));
        expect(read(canonicalText(said))).toEqual(looked(said));
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes nothing for canonical that is not, whatever was changed in it', () => {
    const bytes = fc.constantFrom(...Buffer.from('"\\{}[]:,.0123456789-+eEntfu_ \n\t\u007faZ'), 0, 0x80, 0xc3, 0xff);
    const change = fc.tuple(fc.nat(), fc.constantFrom('put', 'set', 'cut', 'twice'), bytes);
    fc.assert(
      fc.property(fc.oneof(plain, any), fc.array(change, { minLength: 1, maxLength: 3 }), (value, changes) => {
        let text = Buffer.from(canonicalText(JSON.parse(JSON.stringify(value))));
        for (const [place, how, byte] of changes) {
          const at = place % text.length;
          const [before, after] = [text.subarray(0, at), text.subarray(at + (how === 'set' || how === 'cut' ? 1 : 0))];
          const put = how === 'twice' ? text.subarray(at, at + 9) : Buffer.from(how === 'cut' ? [] : [byte]);
          text = Buffer.concat([before, put, after]);
        }
        if (text.length > 0) agrees(text);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ...[
      '1e21',
      '1e+21',
      '1e5',
      '1E5',
      '1.0',
      '1.',
      '.5',
      '-',
      '-0',
      '-0.0',
      '0.0',
      '00',
      '01',
      '-01',
      '+1',
      '0x1',
      '1_0',
    ],
    ...['9007199254740992', '9007199254740993', '-9007199254740993', '1e-07', '0.0000001', '0.1e1', 'NaN', 'Infinity'],
    ...['123456789012345678901234567890', '0.30000000000000004000', '1.2.3', '1-2', 'nul', 'nulll', 'True', 'truee'],
    ...['"a', 'a"', '"\\u0041"', '"\\/"', '"\\u001F"', '"\\ud800"', '"\ud83d"', '"\u0001"', '"\t"', "'a'", '""""'],
    ...[
      '[1,]',
      '[,1]',
      '[1 ]',
      '[ 1]',
      '[',
      ']',
      '[1}',
      '[]]',
      '[[]',
      '{}}',
      '{"a":}',
      '{"a"}',
      '{"a":1,}',
      '{,}',
      '{1:1}',
    ],
    ...[
      '{"b":1,"a":1}',
      '{"a":1,"a":1}',
      '{"aa":1,"a":1}',
      '{"":1,"":2}',
      '{"a":1 ,"b":1}',
      '{"a" :1}',
      '{"a":1;"b":1}',
    ],
    ...[
      '{"\\u0061":1}',
      '{"a":1}{"b":1}',
      '{"b":1,"B":1}',
      '',
      ' ',
      'undefined',
      '// ',
      '{"é":1,"z":1}',
      '{"type":1,"seq":1}',
    ],
  ])('does not take %s for canonical', (text) => {
    expect(parseCanonical(`{"type":${text}}`)).toHaveProperty('fault');
    expect(read(`{"type":${text}}`)).toBeUndefined();
    expect(read(`{"other":${text}}`)).toBeUndefined();
    expect(read(text)).toBeUndefined();
  });

  it.each([
    ...['0', '-1', '0.5', '-0.5', '21.5', '0.000001', '999999999999999', '123456789.12345', 'null', 'true', 'false'],
    ...[
      '""',
      '"~ !"',
      '[]',
      '{}',
      '[[],{}]',
      '{"":1,"a":1,"aa":1}',
      '{"B":1,"a":1}',
      '{"__proto__":{"seq":1}}',
      '[1,"a",null]',
    ],
  ])('knows %s', (text) => {
    const all = `{"type":${text},"z_c":${text}}`;
    expect(read(all)).toEqual(looked(JSON.parse(all)));
  });

  it('knows nothing that is nested deeper than may be, nor what it has no room to note', () => {
    const nested = (depth: number): string => `{"type":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
    expect(read(nested(32))).toBeDefined();
    expect(read(nested(33))).toBeUndefined();
    expect(read(nested(100_000))).toBeUndefined();
    const many = `{"actions":[${Array.from({ length: 50 }, (_, i) => i).join()}]}`;
    expect(read(many)).toBeDefined();
    expect(read(many, 100)).toBeUndefined();
  });

  it('keeps texts apart that are alike where it looks for those it had before', () => {
    const row =
      '{"action":"a-bcd-e","actions":["a-xcx-e","a-bcd-e","",""],"seq":"a-xcx-e","type":"a-bcd-ee","x_c":"a-bcd-e"}';
    expect(read(row)).toEqual(JSON.parse(row));
  });
});
