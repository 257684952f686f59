/**
 * Lines out of a byte stream.
 *
 * H1 A line longer than the cap is never assembled, let alone parsed: the reader stops, and says so once.
 */
const LINE_FEED = 0x0a;

export interface LineReader {
  push(chunk: Buffer): void;
}

export interface LineReaderOptions {
  readonly maxBytes: number;
  readonly onLine: (line: string) => void;
  readonly onOverflow: () => void;
}

export function createLineReader(options: LineReaderOptions): LineReader {
  let parts: Buffer[] = [];
  let size = 0;
  let stopped = false;

  /** Keeps a piece of the present line; false when that makes it too long. */
  function keep(piece: Buffer): boolean {
    size += piece.length;
    if (size > options.maxBytes) {
      stopped = true;
      parts = [];
      options.onOverflow();
      return false;
    }
    if (piece.length > 0) parts.push(piece);
    return true;
  }

  function take(): string {
    const line = (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size)).toString('utf8');
    parts = [];
    size = 0;
    return line;
  }

  return {
    push(chunk) {
      let start = 0;
      while (!stopped) {
        const end = chunk.indexOf(LINE_FEED, start);
        if (end < 0) {
          keep(chunk.subarray(start));
          return;
        }
        if (!keep(chunk.subarray(start, end))) return;
        start = end + 1;
        options.onLine(take());
      }
    },
  };
}
