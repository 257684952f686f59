/** What somebody could do to a bundle: a byte, a line, a note, a value, its spelling; and what somebody could do who has the keys. */
import type { Dice } from '../simulate/dice.ts';
import { type Bundle, bodyOf, jcs, type Lines, relinked, rowLine, rowText, textOf } from './receipt-bundles.ts';

export type Mutation = (bundle: Bundle, dice: Dice) => Buffer;

const any = (dice: Dice, lines: Lines): number => dice.int(0, lines.length - 1);

/** A text with some characters put in the place of others. */
function scratched(text: string, dice: Dice): string {
  const at = dice.int(0, text.length);
  const length = dice.pick([0, 0, 1, 1, 1, 2, 8]);
  return text.slice(0, at) + dice.pick(CHARACTERS) + text.slice(at + length);
}

const CHARACTERS = [
  ...['', '0', '1', '9', 'a', 'A', '=', '/', '+', ' ', '\t', '\n', '\r', '\\', '"', ',', '[', ']', '{', '}', ':'],
  ...['— ', '\u0085', '\u00a0', '\u180e', '\u2028', '\u200b', '\ufeff', '\u001c', '\u007f', '\u0000', 'é', '€', '𝄞'],
];

const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    1,
    2,
    -1,
    21.5,
    1e-7,
    1.5e-7,
    0.000001,
    0.0000123,
    5e-324,
    0.1 + 0.2,
    2 ** 53 - 1,
    2 ** 53,
    1e21,
  ],
  ...[
    '',
    'x',
    'applied',
    'failed',
    'unknown',
    'blocked',
    'device_altered',
    'counts',
    'late',
    'approve',
    'veto',
    'awaiting',
    'queued',
    'confirmed_not_applied',
    'confirmed_applied',
    'boot/1',
    'plan/1',
    'receipt/1',
    'other/1',
  ],
  ...['a@ep=1#1', 'a@ep=01#1', '@ep=1#1', 'a@ep=1#2@ep=3#4', 'a@ep=9007199254740993#1', 'a@ep=9007199254740992#2'],
  ...[
    'a@ep=1#',
    'a\n@ep=1#3',
    'a@ep=١#1',
    'a@ep=1#1\n',
    'a@ep=-1#1',
    '0'.repeat(64),
    'é'.repeat(300),
    '\u007f\u2028😀',
  ],
  ...[[], {}, [1], [[]], [{}], { a: 1 }, { action: { action_id: 'a' } }, [{ action: { action_id: 'a' } }]],
  ...[
    [{ seq: 1, field: 'reasoning' }],
    [{ seq: 0, field: 'x' }],
    JSON.parse('{"__proto__":1}'),
    { '😀': 1, '\uffff': 2 },
  ],
];
const NAMES = [
  'x',
  'x_c',
  '_c',
  'reasoning_c',
  'trigger_c',
  '__proto__',
  'constructor',
  'toString',
  'note',
  'epoch',
  'erased',
];

/** Somewhere in a value, another value, member or place. */
function altered(value: unknown, dice: Dice): unknown {
  if (typeof value !== 'object' || value === null || dice.chance(0.15)) return dice.pick(VALUES);
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.chance(0.2)) return [...(value as unknown[]), dice.pick(VALUES)];
    const at = any(dice, value);
    return dice.chance(0.2) ? value.toSpliced(at, 1) : value.with(at, altered(value[at], dice));
  }
  const members = Object.entries(value);
  const at = dice.int(0, members.length);
  const [name, before] = members[at] ?? [dice.pick(NAMES), {}];
  if (dice.chance(0.15)) return Object.fromEntries(members.toSpliced(at, 1));
  // Object.fromEntries defines also what assignment would not.
  return Object.fromEntries([...members.toSpliced(at, 1), [name, altered(before, dice)]]);
}

const READ = [
  'type',
  'seq',
  'prev',
  'at',
  'clock',
  'epoch',
  'actions',
  'action_id',
  'outcome',
  'reason_code',
  'idempotency_key',
];
const ALSO_READ = [
  'origin',
  'key',
  'note',
  'who',
  'reason',
  'erased',
  'effect',
  'decision',
  'conclusion',
  'reasoning_c',
  'trigger_c',
];

/** Another value in a row, mostly where a verifier looks. */
function alteredRow(row: Record<string, unknown>, dice: Dice): unknown {
  const name = dice.pick([...READ, ...ALSO_READ].filter((one) => one in row || dice.chance(0.02)));
  if (dice.chance(0.3)) return altered(row, dice);
  const was = row[name];
  if (typeof was === 'string' && dice.chance(0.3)) return { ...row, [name]: scratched(was, dice) };
  if (dice.chance(0.1)) return Object.fromEntries(Object.entries(row).filter(([one]) => one !== name));
  return { ...row, [name]: altered(was, dice) };
}

/** Another line of the same text in JSON: `body` is what a row's hash is made of. */
function withBody(line: Buffer, change: (text: string) => string | Buffer): Buffer {
  const text = rowText(line);
  return text === null ? Buffer.from(change(line.toString())) : rowLine(change(text));
}

