import { expect, test } from 'vitest';
import { epochS, minuteOfDay, minutesSince, spoken } from './time.ts';

test('a window that spans midnight is one window', () => {
  const night = { from: '22:00', to: '07:00' };
  const since = (text: string): number | null => minutesSince(night, minuteOfDay(text));
  expect([since('21:59'), since('22:00'), since('00:30'), since('06:59'), since('07:00'), since('12:00')]).toEqual([
    899,
    null,
    null,
    null,
    0,
    300,
  ]);
  expect(minutesSince({ from: '01:00', to: '05:00' }, minuteOfDay('00:59'))).toBe(20 * 60 - 1);
  expect(minutesSince({ from: '05:00', to: '05:00' }, minuteOfDay('05:00'))).toBe(0);
});

test('times are read and durations said', () => {
  expect(epochS('1970-01-01T00:01:00Z')).toBe(60);
  expect(epochS('tomorrow')).toBeNull();
  expect(minuteOfDay('2026-07-02T22:05:00'.slice(11))).toBe(22 * 60 + 5);
  expect(() => minuteOfDay('noon')).toThrow("no time of day in 'noon'");
  expect([spoken(50), spoken(7_000), spoken(7_200), spoken(9_000)]).toEqual(['1 min', '117 min', '2 h', '2 h 30 min']);
});
