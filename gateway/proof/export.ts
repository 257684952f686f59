/**
 * Writes rows of a journal into a bundle: what is committed, read in batches through a connection of its own, so that a gateway that
 * runs is not held up.
 */
import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FibricError, messageOf } from '@fibric/sdk';
import Database from 'better-sqlite3';
import { type RedactionEntry, seqOf } from '../journal/entries.ts';
import type { LogState } from '../journal/receipt-log.ts';
import { JOURNAL_FILE } from '../journal/schema.ts';
import { storyTeller } from '../journal/story.ts';
import { HEADER, rowLine, statement } from './bundle.ts';
import { openingsOf } from './openings.ts';
import { parseCheckpoint } from './note.ts';
import { storedTree } from './stored-tree.ts';
import { hashesOf } from './tree.ts';

/** Which rows: from one to another, both included, or those about one receipt. */
export type Selection =
  | { readonly from: number | undefined; readonly to: number | undefined }
  | { readonly receipt: string };

export interface Exported {
  readonly object: 'export';
  readonly file: string;
  readonly rows: number;
  /** The rows that the checkpoint in the bundle signs; null: none covers the rows that were asked for. */
  readonly size: number | null;
}

const BATCH = 1_000;

interface Stored {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

/** Throws `not_found` without a journal, without that receipt or without such rows, `invalid_parameter` for a file that is there. */
export function exportBundle(dataDir: string, selection: Selection, file: string): Exported {
  const source = join(dataDir, JOURNAL_FILE);
  if (!existsSync(source)) throw new FibricError('not_found', `no journal in ${dataDir}`);
  const db = new Database(source, { readonly: true, fileMustExist: true });
  try {
    const writing = new Writing(db, file);
    try {
      return { object: 'export', file, ...writing.write(selection) };
    } finally {
      writing.close();
    }
  } finally {
    db.close();
  }
}

class Writing {
  readonly #db: Database.Database;
  readonly #fd: number;
  #lines: string[] = [];
  #at = 0;

  constructor(db: Database.Database, file: string) {
    this.#db = db;
    try {
      this.#fd = openSync(file, 'wx', 0o600);
    } catch (error) {
      throw new FibricError('invalid_parameter', `${file} cannot be written: ${messageOf(error)}`);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  write(selection: Selection): Pick<Exported, 'rows' | 'size'> {
    const head = (this.#db.prepare('SELECT max(seq) FROM entries').pluck().get() as number | null) ?? 0;
    const subtree = storedTree(this.#db);
    const skipTo = (to: number): void => {
      if (to <= this.#at) return;
      const hashes = hashesOf(subtree, this.#at, to).map((one) => one.toString('hex'));
      this.#line(statement('skip', to - this.#at, hashes));
      this.#at = to;
    };
    const openings = openingsOf(this.#db);
    let rows = 0;
    this.#line(HEADER);
    for (const { seq, hash, body } of this.#rows(selection, head)) {
      skipTo(seq - 1);
      for (const { field, salt, value } of openings(seq))
        this.#line(statement('open', field, salt.toString('hex'), value));
      this.#line(rowLine(hash.toString('hex'), body));
      this.#at = seq;
      rows += 1;
    }
    if (rows === 0) throw new FibricError('not_found', 'there are no such rows');
    const size = this.#at === head ? head : this.#close(skipTo);
    this.#line(statement('end', this.#at));
    this.#flush();
    fsyncSync(this.#fd);
    return { rows, size };
  }

  /** Brings the bundle to the size of a checkpoint, the newest that was cosigned if it covers the rows, else the newest. */
  #close(skipTo: (to: number) => void): number | null {
    const stored = this.#db.prepare("SELECT row FROM state WHERE tab = 'log'").pluck().get() as string | undefined;
    const log = stored === undefined ? null : (JSON.parse(stored) as LogState);
    for (const note of [log?.cosigned, log?.signed]) {
      const checkpoint = note ? parseCheckpoint(note) : null;
      if (typeof checkpoint !== 'object' || checkpoint === null || checkpoint.size < this.#at) continue;
      skipTo(checkpoint.size);
      this.#line(statement('checkpoint', note));
      return checkpoint.size;
    }
    return null;
  }

  *#rows(selection: Selection, head: number): Generator<Stored> {
    if ('receipt' in selection) {
      const at = this.#db.prepare<[number], Stored>('SELECT seq, hash, body FROM entries WHERE seq = ?');
      for (const seq of rowsAbout(this.#db, selection.receipt)) yield at.get(seq) as Stored;
      return;
    }
    const { from = 1, to = head } = selection;
    const after = this.#db.prepare<[number, number], Stored>(
      `SELECT seq, hash, body FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ${BATCH}`,
    );
    for (let last = from - 1; ; ) {
      const batch = after.all(last, to);
      yield* batch;
      const newest = batch.at(-1);
      if (newest === undefined) return;
      last = newest.seq;
    }
  }

  #line(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length >= BATCH) this.#flush();
  }

  #flush(): void {
    writeSync(this.#fd, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}

/** The rows about one receipt, in order: its plan, its intents, what a settlement saw, itself, what refers to it, and what was erased. */
function rowsAbout(db: Database.Database, receiptId: string): readonly number[] {
  const story = storyTeller(db)(receiptId);
  if (story === null) throw new FibricError('not_found', `no receipt '${receiptId}'`);
  const own = seqOf('rc', receiptId) as number;
  const seqs = [story.plan.seq, own, ...story.intents.map(({ seq }) => seq), ...story.others.map(({ seq }) => seq)];
  return [...new Set([...seqs, ...erasuresOf(db, seqs)])].toSorted((a, b) => a - b);
}

/** The rows by which texts of these rows were erased. */
function erasuresOf(db: Database.Database, seqs: readonly number[]): readonly number[] {
  const later = db.prepare<[number], Stored>(
    "SELECT seq, hash, body FROM entries WHERE seq > ? AND kind = 'redaction/1' ORDER BY seq",
  );
  return later.all(Math.min(...seqs)).flatMap(({ seq, body }) => {
    const { erased } = JSON.parse(body) as RedactionEntry;
    return erased.some((one) => seqs.includes(one.seq)) ? [seq] : [];
  });
}
