/** windows: local hours of the site in which the action may happen; an untrusted clock is outside (fault row 91). */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails } from './kind.ts';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const DAY = `(?:${DAYS.join('|')})`;
const DAYS_PATTERN = new RegExp(`^${DAY}(?:-${DAY})?(?:,${DAY}(?:-${DAY})?)*$`);
const TIME_PATTERN = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

const time = z.string().regex(TIME_PATTERN, 'expected a time of day such as "06:00"');
const window = z
  .strictObject({
    tz: z.literal('site').default('site'),
    days: z.string().regex(DAYS_PATTERN, 'expected days such as mon-fri or sat,sun').default('mon-sun'),
    from: time,
    to: time,
  })
  .refine(({ from, to }) => from !== to, 'from and to are the same, which is no window');

export const schema = z.array(window).min(1);
type Window = z.output<typeof window>;

export function check(windows: z.output<typeof schema>, facts: Facts): Answer {
  if (!facts.now.clock_trusted) return fails('clock_untrusted', 'the clock is not trusted, so no window is open');
  if (windows.some((one) => isOpen(one, facts.now.weekday, facts.now.minute_of_day))) return null;
  const open = windows.map(({ days, from, to }) => `${days} ${from}–${to}`).join(', ');
  const day = DAYS[facts.now.weekday - 1] ?? '?';
  return fails('outside_window', `it is ${day} ${clock(facts.now.minute_of_day)} at the site, allowed ${open}`);
}

const DAY_MINUTES = 1_440;

function isOpen(window: Window, weekday: number, minute: number): boolean {
  return minutesLeft(window, weekday, minute) > 0;
}

/** A window as it is asked: `days` by ISO weekday, times in minutes of the day. */
interface Hours {
  readonly days: readonly boolean[];
  readonly begin: number;
  readonly end: number;
}

const known = new WeakMap<Window, Hours>();

/** Read from its words once: a policy asks the same window with every action. */
function hoursOf(window: Window): Hours {
  const before = known.get(window);
  if (before) return before;
  const days = [0, 1, 2, 3, 4, 5, 6, 7].map((weekday) => includesDay(window.days, weekday));
  const hours = { days, begin: minutes(window.from), end: minutes(window.to) };
  known.set(window, hours);
  return hours;
}

/** Minutes until it shuts; 0 while it is shut. One that ends before it begins runs past midnight, and belongs to the day on which it began. */
function minutesLeft(window: Window, weekday: number, minute: number): number {
  const { days, begin, end } = hoursOf(window);
  const today = days[weekday];
  if (begin < end) return today && minute >= begin && minute < end ? end - minute : 0;
  if (today && minute >= begin) return DAY_MINUTES - minute + end;
  const yesterday = weekday === 1 ? 7 : weekday - 1;
  return days[yesterday] && minute < end ? end - minute : 0;
}

/** Until the window that shuts last of those that are open has shut; 0 while none is open. */
export function openForMs(windows: readonly Window[], { now }: Facts): number {
  if (!now.clock_trusted) return 0;
  return Math.max(...windows.map((one) => minutesLeft(one, now.weekday, now.minute_of_day))) * 60_000;
}

function minutes(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(Math.floor(minute) % 60).padStart(2, '0')}`;
}

/** `weekday` is ISO's, 1 for Monday. `fri-mon` runs over the weekend. */
function includesDay(days: string, weekday: number): boolean {
  return days.split(',').some((range) => {
    const [first = '', last = first] = range.split('-');
    const [a, b] = [isoDay(first), isoDay(last)];
    return a <= b ? weekday >= a && weekday <= b : weekday >= a || weekday <= b;
  });
}

function isoDay(name: string): number {
  return DAYS.indexOf(name as (typeof DAYS)[number]) + 1;
}
