/**
 * A real day of a real office, through MQTT, `comfort`, the executor and Modbus, played by the program behind `npm start`.
 * The recording is not part of the project: without it this file is skipped, and says so.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Receipt, ReadingPayload } from '@fibric/sdk';
import { beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const recording = join(root, '..', 'shared', 'data', 'office', 'office-2013-08-26.csv');
const ZONE_OFFSET = '-07:00';
const MINUTE_MS = 60_000;
const HOLD_MIN = 30;
const COMFORT = 21.5;
const SETBACK = 17;
/** How late a proposal may be: a tick a minute, and some for a machine that is busy at 720 times real time. */
const SLACK_MIN = 15;

interface Row {
  readonly at: number;
  readonly moved: boolean;
}

function rowsByRoom(): ReadonlyMap<string, readonly Row[]> {
  const rooms = new Map<string, Row[]>();
  for (const line of readFileSync(recording, 'utf8').trim().split('\n').slice(1)) {
    const [time = '', room = '', , , , , pir = '0'] = line.split(',');
    const rows = rooms.get(room) ?? [];
    rows.push({ at: Date.parse(`${time}${ZONE_OFFSET}`), moved: Number(pir) > 0 });
    rooms.set(room, rows);
  }
  return rooms;
}

function ndjson<T>(...args: string[]): readonly T[] {
  const text = execFileSync(process.execPath, [join(root, 'cli', 'fibric.cjs'), ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 512 * 1024 * 1024,
  });
  return text
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

interface PlanLine {
  readonly actions: readonly unknown[];
}

interface EventLine {
  readonly event_type: string;
  readonly at: string;
  readonly payload: ReadingPayload;
}

const present = existsSync(recording);
if (!present) process.stdout.write('skipped: the recorded office day is not beside the project\n');

describe.skipIf(!present)('the real day', () => {
  const dir = mkdtempSync(join(tmpdir(), 'fibric-office-'));
  const data = join(dir, 'data');
  let summary = '';
  let receipts: readonly Receipt[] = [];
  let events: readonly EventLine[] = [];
  let plans: readonly PlanLine[] = [];
  const rooms = present ? rowsByRoom() : new Map<string, readonly Row[]>();
  const end = Math.max(...[...rooms.values()].map((rows) => rows.at(-1)?.at ?? 0));

  beforeAll(() => {
    const play = ['--entry', 'simulators/start.ts', '--site', 'office', '--recording', recording, '--speed', '720'];
    const run = spawnSync(
      process.execPath,
      [join(root, 'cli', 'fibric.cjs'), ...play, '--data', data, '--port-base', '0', '--exit-at-end'],
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    );
    expect(run.status, run.stdout + run.stderr).toBe(0);
    summary = run.stdout.slice(run.stdout.indexOf('Summary'));
    receipts = ndjson<Receipt>('receipts', 'ls', '--data', data);
    events = ndjson<EventLine>('events', 'ls', '--data', data);
    plans = ndjson<PlanLine>('plans', 'ls', '--data', data);
  }, 300_000);

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const register = (room: string): number => Number(new RegExp(`^\\s+${room}\\s+([\\d.]+) °C`, 'm').exec(summary)?.[1]);
  const written = (room: string) => receipts.filter((r) => r.entity_key === `zone:${room}` && r.outcome === 'applied');

  it('ends with rooms in use at comfort and empty ones at setback, in the registers themselves', () => {
    const judged: string[] = [];
    for (const [room, rows] of rooms) {
      const last = rows.at(-1);
      if (!last || end - last.at > 10 * MINUTE_MS) continue;
      const quiet_min = (end - (rows.findLast((row) => row.moved)?.at ?? 0)) / MINUTE_MS;
      if (quiet_min < HOLD_MIN - SLACK_MIN)
        expect(register(room), `room ${room}, motion ${quiet_min} min before the end`).toBe(COMFORT);
      else if (quiet_min > HOLD_MIN + SLACK_MIN)
        expect(register(room), `room ${room}, quiet for ${quiet_min} min`).toBe(SETBACK);
      else continue;
      judged.push(room);
    }
    expect(judged.length).toBeGreaterThanOrEqual(4);
  });

  it('raised no room without motion in it, and set none back before the hold was over', () => {
    for (const [room, rows] of rooms) {
      for (const receipt of written(room)) {
        const at = Date.parse(receipt.at);
        const recent = rows.filter((row) => row.at <= at && row.at > at - HOLD_MIN * MINUTE_MS);
        if (receipt.value === COMFORT)
          expect(recent.some((row) => row.moved) || recent.length === 0, `${room} raised at ${receipt.at}`).toBe(true);
        const within = rows.filter((row) => row.at <= at && row.at > at - (HOLD_MIN - 2) * MINUTE_MS);
        if (receipt.value === SETBACK)
          expect(
            within.some((row) => row.moved),
            `${room} set back at ${receipt.at}`,
          ).toBe(false);
      }
    }
  });

  it('shows the 68 °C sample in room 513 as bad/spike, once, and writes nothing because of it', () => {
    const spikes = events.filter((e) => e.payload.quality_reason === 'spike');
    expect(spikes.map((e) => [e.payload.entity.id, e.payload.quality])).toEqual([['513', 'bad']]);
    expect(Math.round(Number(spikes[0]?.payload.value))).toBe(68);
    const at = Date.parse(spikes[0]?.at ?? '');
    expect(written('513').filter((r) => Math.abs(Date.parse(r.at) - at) < 2 * MINUTE_MS)).toEqual([]);
    expect(receipts.flatMap((r) => r.evidence).filter((e) => Number(e.value) > 60 && e.quality === 'good')).toEqual([]);
  });

  it('reports room 511 stale after it fell silent, and never writes on its old value', () => {
    const silent = rooms.get('511')?.at(-1)?.at ?? 0;
    const stale = events.filter((e) => e.payload.entity?.id === '511' && e.payload.quality_reason === 'stale');
    expect(stale.map((e) => e.payload.point)).toContain('motion');
    expect(stale.map((e) => e.payload.point)).toContain('temperature');
    expect(stale.every((e) => e.payload.value === null && Date.parse(e.at) > silent)).toBe(true);
    expect(written('511').filter((r) => Date.parse(r.at) > silent + 5 * MINUTE_MS)).toEqual([]);
  });

  it('writes no room more often than min_interval allows', () => {
    for (const room of rooms.keys()) {
      const times = written(room)
        .map((r) => Date.parse(r.at))
        .sort((a, b) => a - b);
      times
        .slice(1)
        .forEach((at, i) => expect(at - (times[i] ?? 0), `room ${room}`).toBeGreaterThanOrEqual(10 * MINUTE_MS));
    }
  });

  it('leaves one receipt per action, each with its read-back, in a chain that verifies', () => {
    const actions = plans.reduce((sum, plan) => sum + plan.actions.length, 0);
    expect(receipts).toHaveLength(actions);
    expect(actions).toBeGreaterThan(20);
    for (const receipt of receipts.filter((r) => r.outcome === 'applied')) {
      expect(receipt.readback).toMatchObject([{ point: 'setpoint', value: receipt.value, quality: 'good' }]);
      expect(receipt.provenance).toBe('simulated');
    }
    expect(() =>
      execFileSync(process.execPath, [join(root, 'cli', 'fibric.cjs'), 'receipts', 'verify', '--data', data]),
    ).not.toThrow();
  });
});
