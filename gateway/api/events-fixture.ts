/** For tests: an event log in memory. */
import { type Envelope, makeEnvelope, matchesGlob } from '@fibric/sdk';
import type { EventReader, StoredEvent } from '../journal/types.ts';

const AT = '2026-07-02T08:00:00.000Z';
const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_test' };

export class MemoryEvents implements EventReader {
  readonly rows: StoredEvent[] = [];

  write(eventType: string, payload: Envelope['payload'] = {}): StoredEvent {
    const cursor = this.head() + 1;
    const envelope = makeEnvelope(IDENTITY, {
      event_id: `ev-${cursor}`,
      source: 'mqtt:field',
      event_type: eventType,
      payload,
    });
    const stored = { cursor, at: AT, envelope };
    this.rows.push(stored);
    return stored;
  }

  /** Forgets the oldest, as a log that is full does. */
  drop(count: number): void {
    this.rows.splice(0, count);
  }

  eventsAfter(after: number, limit: number, type?: string): readonly StoredEvent[] {
    return this.#of(type)
      .filter((row) => row.cursor > after)
      .slice(0, limit);
  }

  eventsLast(limit: number, type?: string): readonly StoredEvent[] {
    return this.#of(type).slice(-limit);
  }

  event(eventId: string): StoredEvent | null {
    return this.rows.find((row) => row.envelope.event_id === eventId) ?? null;
  }

  head(): number {
    return this.rows.at(-1)?.cursor ?? 0;
  }

  #of(type: string | undefined): readonly StoredEvent[] {
    return type === undefined ? this.rows : this.rows.filter((row) => matchesGlob(type, row.envelope.event_type));
  }
}
