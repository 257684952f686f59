/** Site time to the wall clock of a place and back (IANA zones). */

export interface LocalTime {
  /** Whole days since 1970-01-01, by the local calendar. */
  readonly day: number;
  /** Hours since local midnight by the wall clock, with fraction. */
  readonly hour: number;
  readonly dayOfYear: number;
}

const EPOCH_DAY = Temporal.PlainDate.from('1970-01-01');

export function localTime(siteMs: number, timezone: string): LocalTime {
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(siteMs)).toZonedDateTimeISO(timezone);
  return {
    day: at.toPlainDate().since(EPOCH_DAY).days,
    hour: at.hour + at.minute / 60 + at.second / 3_600,
    dayOfYear: at.dayOfYear,
  };
}

/** The moment at which the clocks of `timezone` show `hour` (which may exceed 24) on local day `day`. */
export function atLocalHour(day: number, hour: number, timezone: string): number {
  const minutes = Math.round(hour * 60);
  return EPOCH_DAY.add({ days: day }).toPlainDateTime().add({ minutes }).toZonedDateTime(timezone).epochMilliseconds;
}

/** A local time without zone, such as `2013-08-26T00:00:00`, or null when `text` is not one. */
export function parseLocalTime(text: string, timezone: string): number | null {
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) return null;
  try {
    return Temporal.PlainDateTime.from(text).toZonedDateTime(timezone).epochMilliseconds;
  } catch {
    return null;
  }
}

/** `Tue 3 Feb 14:05`: a moment as people at the site would say it. */
export function sayLocalTime(siteMs: number, timezone: string): string {
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(siteMs)).toZonedDateTimeISO(timezone);
  const clock = at.toPlainTime().toString({ smallestUnit: 'minute' });
  const weekday = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][at.dayOfWeek - 1];
  return `${weekday} ${at.toPlainDate().toString()} ${clock}`;
}
