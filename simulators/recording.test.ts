import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRow, type RecordingRow, recordingRows, RECORDING_HEADER, surveyRecording } from './recording.ts';

const ZONE = 'America/Los_Angeles';
const HEADER = RECORDING_HEADER.join();
let folder = '';
let files = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fibric-recording-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function csv(...lines: readonly string[]): string {
  const file = join(folder, `${files++}.csv`);
  writeFileSync(file, lines.join('\n'));
  return file;
}

async function rows(file: string, ordered: boolean): Promise<RecordingRow[]> {
  return Array.fromAsync(recordingRows(file, ZONE, ordered));
}

describe('a row', () => {
  it('is local time, room and what was measured', () => {
    expect(parseRow('2013-08-26T00:00:00,415,24.09,57.07,474.25,148.33,0', ZONE)).toEqual({
      atMs: Temporal.Instant.from('2013-08-26T07:00:00Z').epochMilliseconds,
      room: '415',
      values: { temperature_degC: 24.09, humidity_percent: 57.07, co2_ppm: 474.25, light_lux: 148.33, pir: 0 },
    });
  });

  it('R2 keeps a missing value missing', () => {
    expect(parseRow('2013-08-26 00:00,415,,57,NaN,,0', ZONE)).toMatchObject({
      values: { humidity_percent: 57, pir: 0 },
    });
  });

  it.each([
    ['2013-08-26T00:00:00,415,24', '3 cells instead of 7'],
    ['yesterday,415,24,1,1,1,0', "'yesterday' is not a local time such as 2013-08-26T00:00:00"],
    ['2013-08-26T00:00:00Z,415,24,1,1,1,0', "'2013-08-26T00:00:00Z' is not a local time such as 2013-08-26T00:00:00"],
    ['2013-13-26T00:00:00,415,24,1,1,1,0', "'2013-13-26T00:00:00' is not a local time such as 2013-08-26T00:00:00"],
    ['2013-08-26T00:00:00,a/b,24,1,1,1,0', "'a/b' is not the name of a room"],
    ['2013-08-26T00:00:00,415,warm,1,1,1,0', "temperature_degC is 'warm', not a number"],
  ])('is refused with a reason: %s', (line, reason) => {
    expect(parseRow(line, ZONE)).toBe(reason);
  });
});

describe('a recording', () => {
  it('may have any rooms, gaps and silent rooms', async () => {
    const file = csv(
      HEADER,
      '2020-01-01T10:00:00,b,20,40,500,10,0',
      '2020-01-01T10:00:00,12,20,40,500,10,0',
      '2020-01-01T16:00:00,b,20,40,500,10,3',
      '',
    );
    expect(await surveyRecording(file, ZONE)).toMatchObject({
      kind: 'ok',
      survey: { rooms: ['12', 'b'], rows: 3, ordered: true, badLines: 0 },
    });
    expect((await rows(file, true)).map(({ room }) => room)).toEqual(['b', '12', 'b']);
  });

  it('R1 counts bad lines, names the first by number, and plays the rest', async () => {
    const file = csv(`\uFEFF${HEADER}\r`, 'rubbish', '2020-01-01T10:00:00,1,20,40,500,10,0', ',,,,,,');
    const result = await surveyRecording(file, ZONE);
    expect(result).toMatchObject({
      kind: 'ok',
      survey: {
        rows: 1,
        badLines: 2,
        examples: [
          { line: 2, reason: '1 cell instead of 7' },
          { line: 4, reason: "'' is not a local time such as 2013-08-26T00:00:00" },
        ],
      },
    });
    expect(await rows(file, true)).toHaveLength(1);
  });

  it('R3 comes out in order of time, also when it is grouped by room', async () => {
    const file = csv(
      HEADER,
      '2020-01-01T10:00:00,1,20,40,500,10,0',
      '2020-01-01T11:00:00,1,20,40,500,10,0',
      '2020-01-01T10:00:00,2,20,40,500,10,0',
    );
    expect(await surveyRecording(file, ZONE)).toMatchObject({ survey: { ordered: false } });
    expect((await rows(file, false)).map(({ room }) => room)).toEqual(['1', '2', '1']);
  });

  it('says what it found when the file is no recording', async () => {
    const wrong = csv('time,room,temp', '1,2,3');
    expect(await surveyRecording(wrong, ZONE)).toEqual({
      kind: 'unusable',
      message: `${wrong}:1 is not the header of a recording: expected '${HEADER}', found 'time,room,temp'`,
    });
    const empty = csv('');
    expect(await surveyRecording(empty, ZONE)).toEqual({ kind: 'unusable', message: `${empty} is empty` });
    const none = csv(HEADER, 'x');
    expect(await surveyRecording(none, ZONE)).toEqual({
      kind: 'unusable',
      message: `${none} holds no row that can be played; line 2: 1 cell instead of 7`,
    });
    const missing = join(folder, 'missing.csv');
    expect(await surveyRecording(missing, ZONE)).toEqual({ kind: 'unusable', message: `there is no file ${missing}` });
    expect(await surveyRecording(folder, ZONE)).toEqual({
      kind: 'unusable',
      message: `${folder} is a folder, not a CSV file`,
    });
  });
});
