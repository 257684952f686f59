/** What an operator prints, bounded: so many lines a minute into the log, the rest counted. */
import { type Clock, LIMITS, type Log } from '@fibric/sdk';

const WINDOW_MS = 60_000;
const TAIL_CHARS = 2_000;
/** What is printed must not steer a terminal. */
const CONTROL = /\p{Cc}/gu;

export interface Output {
  push(chunk: Buffer): void;
  /** The last that was printed: where an engine says why it died. */
  tail(): string;
}

export function createOutput(operator: string, log: Log, clock: Clock): Output {
  let line = '';
  let tail = '';
  let lines = 0;
  let dropped = 0;
  let windowMs = Number.NEGATIVE_INFINITY;

  function turnWindow(): void {
    if (clock.monoMs() - windowMs < WINDOW_MS) return;
    if (dropped > 0) log.warn({ operator, dropped }, 'operator printed more than the log takes');
    windowMs = clock.monoMs();
    lines = 0;
    dropped = 0;
  }

  function emit(): void {
    const printed = line.replace(CONTROL, ' ').trimEnd();
    line = '';
    if (printed === '') return;
    turnWindow();
    lines += 1;
    if (lines > LIMITS.operatorLines) dropped += 1;
    else log.info({ operator }, printed);
  }

  return {
    push(chunk) {
      const text = chunk.toString('utf8');
      tail = (tail + text).slice(-TAIL_CHARS);
      const pieces = text.split('\n');
      pieces.forEach((piece, i) => {
        if (i > 0) emit();
        line += piece.slice(0, LIMITS.operatorLineChars - line.length);
      });
    },
    tail: () => tail,
  };
}
