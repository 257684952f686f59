/**
 * From an envelope to those who asked for its type: by exact type, or by a glob in which `*` stands for exactly one segment.
 *
 * R1 Which handlers a type has is worked out once a type, so that a reading costs the same with one operator and with a thousand.
 * R2 A handler that throws is a defect: it is logged and stops no other handler.
 */
import { type Envelope, type Log, matchesGlob, messageOf } from '@fibric/sdk';

export type Handler = (envelope: Envelope) => void;

export interface Router {
  add(pattern: string, handler: Handler): void;
  /** Hands the envelope, by reference, to every handler that asked for it, in the order they were added; returns how many. */
  route(envelope: Envelope): number;
}

/** Types come from configuration, but also from whoever may ingest: the memo starts afresh when it holds so many. */
const MEMO_TYPES = 10_000;

export function createRouter(log: Log): Router {
  const entries: { readonly pattern: string; readonly handler: Handler }[] = [];
  const memo = new Map<string, readonly Handler[]>();

  function handlersOf(type: string): readonly Handler[] {
    const known = memo.get(type);
    if (known !== undefined) return known;
    const found = entries.filter((entry) => matchesGlob(entry.pattern, type)).map((entry) => entry.handler);
    if (memo.size >= MEMO_TYPES) memo.clear();
    memo.set(type, found);
    return found;
  }

  return {
    add(pattern, handler) {
      entries.push({ pattern, handler });
      memo.clear();
    },
    route(envelope) {
      const handlers = handlersOf(envelope.event_type);
      for (const handler of handlers) {
        try {
          handler(envelope);
        } catch (error) {
          const { event_id, event_type } = envelope;
          log.error({ event_id, event_type, error: messageOf(error) }, 'a handler failed');
        }
      }
      return handlers.length;
    },
  };
}
