/** When the steps of one attempt happened: for the receipt, on the site's clock. */
import { type Clock, isoTime, type Timeline } from '@fibric/sdk';

export interface Stopwatch {
  /** The gate that a driver asks immediately before the first byte: a yes is the moment of sending. */
  readonly sending: (mayStillSend: () => boolean) => () => boolean;
  readonly answered: () => void;
  readonly timeline: () => Timeline;
}

/** Started when the intent is durable. */
export function startStopwatch(clock: Clock): Stopwatch {
  const now = (): string => isoTime(clock.wallMs());
  const intent_at = now();
  let sent_at: string | null = null;
  let answered_at: string | null = null;
  return {
    sending: (mayStillSend) => () => {
      const may = mayStillSend();
      if (may) sent_at ??= now();
      return may;
    },
    answered: () => void (answered_at = now()),
    timeline: () => ({ intent_at, sent_at, answered_at }),
  };
}
