/** Bundles and trust files at the bounds of what docs/RECEIPTS.md allows, each with what a verifier says of it. */
import type { Proof } from '@fibric/gateway/journal/types';
import { type Bundle, jcs, keyText, type Keys, type Lines, relinked, rowLine, rowText } from './receipt-bundles.ts';

type Edge = readonly [kind: Proof['kind'], lines: (bundle: Bundle) => Lines];

const MIB = 1024 * 1024;
const SALT = '0'.repeat(32);
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const PRIME = 2n ** 255n - 19n;

const statement =
  (text: string) =>
  ({ lines }: Bundle) =>
    lines.toSpliced(1, 0, Buffer.from(text));
const opening = (value: string): string => `["open","reasoning","${SALT}",${value}]`;
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

/** These rows before all others, chained, and everything signed again. */
const rowsFirst =
  (make: () => readonly object[]) =>
  ({ lines, keys }: Bundle) =>
    relinked(lines.toSpliced(1, 0, ...make().map((row) => rowLine(jcs({ at: '', ...row })))), keys);

const plans = (actions: number): readonly object[] =>
  Array.from({ length: Math.ceil(actions / 50_000) }, (_, row) => ({
    type: 'plan/1',
    actions: Array.from({ length: Math.min(50_000, actions - row * 50_000) }, (__, i) => ({
      action: { action_id: `${row}_${i}` },
      status: 'queued',
    })),
  }));

const incarnation = (point: Buffer): object => ({ type: 'incarnation/1', origin: 'o', key: keyText('o', 1, point) });

const littleEndian = (value: bigint): Buffer =>
  Buffer.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toReversed());

const point = (y: bigint, sign = false): Buffer => littleEndian(sign ? y + 2n ** 255n : y);

const awaiting = (approvers: unknown): object => ({
  type: 'plan/1',
  actions: [{ action: { action_id: 'a' }, status: 'awaiting', waiting: { approvers } }],
});
const yes = (action_id: string): object => ({
  ...{ type: 'approval/1', effect: 'counts', decision: 'approve' },
  actions: [{ action_id }],
});
const INTENT = { type: 'intent/1', action_id: 'a' };

/** An action from its plan to its receipt. */
function acted(id: string, idempotency_key: string): readonly object[] {
  return [
    { type: 'plan/1', actions: [{ action: { action_id: id }, status: 'queued' }] },
    { type: 'intent/1', action_id: id },
    { type: 'receipt/1', action_id: id, outcome: 'applied', reason_code: null, idempotency_key },
  ];
}

/** The last line but one is the last checkpoint: no signature covers it. */
function lastNote(change: (note: string) => string): (bundle: Bundle) => Lines {
  return ({ lines }) => {
    const row = JSON.parse(rowText(lines.at(-2) as Buffer) as string) as { readonly note: string };
    return lines.toSpliced(-2, 1, rowLine(jcs({ ...row, note: change(row.note) })));
  };
}

const signature = (bytes: number): string => `— other ${Buffer.alloc(bytes).toString('base64')}\n`;

/** The same signature with the order of the group added to S: the equation still holds. */
function beyondTheOrder(note: string): string {
  const [, name = '', encoded = ''] = (note.split('\n')[4] ?? '').split(' ');
  const bytes = Buffer.from(encoded, 'base64');
  const s = BigInt(`0x${Buffer.from(bytes.subarray(-32).toReversed()).toString('hex')}`);
  const other = Buffer.concat([bytes.subarray(0, -32), littleEndian(s + ORDER)]).toString('base64');
  return note.replace(`— ${name} ${encoded}`, `— ${name} ${other}`);
}

const SMALL_ORDER = [0n, 1n, PRIME - 1n, PRIME, PRIME + 1n].map((y) => point(y));
const OF_ORDER_8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
];
const WEAK = [
  ...SMALL_ORDER,
  ...OF_ORDER_8.map((y) => Buffer.from(y, 'hex')),
  point(1n, true),
  point(PRIME - 1n, true),
];

