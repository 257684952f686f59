import { spawn } from 'node:child_process';
import { planOf } from '@fibric/gateway/api/people-fixture';
import { systemClock } from '@fibric/gateway/system';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, LAUNCHER, ndjson, startBench } from './harness.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.clear());

const here = (...args: readonly string[]) => bench.here(...args);

describe('lists', () => {
  test('ls --json prints every row, one object a line, oldest first, through all pages', async () => {
    bench.view.journal.write(230);
    const rows = ndjson((await here('receipts', 'ls', '--json')).out);
    expect(rows).toEqual(bench.view.journal.rows);
  });

  test('--limit gives the newest, and --operator only those of one', async () => {
    bench.view.journal.write(120);
    bench.view.journal.write(3, { operator: 'floor' });
    bench.view.journal.write(4);
    const seqs = async (...args: readonly string[]) =>
      ndjson((await here('receipts', 'ls', '--json', ...args)).out).map((row) => (row as { seq: number }).seq);
    expect(await seqs('--limit', '3')).toEqual([250, 252, 254]);
    expect(await seqs('--operator', 'floor')).toEqual([242, 244, 246]);
    expect(await seqs('--limit', '5', '--operator', 'comfort')).toEqual([240, 248, 250, 252, 254]);
    expect(await seqs('--limit', '124')).toHaveLength(124);
  });

  test('plans and events as well', async () => {
    for (let i = 1; i <= 105; i += 1) bench.view.journal.planRows.push(planOf(i));
    for (let i = 0; i < 250; i += 1) bench.view.events.write(i % 100 === 0 ? 'dock.door' : 'zone.temperature');
    expect(ndjson((await here('plans', 'ls', '--json')).out)).toEqual(bench.view.journal.planRows);
    const cursors = async (...args: readonly string[]) =>
      ndjson((await here('events', 'ls', '--json', ...args)).out).map((row) => (row as { cursor: number }).cursor);
    expect(await cursors()).toEqual(Array.from({ length: 250 }, (_, i) => i + 1));
    expect(await cursors('--type', 'dock.*')).toEqual([1, 101, 201]);
    expect(await cursors('--type', 'dock.*', '--limit', '2')).toEqual([101, 201]);
  });

  test.each([
    ['connectors ls', 'CONNECTOR', 'fcu '],
    ['capabilities ls', 'CAPABILITY     CONNECTOR  STATUS', 'bookings.read  –          unbound'],
    ['devices ls', 'DEVICE', 'room-412 '],
    ['points ls', 'POINT', 'room-412/temperature  zone:412  21.4 degC  good'],
    ['operators ls', 'OPERATOR', 'comfort '],
  ])(
    '%s is a table for people, without colour in a pipe, and one object a line for programs',
    async (verb, head, row) => {
      const { code, out } = await here(...verb.split(' '));
      expect(code).toBe(0);
      expect(out.split('\n')[0]).toContain(head);
      expect(out).toContain(row);
      expect(out).not.toContain('\u001b');
      const json = ndjson((await here(...verb.split(' '), '--json')).out);
      expect(json.length).toBe(out.trimEnd().split('\n').length - 1);
      expect(ndjson((await here(...verb.split(' '), '--json', '--limit', '1')).out)).toEqual([json[0]]);
    },
  );

  test('nothing to list is no row for a program and a word for a person', async () => {
    expect(await here('receipts', 'ls', '--json')).toEqual({ code: 0, out: '', err: '' });
    expect(await here('receipts', 'ls')).toEqual({ code: 0, out: '', err: 'nothing to list\n' });
  });

  test('a reader that has enough, such as head, is no failure', async () => {
    bench.view.journal.write(2_000);
    const child = spawn(process.execPath, [LAUNCHER, 'receipts', 'ls', '--json', '--data', bench.data], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, err]).toEqual([0, '']);
  });
});

describe('tails', () => {
  test('receipts tail shows the last few and then each as it is written, of one operator if asked', async () => {
    bench.view.journal.write(12);
    bench.view.journal.write(2, { operator: 'floor' });
    let more = 3;
    const lines = await bench.tail(['receipts', 'tail', '--json', '--operator', 'comfort'], 13, () => {
      if (more-- > 0) bench.view.journal.write(1);
    });
    const seqs = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
    expect(seqs).toEqual([6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 30, 32, 34]);
  });

  test('events tail shows the last few and then each as it comes, of one type if asked', async () => {
    for (let i = 0; i < 3; i += 1) bench.view.events.write('dock.door');
    bench.view.events.write('zone.temperature');
    let more = 2;
    const lines = await bench.tail(['events', 'tail', '--json', '--type', 'dock.*'], 5, () => {
      if (more-- > 0) bench.view.events.write('dock.door');
    });
    expect(lines.map((line) => (JSON.parse(line) as { cursor: number }).cursor)).toEqual([1, 2, 3, 5, 6]);
  });

  test('points tail shows readings only, of the points asked for', async () => {
    const write = () => {
      for (const device of ['room-411', 'room-412']) {
        bench.view.events.write('zone.temperature', {
          device,
          point: 'temperature',
          value: 21.5,
          unit: 'degC',
          quality: 'uncertain',
          quality_reason: 'retained',
          received_at: '2026-07-02T08:00:00.000Z',
        });
      }
      bench.view.events.write('cron.tick');
    };
    // The stream begins when it begins: write until a line has come.
    const clock = systemClock();
    let timer = clock.after(50, again);
    function again(): void {
      write();
      timer = clock.after(50, again);
    }
    const lines = await bench.tail(['points', 'tail', 'room-412/temperature'], 2);
    timer.cancel();
    for (const line of lines) {
      expect(line).toBe('2026-07-02 08:00:00Z  room-412/temperature  21.5 degC  uncertain (retained)');
    }
  });
});
