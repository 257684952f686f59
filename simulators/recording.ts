/**
 * A recorded day as CSV: `time,room,temperature_degC,humidity_percent,co2_ppm,light_lux,pir`, times local and without zone.
 *
 * R1 A line that cannot be read is counted and reported by its number; it never ends the playing.
 * R2 An empty cell is a missing value and stays missing.
 * R3 Rows come out in order of time, whatever the order in the file.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { parseLocalTime } from './local-time.ts';
import { counted } from './text.ts';

export const RECORDING_HEADER = [
  'time',
  'room',
  'temperature_degC',
  'humidity_percent',
  'co2_ppm',
  'light_lux',
  'pir',
] as const;

type Measure = Exclude<(typeof RECORDING_HEADER)[number], 'time' | 'room'>;
const MEASURES: readonly Measure[] = ['temperature_degC', 'humidity_percent', 'co2_ppm', 'light_lux', 'pir'];

/** One row; a measure that was not recorded is absent. */
export interface RecordingRow {
  readonly atMs: number;
  readonly room: string;
  readonly values: Readonly<Partial<Record<Measure, number>>>;
}

export interface BadLine {
  readonly line: number;
  readonly reason: string;
}

/** What a first look at the file found. */
export interface Survey {
  /** In order of name. */
  readonly rooms: readonly string[];
  readonly rows: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** False: the rows stand in another order than that of time. */
  readonly ordered: boolean;
  readonly badLines: number;
  /** The first of them. */
  readonly examples: readonly BadLine[];
}

export type SurveyResult =
  | { readonly kind: 'ok'; readonly survey: Survey }
  /** Not a file that can be played; `message` says what was found. */
  | { readonly kind: 'unusable'; readonly message: string };

const EXAMPLES = 5;
const ROOM = /^[A-Za-z0-9._-]{1,40}$/;
const MISSING = /^(nan|na|null)?$/i;

function cells(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}

/** A row, or the reason why the line is none. */
export function parseRow(line: string, timezone: string): RecordingRow | string {
  const all = cells(line);
  if (all.length !== RECORDING_HEADER.length)
    return `${counted(all.length, 'cell')} instead of ${RECORDING_HEADER.length}`;
  const [time = '', room = '', ...measured] = all;
  const atMs = parseLocalTime(time, timezone);
  if (atMs === null) return `'${time.slice(0, 40)}' is not a local time such as 2013-08-26T00:00:00`;
  if (!ROOM.test(room)) return `'${room.slice(0, 40)}' is not the name of a room`;
  const values: Partial<Record<Measure, number>> = {};
  for (const [i, measure] of MEASURES.entries()) {
    const text = measured[i] ?? '';
    if (MISSING.test(text)) continue;
    const value = Number(text);
    if (!Number.isFinite(value)) return `${measure} is '${text.slice(0, 40)}', not a number`;
    values[measure] = value;
  }
  return { atMs, room, values };
}

type Parsed =
  | { readonly kind: 'header'; readonly text: string }
  | { readonly kind: 'row'; readonly row: RecordingRow }
  | { readonly kind: 'bad'; readonly bad: BadLine };

async function* parsed(file: string, timezone: string): AsyncGenerator<Parsed> {
  const input = createReadStream(file, 'utf8');
  try {
    let line = 0;
    for await (const raw of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const text = line === 0 ? raw.replace(/^\uFEFF/, '') : raw;
      line += 1;
      if (line === 1) yield { kind: 'header', text };
      else if (text.trim() !== '') {
        const row = parseRow(text, timezone);
        yield typeof row === 'string' ? { kind: 'bad', bad: { line, reason: row } } : { kind: 'row', row };
      }
    }
  } finally {
    input.destroy();
  }
}

/** Reads the file once: is it a recording, which rooms, from when to when. */
export async function surveyRecording(file: string, timezone: string): Promise<SurveyResult> {
  const rooms = new Set<string>();
  const examples: BadLine[] = [];
  let [rows, badLines, fromMs, toMs, lastMs] = [0, 0, Number.POSITIVE_INFINITY, 0, 0];
  let ordered = true;
  let header: string | null = null;
  try {
    for await (const item of parsed(file, timezone)) {
      if (item.kind === 'header') {
        header = item.text;
        if (cells(header).join() !== RECORDING_HEADER.join()) break;
      } else if (item.kind === 'bad') {
        badLines += 1;
        if (examples.length < EXAMPLES) examples.push(item.bad);
      } else {
        rows += 1;
        rooms.add(item.row.room);
        if (rows > 1 && item.row.atMs < lastMs) ordered = false;
        lastMs = item.row.atMs;
        fromMs = Math.min(fromMs, lastMs);
        toMs = rows === 1 ? lastMs : Math.max(toMs, lastMs);
      }
    }
  } catch (error) {
    return { kind: 'unusable', message: unreadable(file, error) };
  }
  if (header === null) return { kind: 'unusable', message: `${file} is empty` };
  if (cells(header).join() !== RECORDING_HEADER.join()) {
    return {
      kind: 'unusable',
      message: `${file}:1 is not the header of a recording: expected '${RECORDING_HEADER.join()}', found '${header.slice(0, 120)}'`,
    };
  }
  if (rows === 0) {
    const why = examples[0] === undefined ? '' : `; line ${examples[0].line}: ${examples[0].reason}`;
    return { kind: 'unusable', message: `${file} holds no row that can be played${why}` };
  }
  const names = [...rooms].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return { kind: 'ok', survey: { rooms: names, rows, fromMs, toMs, ordered, badLines, examples } };
}

function unreadable(file: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return `there is no file ${file}`;
  if (code === 'EISDIR') return `${file} is a folder, not a CSV file`;
  return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** The rows in order of time (R3). A file that is not in order is held in memory to be sorted; one that is, is streamed. */
export async function* recordingRows(file: string, timezone: string, ordered: boolean): AsyncGenerator<RecordingRow> {
  if (ordered) {
    for await (const item of parsed(file, timezone)) if (item.kind === 'row') yield item.row;
    return;
  }
  const rows: RecordingRow[] = [];
  for await (const row of recordingRows(file, timezone, true)) rows.push(row);
  yield* rows.sort((a, b) => a.atMs - b.atMs);
}