export const EDGES: Readonly<Record<string, Edge>> = {
  'a text that is longer than a row': ['tampered', statement(opening(`"${'x'.repeat(MIB)}"`))],
  'a line of 4 MiB': ['tampered', statement(opening(`"${'x'.repeat(4 * MIB - opening('""').length)}"`))],
  'a line of 4 MiB and a byte': [
    'bad_input',
    statement(opening(`"${'x'.repeat(4 * MIB + 1 - opening('""').length)}"`)),
  ],
  '32 arrays inside each other': ['tampered', statement(nested(32))],
  '33 arrays inside each other': ['bad_input', statement(nested(33))],
  '33 brackets that are no JSON': ['bad_input', statement(`["\\"",${'['.repeat(32)}`)],
  '33 brackets in a text': ['tampered', statement(opening(`"${'['.repeat(33)}"`))],
  '33 brackets behind what is not UTF-8': [
    'tampered',
    ({ lines }) => lines.with(1, Buffer.from(`[\xff${nested(40)}]`, 'latin1')),
  ],
  'the same opened twice': ['tampered', ({ lines }) => lines.toSpliced(4, 0, lines[4] as Buffer)],
  'a lone surrogate in a name': ['tampered', ({ lines }) => lines.with(2, rowLine('{"\\ud800":1}'))],
  'more passed by than a number can say': [
    'tampered',
    statement(`["skip",${2 ** 53 - 1},${JSON.stringify(Array.from({ length: 53 }, () => '0'.repeat(64)))}]`),
  ],
  '200 000 open actions': ['proved', rowsFirst(() => plans(199_980))],
  'more open actions than are looked at': ['bad_input', rowsFirst(() => plans(200_001))],
  'an episode of 15 digits': [
    'tampered',
    rowsFirst(() => [...acted('a', 'k@ep=999999999999999#1'), ...acted('b', 'k@ep=1#2')]),
  ],
  'no episode, of 16 digits': [
    'proved',
    rowsFirst(() => [...acted('a', 'k@ep=9007199254740993#1'), ...acted('b', 'k@ep=9007199254740992#1')]),
  ],
  'an episode of nothing': [
    'proved',
    rowsFirst(() => [...acted('a', '@ep=2#1'), ...acted('b', '@ep=1#1'), ...acted('c', '')]),
  ],
  'the empty key twice': ['tampered', rowsFirst(() => [...acted('a', ''), ...acted('b', '')])],
  'an episode over two lines': [
    'tampered',
    rowsFirst(() => [...acted('a', 'k\n\u2028@ep=2#1'), ...acted('b', 'k\n\u2028@ep=1#1')]),
  ],
  'an intent that two persons said yes to': ['proved', rowsFirst(() => [awaiting(2), yes('a'), yes('a'), INTENT])],
  'an intent that one of two persons said yes to': ['tampered', rowsFirst(() => [awaiting(2), yes('a'), INTENT])],
  'an action that waits for nobody can say whom': ['tampered', rowsFirst(() => [awaiting('two')])],
  'a yes to an action that nobody planned': ['proved', rowsFirst(() => [yes('a'), awaiting(1), yes('a'), INTENT])],
  'a note of 16 signatures': ['proved', lastNote((note) => note + signature(5).repeat(15))],
  'a note of 17 signatures': ['bad_input', lastNote((note) => note + signature(5).repeat(16))],
  'a signature of one byte': ['proved', lastNote((note) => note + signature(5))],
  'a signature of no byte': ['tampered', lastNote((note) => note + signature(4))],
  'a name with a mark that is no white space': [
    'proved',
    lastNote((note) => note + signature(5).replace('other', 'o\ufeffr')),
  ],
  'a name of 255 characters outside the BMP': [
    'proved',
    lastNote((note) => note + signature(5).replace('other', '😀'.repeat(255))),
  ],
  'a name of 256 characters': ['tampered', lastNote((note) => note + signature(5).replace('other', 'o'.repeat(256)))],
  'a signature whose S is beyond the order': ['tampered', lastNote(beyondTheOrder)],
  'a key whose point is none': ['proved', rowsFirst(() => [incarnation(point(2n))])],
  '1 000 incarnations': ['proved', rowsFirst(() => Array.from({ length: 999 }, () => incarnation(point(3n))))],
  'more incarnations than are looked at': [
    'bad_input',
    rowsFirst(() => Array.from({ length: 1_000 }, () => incarnation(point(3n)))),
  ],
  ...Object.fromEntries(
    WEAK.map((key) => [`the weak key ${key.toString('hex')}`, ['tampered', rowsFirst(() => [incarnation(key)])]]),
  ),
};

