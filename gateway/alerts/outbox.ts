/**
 * Hands pages to every channel of the site (execution §2.9). The pages follow from the rows; this only sends what is durable, and
 * journals what was taken.
 *
 * N1 A page is handed to each channel at least once, under the same id, across outages and restarts (G-AL-1, C8).
 * N3 A channel that fails holds up neither the others nor anything but what asked to be told first.
 */
import { type Clock, LIMITS, type Log, messageOf, type Random, sleep, type Timer } from '@fibric/sdk';
import type { Elapsed } from '../executor/elapsed.ts';
import type { Page, Subject } from '../journal/alerts.ts';
import type { Journal } from '../journal/journal.ts';
import { createBackoff } from '../sync/backoff.ts';
import { type Channel, messageFrom, type Sender } from './channel.ts';

/** How long, where nobody can tell: longer than any rule waits, and a number that a row can hold. */
export const UNTOLD_MS = Number.MAX_SAFE_INTEGER;

/** Whether people can be told, as the executor asks. */
export interface Telling {
  /** How long nothing that was to be told has been taken by any channel; 0 when nothing waits for one. Site time. */
  unreachableMs(): number;
  /** Resolves with whether a channel has taken the alert of this id; false also when it waits for others, or for too long. */
  accepted(alertId: string): Promise<boolean>;
}

export interface ChannelStatus {
  readonly id: string;
  readonly label: string;
  /** Why it did not take the last page; null when it did, or nothing was sent yet. */
  readonly problem: string | null;
}

export interface OutboxStatus {
  /** Pages that a channel has yet to take, and alerts that wait to be one. */
  readonly undelivered: number;
  readonly channels: readonly ChannelStatus[];
}

export interface Outbox extends Telling {
  /** Rows have become durable: there may be something to send. */
  touch(): void;
  start(): void;
  /** Ends what is being sent; what was not taken is sent at the next start. */
  stop(): Promise<void>;
  status(): OutboxStatus;
}

export interface OutboxDeps {
  readonly journal: Journal;
  readonly channels: readonly Channel[];
  readonly sender: Sender;
  /** Real time: what is sent is waited for in it. */
  readonly ioClock: Clock;
  /** The site's time: pages are counted in it. */
  readonly clock: Clock;
  readonly elapsed: Elapsed;
  readonly random: Random;
  readonly log: Log;
}

interface OpenPage {
  readonly subject: string;
  readonly page: Page;
}

