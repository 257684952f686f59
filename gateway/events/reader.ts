/** Reading the event log: blocks on the disk, then what has not reached it yet. */
import type Database from 'better-sqlite3';
import { type Envelope, isoTime, matchesGlob } from '@fibric/sdk';
import type { EventReader, StoredEvent } from '../journal/types.ts';
import { uuidTimeMs } from '../ids.ts';
import { type BlockRow, type BlockText, decodeBlock, lastSeq } from './block.ts';
import { type Gap, opening, openDatabase } from './store.ts';

export interface EventLogReader extends EventReader {
  /** Oldest first. */
  gaps(): readonly Gap[];
  close(): void;
}

/** Opens the log of a data folder to read it only, beside a running gateway or without one. Throws `FibricError`. */
export function openEventReader(dir: string): EventLogReader {
  return opening(dir, () => {
    const db = openDatabase(dir, { readonly: true });
    return { ...createReader(db, () => []), close: () => db.close() };
  });
}

type Row = Pick<BlockRow, 'first_seq' | 'last_seq' | 'at_first_ms' | 'types' | 'body'>;

/** `tail` gives the blocks that are not on the disk yet, oldest first. */
export function createReader(db: Database.Database, tail: () => readonly BlockText[]): Omit<EventLogReader, 'close'> {
  const blocks = createBlocks(db, tail);
  const highest = db.prepare<[], number | null>('select max(last_seq) from blocks').pluck();
  const gaps = db.prepare<[], Gap>('select first_seq, last_seq, reason from gaps order by first_seq');

  return {
    eventsAfter(after, limit, type) {
      const found: StoredEvent[] = [];
      for (const block of blocks.forward(after, type)) {
        const start = Math.max(0, after + 1 - block.firstSeq);
        for (let i = start; i < block.lines.length && found.length < limit; i++) take(block, i, type, found);
        if (found.length >= limit) break;
      }
      return found;
    },
    eventsLast(limit, type) {
      const found: StoredEvent[] = [];
      for (const block of blocks.backward(type)) {
        for (let i = block.lines.length - 1; i >= 0 && found.length < limit; i--) take(block, i, type, found);
        if (found.length >= limit) break;
      }
      return found.toReversed();
    },
    event(eventId) {
      const ms = uuidTimeMs(eventId);
      if (ms === null) return null;
      for (const block of blocks.around(ms)) {
        const found = findIn(block, eventId);
        if (found !== null) return found;
      }
      return null;
    },
    head: () => {
      const newest = tail().at(-1);
      return newest === undefined ? (highest.get() ?? 0) : lastSeq(newest);
    },
    gaps: () => gaps.all(),
  };
}

/** The ways through the blocks. Those that hold nothing of a wanted type are not unpacked. */
interface Blocks {
  forward(after: number, type: string | undefined): Iterable<BlockText>;
  backward(type: string | undefined): Iterable<BlockText>;
  /** Those that may hold an id of that time. */
  around(idMs: number): Iterable<BlockText>;
}

function createBlocks(db: Database.Database, tail: () => readonly BlockText[]): Blocks {
  const select = 'select first_seq, last_seq, at_first_ms, types, body from blocks';
  const following = db.prepare<[number], Row>(`${select} where last_seq > ? order by last_seq limit 1`);
  const preceding = db.prepare<[number], Row>(`${select} where last_seq < ? order by last_seq desc limit 1`);
  const holding = db.prepare<[number, number], Row>(`${select} where id_max_ms >= ? and id_min_ms <= ?`);
  /** Pages are smaller than blocks: the block of the last page is likely to be that of the next. */
  let unpacked: { readonly row: Row; readonly text: BlockText } | null = null;

  function textOf(row: Row): BlockText {
    if (unpacked?.row.first_seq !== row.first_seq || unpacked.row.last_seq !== row.last_seq) {
      unpacked = { row, text: decodeBlock(row) };
    }
    return unpacked.text;
  }

  return {
    *forward(after, type) {
      let at = after;
      for (let row = following.get(at); row !== undefined; row = following.get(at)) {
        at = row.last_seq;
        if (mayHold(row, type)) yield textOf(row);
      }
      for (const block of tail()) if (lastSeq(block) > at) yield block;
    },
    *backward(type) {
      const unwritten = tail();
      yield* unwritten.toReversed();
      let before = unwritten[0]?.firstSeq ?? Number.MAX_SAFE_INTEGER;
      for (let row = preceding.get(before); row !== undefined; row = preceding.get(before)) {
        before = row.last_seq;
        if (mayHold(row, type)) yield textOf(row);
      }
    },
    *around(idMs) {
      yield* tail();
      for (const row of holding.all(idMs, idMs)) yield textOf(row);
    },
  };
}

function mayHold(row: Row, type: string | undefined): boolean {
  return type === undefined || (JSON.parse(row.types) as string[]).some((held) => matchesGlob(type, held));
}

function take(block: BlockText, index: number, type: string | undefined, into: StoredEvent[]): void {
  const stored = eventAt(block, index);
  if (type === undefined || matchesGlob(type, stored.envelope.event_type)) into.push(stored);
}

function findIn(block: BlockText, eventId: string): StoredEvent | null {
  for (const [i, line] of block.lines.entries()) {
    // An id may stand in a payload as well: parse before believing.
    if (!line.includes(eventId)) continue;
    const stored = eventAt(block, i);
    if (stored.envelope.event_id === eventId) return stored;
  }
  return null;
}

function eventAt(block: BlockText, index: number): StoredEvent {
  const line = block.lines[index];
  const atMs = block.atMs[index];
  if (line === undefined || atMs === undefined)
    throw new Error(`no line ${index} in the block of event ${block.firstSeq}`);
  return { cursor: block.firstSeq + index, at: isoTime(atMs), envelope: JSON.parse(line) as Envelope };
}
