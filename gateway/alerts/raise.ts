/**
 * Tells people: one row, and what is said of it on the log. The row is committed with those that are appended in the same turn: what
 * it is about and that it is to be told cannot be parted by a crash (G-AL-1).
 */
import type { Log } from '@fibric/sdk';
import { type AlertKind, type AlertSubject, alertEntry } from '../journal/alerts.ts';
import { idAt } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';

export interface RaiseDeps {
  readonly journal: Pick<Journal, 'append' | 'failure'>;
  readonly log: Log;
}

/** Returns the alert's id; null when the journal takes nothing any more, and only the log has it. */
export function raise(
  { journal, log }: RaiseDeps,
  kind: AlertKind,
  text: string,
  about: Partial<AlertSubject> = {},
): string | null {
  const entry = alertEntry(kind, text, about);
  const said = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== null));
  log[entry.severity === 'critical' ? 'error' : 'warn']({ kind, ...said }, `alert: ${entry.text}`);
  return journal.failure ? null : idAt('al', journal.append(entry).row.seq);
}
