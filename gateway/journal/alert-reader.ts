/** The alerts of a journal, for those who only read. */
import type Database from 'better-sqlite3';
import { type AlertEntry, type AlertState, alertState, type Subject, subjectOf } from './alerts.ts';
import { idAt, type Row } from './entries.ts';

/** An alert as lists show it. */
export interface AlertView extends Omit<AlertEntry, 'type'> {
  readonly object: 'alert';
  readonly alert_id: string;
  readonly seq: number;
  readonly at: string;
  /** `waiting`: it goes out with others about the same, when the time has come for another page. */
  readonly state: AlertState;
}

export interface AlertReader {
  /** Newest first; `before` is the `seq` to continue below. */
  newest(query: { readonly limit: number; readonly before?: number }): readonly AlertView[];
  /** Oldest first, from `after` (exclusive). */
  after(after: number, limit: number): readonly AlertView[];
}

export function alertReader(db: Database.Database): AlertReader {
  const select = "SELECT body FROM entries WHERE kind = 'alert/1'";
  const newest = db.prepare<[number, number], string>(`${select} AND seq < ? ORDER BY seq DESC LIMIT ?`).pluck();
  const after = db.prepare<[number, number], string>(`${select} AND seq > ? ORDER BY seq LIMIT ?`).pluck();
  const subject = db.prepare<[string], string>("SELECT row FROM state WHERE tab = 'alert' AND key = ?").pluck();
  const view = (body: string): AlertView => {
    const { type: _, prev: _prev, clock: _clock, ...alert } = JSON.parse(body) as Row<AlertEntry>;
    const known = subject.get(subjectOf(alert));
    const state = alertState(known === undefined ? undefined : (JSON.parse(known) as Subject), alert.seq);
    return { object: 'alert', alert_id: idAt('al', alert.seq), ...alert, state };
  };
  return {
    newest: ({ limit, before = Number.MAX_SAFE_INTEGER }) => newest.all(before, limit).map(view),
    after: (from, limit) => after.all(from, limit).map(view),
  };
}
