/**
 * What people are told, as it follows from the rows: an alert opens a page, or joins the one that waits; a page is closed when every
 * channel has taken it (execution §2.9). There is one open page and one that waits for each subject, however many alerts come.
 *
 * N2 At most one page for a subject in five minutes, with a count; the rows, like the receipts, are all kept (G-AL-3).
 */
import { LIMITS } from '@fibric/sdk';
import type { Row } from './entries.ts';
import { type Mark, markOf } from './leases.ts';
import type { Projection } from './projection.ts';

/** How bad each kind is: something was done that a person is to hear of, something went wrong, somebody has to act. */
const SEVERITIES = {
  alerted: 'info',
  overridden: 'info',
  truncated: 'warning',
  failed: 'warning',
  no_effect: 'warning',
  superseded_externally: 'warning',
  key_conflict: 'warning',
  device_clock: 'warning',
  renamed: 'warning',
  clock: 'warning',
  disk: 'warning',
  stopped: 'critical',
  unknown: 'critical',
  release_failed: 'critical',
  inherited: 'critical',
  held: 'critical',
  heartbeat: 'critical',
  tenant_mismatch: 'critical',
  policy_refused: 'critical',
  breaker_open: 'critical',
} as const;
export type AlertKind = keyof typeof SEVERITIES;
export type Severity = (typeof SEVERITIES)[AlertKind];

/** What an alert is about; null where it is about none of that. */
export interface AlertSubject {
  readonly operator: string | null;
  readonly capability: string | null;
  readonly entity_key: string | null;
  readonly action_id: string | null;
}

export interface AlertEntry extends AlertSubject {
  readonly type: 'alert/1';
  readonly kind: AlertKind;
  readonly severity: Severity;
  /** One sentence: what happened. */
  readonly text: string;
}

/** What has waited for its turn is a page now. */
export interface PageEntry {
  readonly type: 'page/1';
  readonly subject: string;
  readonly page_id: string;
}

/** A channel has taken a page. */
export interface DeliveredEntry {
  readonly type: 'delivered/1';
  readonly subject: string;
  readonly page_id: string;
  /** Null: there is no channel left that it is for. */
  readonly channel: string | null;
  /** All that there are have it. */
  readonly complete: boolean;
}

/** What is sent: one alert, or those that came since the last page about the same. */
export interface Page extends AlertSubject {
  /** Of the first alert in it. */
  readonly id: string;
  /** Of the gravest alert in it, the newest of those. */
  readonly kind: AlertKind;
  readonly severity: Severity;
  readonly text: string;
  readonly count: number;
  readonly kinds: Readonly<Partial<Record<AlertKind, number>>>;
  /** When the newest came. */
  readonly at: string;
  /** The first alert in it, and the row with which it became a page. */
  readonly first_seq: number;
  readonly seq: number;
  readonly since: Mark;
  /** Channels that have it. */
  readonly channels: readonly string[];
}

export interface Subject {
  /** On its way. */
  readonly open: Page | null;
  /** What came since, for the next one. */
  readonly waiting: Page | null;
  /** When the last page was opened. */
  readonly paged: Mark;
}

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };
const TEXT_CHARS = 1_000;

/** An alert as it stands in the journal. */
export function alertEntry(kind: AlertKind, text: string, about: Partial<AlertSubject> = {}): AlertEntry {
  const { operator = null, capability = null, entity_key = null, action_id = null } = about;
  const subject = { operator, capability, entity_key, action_id };
  return { type: 'alert/1', kind, severity: SEVERITIES[kind], text: text.slice(0, TEXT_CHARS), ...subject };
}

/** Alerts of one subject share pages: operator, capability and entity, or for those that are about none of them their kind. */
export const subjectOf = ({ kind, operator, capability, entity_key }: Omit<AlertEntry, 'type'>): string =>
  `${operator ?? ''} ${capability ?? kind} ${entity_key ?? ''}`;

function pageOf(row: Row<AlertEntry>, id: string): Page {
  const { type: _, prev: _prev, clock: _clock, ...alert } = row;
  const { seq, kind } = row;
  return { ...alert, id, count: 1, kinds: { [kind]: 1 }, first_seq: seq, since: markOf(row), channels: [] };
}

/** `page` with one more alert in it. */
function joined(page: Page, row: Row<AlertEntry>): Page {
  const { kind, severity, text, action_id, at, seq } = row;
  const gravest = RANK[severity] >= RANK[page.severity] ? { kind, severity, text, action_id } : {};
  const kinds = { ...page.kinds, [kind]: (page.kinds[kind] ?? 0) + 1 };
  return { ...page, ...gravest, kinds, count: page.count + 1, at, seq };
}

/** By the row's own clocks, so that it follows from the rows: monotonic within a boot, the wall's across boots. */
function isRecent(paged: Mark, row: Row): boolean {
  const now = markOf(row);
  const ago = paged.boot_id === now.boot_id ? now.mono_ms - paged.mono_ms : now.wall_ms - paged.wall_ms;
  return ago >= 0 && ago < LIMITS.pageEveryMs;
}

export function alertRow({ alerts }: Projection, row: Row<AlertEntry>, id: string): void {
  const key = subjectOf(row);
  const known = alerts.rows.get(key);
  const page = pageOf(row, id);
  if (!known || (!known.open && !known.waiting && !isRecent(known.paged, row)))
    alerts.set(key, { open: page, waiting: null, paged: page.since });
  else alerts.set(key, { ...known, waiting: known.waiting ? joined(known.waiting, row) : page });
}

export function pageRow({ alerts }: Projection, row: Row<PageEntry>): void {
  const waiting = alerts.rows.get(row.subject)?.waiting;
  if (waiting?.id !== row.page_id) throw new Error(`row ${row.seq} opens ${row.page_id}, which does not wait`);
  const since = markOf(row);
  alerts.set(row.subject, { open: { ...waiting, seq: row.seq, since }, waiting: null, paged: since });
}

export function deliveredRow({ alerts }: Projection, row: Row<DeliveredEntry>): void {
  const known = alerts.rows.get(row.subject);
  if (known?.open?.id !== row.page_id) throw new Error(`row ${row.seq} delivers ${row.page_id}, which is not open`);
  const { open } = known;
  const channels = row.channel === null ? open.channels : [...open.channels, row.channel];
  alerts.set(row.subject, { ...known, open: row.complete ? null : { ...open, channels } });
}

/** Where an alert is: `delivered`, `sending`, or `waiting` to be sent with others. */
export type AlertState = 'delivered' | 'sending' | 'waiting';

export function alertState(subject: Subject | undefined, seq: number): AlertState {
  if (subject?.waiting && seq >= subject.waiting.first_seq) return 'waiting';
  return subject?.open && seq >= subject.open.first_seq ? 'sending' : 'delivered';
}
