/** The site's wall time in its own zone. */

export interface LocalTime {
  readonly minute_of_day: number;
  /** ISO 8601: Monday 1 to Sunday 7. */
  readonly weekday: number;
}

const WEEKDAYS: readonly string[] = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MINUTE_MS = 60_000;

/** Makes the function for one IANA zone. A formatter is dear to make and to ask, so the answer is kept for its minute. */
export function localTimeIn(timezone: string): (wallMs: number) => LocalTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
    hourCycle: 'h23',
  });
  let minute = Number.NaN;
  let answer: LocalTime = { minute_of_day: 0, weekday: 1 };
  return (wallMs) => {
    const now = Math.floor(wallMs / MINUTE_MS);
    if (now === minute) return answer;
    const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
    minute = now;
    answer = {
      minute_of_day: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
      weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? '') + 1,
    };
    return answer;
  };
}
