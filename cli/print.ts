/** How results look on a terminal. Without one there is no colour; with `--json` none of this is used. */
import { styleText } from 'node:util';
import type { Finding } from '@fibric/policy';
import { formatDuration, type PointValue, type Quality } from '@fibric/sdk';
import type { Io } from './call.ts';

type Cell = string | number | null;

/** One line for people. What devices and operators say is shown, but does not steer the terminal. */
export function line(io: Io, text: string): void {
  io.out(printable(text));
}

/** Without control characters (ECMA-48 §5), our own colours excepted. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character, at: number) => {
    const colour = character === '\u001b' && /^\[\d{1,2}m/.test(text.slice(at + 1, at + 5));
    return colour ? character : ' ';
  });
}

/** So much of the hash of a basis is shown, and is enough to name it. */
export const BASIS_CHARS = 12;

const LONGEST = 100;

/** For lists: the whole of it is in `show` and in `--json`. */
export function clip(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/** A table without lines: one row a line, so that `grep` and `awk` work on it. */
export async function table(io: Io, head: readonly string[], rows: readonly (readonly Cell[])[]): Promise<void> {
  const { default: Table } = await import('cli-table3');
  const none = Object.fromEntries(BORDERS.map((border) => [border, '']));
  const made = new Table({
    chars: { ...none, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    head: head.map((word) => paint(io, 'bold', word)),
  });
  for (const row of rows) made.push(row.map((cell) => (cell === null ? '–' : clip(printable(String(cell))))));
  for (const text of made.toString().split('\n')) io.out(text.trimEnd());
}

const BORDERS = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
  'left',
  'left-mid',
  'mid',
  'mid-mid',
  'right',
  'right-mid',
];

/** Names and what they are, one a line. Empty values are left out. */
export function facts(io: Io, rows: readonly (readonly [name: string, value: string | null])[]): void {
  const shown = rows.flatMap(([name, text]) => (text === null ? [] : [{ name, text }]));
  const width = Math.max(...shown.map(({ name }) => name.length));
  for (const { name, text } of shown) {
    const [first, ...more] = text.split('\n');
    line(io, `${paint(io, 'dim', name.padEnd(width))}  ${first}`);
    for (const rest of more) line(io, `${' '.repeat(width)}  ${rest}`);
  }
}

/** Prints rows as they come with `--json`, one object a line; gathers them for a table otherwise. */
export async function list<T>(
  io: Io,
  options: {
    readonly rows: AsyncIterable<T>;
    readonly json: boolean;
    readonly limit?: number | undefined;
    readonly head: readonly string[];
    readonly row: (item: T) => readonly Cell[];
  },
): Promise<void> {
  const cells: (readonly Cell[])[] = [];
  let count = 0;
  for await (const item of options.rows) {
    if (count === options.limit) break;
    count += 1;
    if (options.json) io.out(JSON.stringify(item));
    else cells.push(options.row(item));
  }
  if (options.json) return;
  if (cells.length === 0) io.err('nothing to list');
  else await table(io, options.head, cells);
}

export function document(io: Io, value: unknown): void {
  io.out(JSON.stringify(value, null, 2));
}

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';

export function paint(io: Io, style: Style, text: string): string {
  return io.color ? styleText(style, text, { validateStream: false }) : text;
}

const GOOD: ReadonlySet<string> = new Set([
  'applied',
  'connected',
  'ready',
  'proved',
  'good',
  'live',
  'idle',
  'released',
  'active',
  'clean',
  'trusted',
  'delivered',
  'info',
]);
const BAD: ReadonlySet<string> = new Set([
  'failed',
  'unknown',
  'blocked',
  'error',
  'bad',
  'tampered',
  'none',
  'rejected',
  'locked_out',
  'release_failed',
  'critical',
]);

/** A word of state: green when all is well, red when it is not. */
export function state(io: Io, word: string): string {
  if (GOOD.has(word)) return paint(io, 'green', word);
  return paint(io, BAD.has(word) ? 'red' : 'yellow', word);
}

/** `2026-07-02T08:00:00.000Z` without what nobody reads. */
export function time(at: string | null): string | null {
  return at === null ? null : at.replace('T', ' ').replace(/(\.\d+)?Z$/, 'Z');
}

export function age(ms: number | null): string | null {
  return ms === null ? null : formatDuration(ms);
}

export function value(shown: PointValue, unit: string | null = null): string {
  if (shown === null) return '–';
  const text = typeof shown === 'number' ? String(Number(shown.toFixed(4))) : String(shown);
  return unit === null || unit === '1' ? text : `${text} ${unit}`;
}

export function quality(io: Io, point: { readonly quality: Quality; readonly quality_reason: string | null }): string {
  return state(io, point.quality) + (point.quality_reason === null ? '' : ` (${point.quality_reason})`);
}

/** `zone=412 celsius=21.5` */
export function words(args: Readonly<Record<string, unknown>>): string {
  return Object.entries(args)
    .map(([name, given]) => `${name}=${typeof given === 'string' ? given : JSON.stringify(given)}`)
    .join(' ');
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/** As compilers print it, so that editors jump to it. */
export function findingLine({ file, line, column, path, message }: Finding): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}