/** Trust files, and whether they are any. */
export function trustTexts({ log, witnesses: [one, two] }: Keys): readonly (readonly [text: string, good: boolean])[] {
  const [L, A, B] = [`log ${log.text}\n`, `witness a ${one.text}\n`, `witness b ${two.text}\n`];
  const none = 'quorum none\n';
  const [name, id = '', encoded = ''] = log.text.split('+');
  const other = keyText(log.name, 1, point(5n));
  const chain = Array.from({ length: 900 }, (_, i) => `group g${i} any ${i === 0 ? 'a' : `g${i - 1}`}\n`).join('');
  const good = [
    ...[`${L}${A}${chain}quorum g899\n`, L + none, `# them\n\n\t ${L}\t#\n${none}`, `${L}quorum none`, none + L, none],
    ...[`log ${log.text} https://a.example\n${none}`, `${L}log ${other}\n${none}`, `log ${other}\n${none}`],
    ...[
      `${L}${A}quorum a\n`,
      `${L}${A}${B}group g 2 a b\nquorum g\n`,
      `${L}${A}${B}group g 1 a\ngroup h all g b\nquorum h\n`,
    ],
    ...[
      `${L}${A}${B}group g any a b\nquorum b\n`,
      `${L}witness x ${keyText(one.name, 4, point(2n))} https://w.example\nquorum x\n`,
    ],
  ];
  const bad = [
    ...['', L, L + none + none, `${L}quorum a\n`, `${L}quorum a\n${A}`, `${L}quorum\n`, `${L}quorum none none\n`],
    ...[
      L + L + none,
      `log ${one.text}\n${none}`,
      `witness a ${log.text}\n${none}`,
      `log ${log.text} x y\n${none}`,
      `log\n${none}`,
    ],
    ...[A + A + none, `${A}witness c ${one.text}\n${none}`, `witness none ${one.text}\n${none}`, `witness a\n${none}`],
    ...['0', '3', '01', '+1', 'ALL', '1.0'].map((k) => `${A}${B}group g ${k} a b\n${none}`),
    ...['g any a a', 'g any', 'g any c', 'a any b', 'none any a', 'g any g'].map(
      (words) => `${A}${B}group ${words}\n${none}`,
    ),
    ...[
      `${A}${B}group g any a\ngroup h any a b\n${none}`,
      `${A}group g any a\nquorum g x\n`,
      `unknown ${log.text}\n${none}`,
    ],
    ...[
      (L + none).replaceAll('\n', '\r\n'),
      `\ufeff${L}${none}`,
      `log\u00a0${log.text}\n${none}`,
      none + '\n'.repeat(1_000),
    ],
    ...[
      `${name}+${id.toUpperCase()}+${encoded}`,
      `${name}+00000000+${encoded}`,
      `${name}+${id}+${encoded}=`,
      `+${id}+${encoded}`,
    ].map((key) => `log ${key}\n${none}`),
    ...WEAK.map((key) => `log ${keyText('weak', 1, key)}\n${none}`),
  ];
  return [...good.map((text) => [text, true] as const), ...bad.map((text) => [text, false] as const)];
}