class JournalOutbox implements Outbox {
  readonly #deps: OutboxDeps;
  readonly #stopping = new AbortController();
  readonly #problems = new Map<string, string>();
  /** By alert: those who wait for it to be taken. */
  readonly #awaited = new Map<string, (taken: boolean) => void>();
  #workers: readonly Promise<void>[] = [];
  #news = Promise.withResolvers<void>();
  #turn: Timer | null = null;
  /** Site time at which any channel took a page last; null: not since the start. */
  #takenMs: number | null = null;

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { channels, log } = this.#deps;
    this.#settleOrphans();
    this.#workers = channels.map((channel) =>
      this.#serve(channel).catch((error: unknown) => log.error({ channel: channel.id }, `alerts: ${messageOf(error)}`)),
    );
    this.touch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#turn?.cancel();
    for (const settle of this.#awaited.values()) settle(false);
    this.#wake();
    await Promise.all(this.#workers);
  }

  touch(): void {
    if (this.#stopping.signal.aborted || this.#deps.journal.failure) return;
    this.#openWaiting();
    this.#wake();
  }

  unreachableMs(): number {
    const { journal, clock, elapsed } = this.#deps;
    let longest = 0;
    for (const { open } of journal.projection.alerts.rows.values())
      if (open && open.channels.length === 0) longest = Math.max(longest, elapsed.since(open.since) ?? UNTOLD_MS);
    return Math.round(this.#takenMs === null ? longest : Math.min(longest, clock.monoMs() - this.#takenMs));
  }

  async accepted(alertId: string): Promise<boolean> {
    const { ioClock } = this.#deps;
    if (this.#waits(alertId)) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#awaited.set(alertId, resolve);
    const timer = ioClock.after(LIMITS.alertAcceptMs, () => resolve(false));
    try {
      return await promise;
    } finally {
      timer.cancel();
      this.#awaited.delete(alertId);
    }
  }

  status(): OutboxStatus {
    const channels = this.#deps.channels.map(({ id, label }) => ({
      id,
      label,
      problem: this.#problems.get(id) ?? null,
    }));
    const waits = [...this.#subjects.values()].flatMap(({ open, waiting }) => [open, waiting].filter(Boolean));
    return { undelivered: waits.length, channels };
  }

  get #subjects(): ReadonlyMap<string, Subject> {
    return this.#deps.journal.projection.alerts.rows;
  }

  /** It is in no page of its own. */
  #waits(alertId: string): boolean {
    return ![...this.#subjects.values()].some(({ open }) => open?.id === alertId);
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** What waits for its turn becomes a page when the last one about the same is old enough and out of the house. */
  #openWaiting(): void {
    const { journal, elapsed, clock } = this.#deps;
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const [subject, { open, waiting, paged }] of this.#subjects) {
      if (open || !waiting) continue;
      const leftMs = LIMITS.pageEveryMs - (elapsed.since(paged) ?? LIMITS.pageEveryMs);
      if (leftMs <= 0) journal.append({ type: 'page/1', subject, page_id: waiting.id });
      else soonestMs = Math.min(soonestMs, leftMs);
    }
    this.#turn?.cancel();
    this.#turn = Number.isFinite(soonestMs) ? clock.after(soonestMs, () => this.touch()) : null;
  }

  /** A page that every channel of today has, or that was for one that is gone, is closed. */
  #settleOrphans(): void {
    const { journal, channels } = this.#deps;
    for (const { subject, page } of this.#open())
      if (channels.every(({ id }) => page.channels.includes(id)))
        journal.append({ type: 'delivered/1', subject, page_id: page.id, channel: null, complete: true });
  }

  /** Pages on their way, oldest first. */
  #open(): readonly OpenPage[] {
    const { durableHead } = this.#deps.journal;
    return [...this.#subjects]
      .flatMap(([subject, { open: page }]) => (page && page.seq <= durableHead.seq ? [{ subject, page }] : []))
      .toSorted((a, b) => a.page.seq - b.page.seq);
  }

  /** Sends one page after the other, each until it is taken. */
  async #serve(channel: Channel): Promise<void> {
    const { ioClock, random } = this.#deps;
    const { signal } = this.#stopping;
    const backoff = createBackoff(random);
    while (!signal.aborted && !this.#deps.journal.failure) {
      const news = this.#news.promise;
      const next = this.#open().find(({ page }) => !page.channels.includes(channel.id));
      if (!next) await news;
      else if (await this.#send(channel, next)) backoff.reset();
      else await sleep(ioClock, backoff.next(), signal);
    }
  }

  async #send(channel: Channel, { subject, page }: OpenPage): Promise<boolean> {
    const { journal, channels, sender, ioClock, clock } = this.#deps;
    const late = new AbortController();
    const timer = ioClock.after(LIMITS.alertSendMs, () =>
      late.abort(new Error(`no answer within ${LIMITS.alertSendMs} ms`)),
    );
    try {
      await channel.send(messageFrom(sender, page), AbortSignal.any([this.#stopping.signal, late.signal]));
    } catch (error) {
      this.#failed(channel, messageOf(late.signal.aborted ? late.signal.reason : error));
      return false;
    } finally {
      timer.cancel();
    }
    this.#problems.delete(channel.id);
    this.#takenMs = clock.monoMs();
    this.#awaited.get(page.id)?.(true);
    if (journal.failure) return false;
    // Another channel may have taken it meanwhile.
    const have = new Set([...(this.#subjects.get(subject)?.open?.channels ?? []), channel.id]);
    const complete = channels.every(({ id }) => have.has(id));
    journal.append({ type: 'delivered/1', subject, page_id: page.id, channel: channel.id, complete });
    if (complete) this.#openWaiting();
    return true;
  }

  /** Said once for each reason: an outage of a week is one line, not thousands. */
  #failed({ id, label }: Channel, reason: string): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#problems.get(id) !== reason)
      this.#deps.log.warn({ channel: label, reason }, 'alerts cannot be delivered; they are kept and sent again');
    this.#problems.set(id, reason);
  }
}

export function createOutbox(deps: OutboxDeps): Outbox {
  return new JournalOutbox(deps);
}