const SPELLINGS: readonly ((text: string, dice: Dice) => string | Buffer)[] = [
  (text, dice) => atToken(text, dice, (token) => token + dice.pick([' ', '\t', '\r', '\u00a0', '\ufeff'])),
  (text) => `\ufeff${text}`,
  (text, dice) =>
    replaced(text, dice, /(?<=[:,[])\d+/g, (token) => token + dice.pick(['.0', 'e0', 'E0', '.5e1', 'e400', 'n'])),
  (text, dice) =>
    replaced(text, dice, /(?<=[:,[])\d+/g, (token) =>
      dice.pick(['-0', `0${token}`, `+${token}`, 'NaN', '-1e-400', '9'.repeat(5_000)]),
    ),
  (text, dice) =>
    replaced(text, dice, /null/g, () =>
      dice.pick(['NaN', 'Infinity', '-Infinity', 'None', 'undefined', 'nul', '-', '1e']),
    ),
  (text, dice) => replaced(text, dice, /[a-z]/g, (token) => `\\u00${token.charCodeAt(0).toString(16)}`),
  (text, dice) =>
    replaced(text, dice, /[a-z]/g, () =>
      dice.pick(['\\ud800', '\\udc00x', '\\/', '\\x', '\\u12', '\\u001F', '\\u0007', '\u0007', '\\t']),
    ),
  (text, dice) => replaced(text, dice, /"[a-z_]+":/g, (token) => `${token}1,${token}`),
  (text, dice) => replaced(text, dice, /(?<=:)(null|\d+)/g, (token) => nested(token, dice)),
  (text, dice) =>
    replaced(text, dice, /(?<=:)(null|\d+)/g, () => dice.pick(['[', '{"a":', '"']).repeat(dice.int(1, 40))),
  (text, dice) => {
    const bytes = Buffer.from(text);
    bytes[dice.int(0, bytes.length - 1)] = dice.int(128, 255);
    return bytes;
  },
];

const nested = (token: string, dice: Dice): string => {
  const levels = dice.int(25, 36);
  const [open, close] = dice.pick([
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  const innermost = open === '[' ? dice.pick([token, '', '"["']) : token;
  return open.repeat(levels) + innermost + close.repeat(dice.chance(0.9) ? levels : levels - 1);
};

function replaced(text: string, dice: Dice, what: RegExp, by: (token: string) => string): string {
  const found = [...text.matchAll(what)];
  const one = found.length > 0 ? dice.pick(found) : null;
  return one === null ? text : text.slice(0, one.index) + by(one[0]) + text.slice(one.index + one[0].length);
}

const atToken = (text: string, dice: Dice, by: (token: string) => string): string =>
  replaced(text, dice, /[,:{}[\]]/g, by);

/** The note of a line, and the line with another. */
function noteIn(line: Buffer): { readonly note: string; readonly with: (note: string) => Buffer } | null {
  const text = rowText(line);
  if (text !== null) {
    const row = JSON.parse(text) as { note?: string };
    return row.note === undefined ? null : { note: row.note, with: (note) => rowLine(jcs({ ...row, note })) };
  }
  if (!line.toString().startsWith('["checkpoint",')) return null;
  const [word, note] = JSON.parse(line.toString()) as [string, string];
  return { note, with: (other) => Buffer.from(jcs([word, other])) };
}

function alteredNote(note: string, { keys }: Bundle, dice: Dice): string {
  const body = bodyOf(note);
  const head = body.slice(0, -1).split('\n');
  const signatures = note.slice(body.length + 1, -1).split('\n');
  const made = (lines: readonly string[], above = head): string => `${[...above, '', ...lines].join('\n')}\n`;
  const one = any(dice, signatures as never);
  const [, name = '', encoded = ''] = (signatures[one] ?? '').split(' ');
  const other = (at: number, length: number): string => {
    const bytes = Buffer.from(encoded, 'base64');
    return made(
      signatures.with(
        one,
        `— ${name} ${Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, 255), bytes.subarray(at + length)]).toString('base64')}`,
      ),
    );
  };
  const witness = dice.pick(keys.witnesses);
  const seconds = dice.pick([0n, 1n, 253_402_300_799n, 253_402_300_800n, 2n ** 63n, 2n ** 64n - 1n]);
  return dice.pick([
    () => scratched(note, dice),
    () => made(signatures.toSpliced(one, 1)),
    () => made([...signatures, ...Array.from({ length: dice.pick([1, 14, 15, 16, 17]) }, () => signatures[one] ?? '')]),
    () => made(signatures.toReversed()),
    () => made([...signatures, `— other ${Buffer.alloc(dice.int(0, 6)).toString('base64')}`]),
    () => made([...signatures, `— ${dice.pick(CHARACTERS).repeat(dice.pick([1, 255, 256]))}x AAAAAAAA`]),
    () => made([`— ${name} ${'A'.repeat(dice.pick([4, 8, 92, 16_000, 17_000]))}`, ...signatures]),
    () => other(dice.int(0, 3), 1),
    () => other(dice.int(4, 67), 1),
    // S of a signature, beyond the order of the group.
    () => other(Buffer.from(encoded, 'base64').length - 32, 32),
    () => made(signatures.with(one, `— ${name} ${encoded.slice(0, -4)}`)),
    () => made([...signatures, witness.cosignature(body, seconds).trimEnd()]),
    () => made([witness.cosignature(`${body}x`, 1n).trimEnd(), ...signatures]),
    () => made([...signatures, keys.log.line(body).trimEnd()]),
    () =>
      made(
        signatures,
        head.with(
          dice.int(0, 2),
          dice.pick(['', '0', '1', '01', '64', 'x', 'x y', 'x+y', head[0] ?? '', head[2] ?? '']),
        ),
      ),
    () => made(signatures, [...head, dice.pick(['', 'more'])]),
  ])();
}

function someNote(bundle: Bundle, dice: Dice): Lines {
  const found = bundle.lines.flatMap((line, at) => {
    const one = noteIn(line);
    return one === null ? [] : [[at, one] as const];
  });
  const [at, one] = dice.pick(found);
  return bundle.lines.with(at, one.with(alteredNote(one.note, bundle, dice)));
}

function someRow(lines: Lines, dice: Dice, type?: string): number {
  const found = lines.flatMap((line, at) => {
    const text = rowText(line);
    return text !== null && (type === undefined || text.includes(`"type":"${type}"`)) ? [at] : [];
  });
  return found.length === 0 ? someRow(lines, dice) : dice.pick(found);
}

const KINDS = [
  'boot/1',
  'plan/1',
  'intent/1',
  'receipt/1',
  'incarnation/1',
  'redaction/1',
  'correction/1',
  'approval/1',
  'checkpoint/1',
  'cosignature/1',
];

/** A row with another value and its own hash. */
function rowAltered(lines: Lines, dice: Dice): Lines {
  const at = someRow(lines, dice, dice.pick(KINDS));
  return lines.with(
    at,
    withBody(lines[at] as Buffer, (text) => jcs(alteredRow(JSON.parse(text) as Record<string, unknown>, dice))),
  );
}

/** Lines removed, said twice, or in another place. */
function rearranged(lines: Lines, dice: Dice): Lines {
  const [one, other] = [any(dice, lines), any(dice, lines)];
  const line = lines[one] as Buffer;
  return dice.pick([
    () => lines.toSpliced(one, dice.pick([1, 1, 1, 2, 5])),
    () => lines.toSpliced(one, 0, line),
    () => lines.toSpliced(one, 1).toSpliced(other, 0, line),
    () => lines.with(one, lines[other] as Buffer).with(other, line),
    () => lines.toSpliced(one, 0, Buffer.alloc(0)),
    () => lines.toSpliced(other, 0, line),
  ])();
}

function statementAltered({ lines }: Bundle, dice: Dice): Lines {
  const found = lines.flatMap((line, at) => (rowText(line) === null && at > 0 ? [at] : []));
  const at = dice.pick(found);
  return lines.with(at, Buffer.from(jcs(altered(JSON.parse((lines[at] as Buffer).toString()), dice))));
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'a bit': ({ bytes }, dice) => flipped(bytes, dice),
  'some bytes': ({ bytes }, dice) => Buffer.from(scratched(bytes.toString('latin1'), dice), 'latin1'),
  cut: ({ bytes }, dice) => bytes.subarray(0, dice.int(0, bytes.length - 1)),
  'more at the end': ({ bytes }, dice) => Buffer.concat([bytes, Buffer.from(dice.pick(AT_THE_END))]),
  lines: ({ lines }, dice) => textOf(rearranged(lines, dice)),
  'a statement': (bundle, dice) => textOf(statementAltered(bundle, dice)),
  'a note': (bundle, dice) => textOf(someNote(bundle, dice)),
  'a spelling': ({ lines }, dice) => textOf(spelled(lines, dice)),
  'a value': ({ lines }, dice) => textOf(rowAltered(lines, dice)),
  'a value, chained anew': ({ lines }, dice) => textOf(relinked(rowAltered(lines, dice), null)),
};

/** Only who has the keys can do these, to a bundle of all rows: what they write may well be proved. */
export const FORGERIES: Readonly<Record<string, Mutation>> = {
  'a value, signed': ({ lines, keys }, dice) => textOf(relinked(rowAltered(lines, dice), keys)),
  'lines, signed': ({ lines, keys }, dice) => textOf(relinked(rearranged(lines, dice), keys)),
  'several, signed': ({ lines, keys }, dice) =>
    textOf(relinked(rearranged(rowAltered(rearranged(lines, dice), dice), dice), keys)),
};

const AT_THE_END = ['x', '\n', '["end",0]', '["end",0]\n', '\r\n'];

function spelled(lines: Lines, dice: Dice): Lines {
  const at = dice.int(0, lines.length - 1);
  return lines.with(
    at,
    withBody(lines[at] as Buffer, (text) => dice.pick(SPELLINGS)(text, dice)),
  );
}

function flipped(bytes: Buffer, dice: Dice): Buffer {
  const other = Buffer.from(bytes);
  const at = dice.int(0, bytes.length - 1);
  other[at] = (other[at] as number) ^ (1 << dice.int(0, 7));
  return other;
}
