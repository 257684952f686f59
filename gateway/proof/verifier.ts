/**
 * Verifies rows one after the other, from a bundle or from a journal's file, in memory that does not grow with their number but for
 * twelve bytes a key: the algorithm of docs/RECEIPTS.md §8, step by step. Nothing is looked up and nothing is asked.
 */
import { hash } from 'node:crypto';
import { isoTime } from '@fibric/sdk';
import { canonicalOf, type Parsed } from '../journal/canonical.ts';
import { type Entry, GENESIS, type Row } from '../journal/entries.ts';
import type { Proof, Verification, Verified } from '../journal/types.ts';
import { Story, TooMuch } from '../journal/verify.ts';
import { commitment, type Opening } from './commitment.ts';
import { type Checkpoint, parseCheckpoint, parseKey } from './note.ts';
import { shapeFault } from './shape.ts';
import { StoredRows } from './stored-rows.ts';
import { judge, type Judgement, type Trust } from './trust.ts';
import { CompactRange, subtreesOf } from './tree.ts';

/** Checkpoints whose hashes are remembered: a cosignature for an older one is not looked at. */
const ROOTS_KEPT = 65_536;
/** Erasures that are told one by one. */
const ERASED_TOLD = 1_000;
/** Commitments of one row. */
const MOST_OPENINGS = 16;
/** The largest size that a checkpoint can say. */
const MOST_LEAVES = 999_999_999_999_999;
const NOTHING_TO_OPEN = 'something is opened, and its row does not follow';
/** Logs that one journal has been: each is a key that was lost, or a fork. */
const MOST_LOGS = 1_000;

export type Fault = Extract<Proof, { kind: 'tampered' | 'bad_input' }>;

/** One row as it was stored: its stated hash, the hash of its bytes, and what they say (of objects at least what `READ` names). */
export interface GivenRow {
  readonly stated: string;
  readonly leaf: string;
  readonly content: Parsed;
}

interface Candidate {
  readonly checkpoint: Checkpoint;
  readonly seq: number;
}

export class Verifier {
  readonly #trust: Trust | null;
  readonly #range = new CompactRange();
  readonly #leaf = Buffer.alloc(32);
  readonly #story = new Story();
  readonly #roots = new Map<number, string>();
  /** By origin: the newest checkpoint, and the newest that carries cosignatures. */
  readonly #signed = new Map<string, Candidate>();
  readonly #cosigned = new Map<string, Candidate>();
  /** Keys that the rows themselves name: what is verified against when nobody said whom to trust. */
  readonly #named: Trust['logs'][number][] = [];
  readonly #erased: Verified['erased'][number][] = [];
  #rows = 0;
  #whole = true;
  #head = GENESIS;
  /** The chain from the row before; null after rows that are not there. */
  #prev: string | null = GENESIS;
  #openings: { readonly field: string; readonly commitment: string }[] = [];
  #opened = 0;
  #committed = 0;
  /** Leaves up to the last that is not about the tree itself. */
  #owed = 0;

  constructor(trust: Trust | null) {
    this.#trust = trust;
  }

  /** Leaves so far, those that were passed by included. */
  get size(): number {
    return this.#range.size;
  }

  /** Whether something is opened whose row has not come. */
  get waits(): boolean {
    return this.#openings.length > 0;
  }

  tampered(reason: string): Fault {
    return { kind: 'tampered', seq: this.size + 1, reason };
  }

  #tooMuch(reason: string): Fault {
    return { kind: 'bad_input', seq: this.size + 1, reason };
  }

  /** Takes the next row. A fault ends the verification. */
  row({ stated, leaf, content }: GivenRow): Fault | null {
    const seq = this.size + 1;
    if (leaf !== stated) return this.tampered('its content does not match its hash');
    if ('fault' in content) return this.#unreadable(content.fault);
    const wrong = shapeFault(content.value);
    if (wrong !== null) return this.tampered(wrong);
    const row = content.value as Row<Entry>;
    if (row.seq !== seq) return this.tampered(`its content says it is row ${row.seq}`);
    if (this.#prev !== null && row.prev !== this.#prev) return this.tampered('it does not continue the row before');
    const fault = this.#openAll(row) ?? this.#take(row);
    if (fault !== null) return fault;
    this.#rows += 1;
    this.#prev = stated;
    this.#head = stated;
    this.#leaf.write(leaf, 'hex');
    this.#range.push(this.#leaf);
    if (row.type !== 'checkpoint/1' && row.type !== 'cosignature/1') this.#owed = seq;
    return null;
  }

  /** Passes leaves by that are not shown: the hashes of the complete subtrees that they make up. */
  skip(count: number, hashes: readonly Buffer[]): Fault | null {
    if (this.waits) return this.tampered(NOTHING_TO_OPEN);
    if (this.size + count > MOST_LEAVES) return this.tampered('more rows are passed by than a journal can have');
    const sizes = [...subtreesOf(this.size, this.size + count)];
    if (sizes.length !== hashes.length)
      return this.tampered(`${count} rows are passed by with ${hashes.length} hashes`);
    for (const [i, one] of hashes.entries()) this.#range.push(one, sizes[i]);
    this.#whole = false;
    this.#prev = null;
    this.#owed = this.size;
    return null;
  }

  /** Opens a commitment of the row that comes next, which must be this one. */
  open(field: string, commitment: string): Fault | null {
    if (this.#openings.some((other) => other.field === field)) return this.tampered(`${field} is opened twice`);
    this.#openings.push({ field, commitment });
    return this.#openings.length > MOST_OPENINGS ? this.tampered('more is opened than a row can hold') : null;
  }

  /** A checkpoint of exactly the leaves so far. */
  checkpoint(note: string): Fault | null {
    if (this.waits) return this.tampered(NOTHING_TO_OPEN);
    return this.#checkpoint(note, this.#signed) ?? this.#checkpoint(note, this.#cosigned);
  }

  /** The verdict, when nothing more comes. `cut`: there should have been more. */
  end(cut: boolean): Proof {
    const trust = this.#trust ?? { logs: this.#named, witnesses: new Map(), groups: new Map(), quorum: null };
    let best: { candidate: Candidate; judgement: Extract<Judgement, { kind: 'trusted' }> } | null = null;
    const candidates = [...(trust.quorum === null ? this.#signed : this.#cosigned).values()];
    for (const candidate of candidates.toSorted((a, b) => a.checkpoint.size - b.checkpoint.size || a.seq - b.seq)) {
      const judgement = judge(trust, candidate.checkpoint);
      if (judgement.kind === 'forged')
        return { kind: 'tampered', seq: candidate.seq, reason: `a signature of ${judgement.name} is not its own` };
      if (judgement.kind === 'trusted') best = { candidate, judgement };
    }
    const after = best?.candidate.checkpoint.size ?? 0;
    const verified = this.#verified(best);
    if (cut) return { kind: 'incomplete', after, reason: 'the bundle ends in the middle', ...verified };
    if (this.#trust === null || after >= this.#owed) return { kind: 'proved', ...verified };
    const reason = `no trusted ${trust.quorum === null ? 'signature' : 'cosignature'} covers the rows after ${after}`;
    return { kind: 'incomplete', after, reason, ...verified };
  }

  #verified(best: { candidate: Candidate; judgement: Extract<Judgement, { kind: 'trusted' }> } | null): Verified {
    const texts = { opened: this.#opened, erased: this.#erased };
    return {
      rows: this.#rows,
      receipts: this.#story.receipts,
      head: this.#head,
      open_intents: this.#story.openIntents,
      checkpoint: best && {
        origin: best.candidate.checkpoint.origin,
        size: best.candidate.checkpoint.size,
        root: best.candidate.checkpoint.root.toString('hex'),
        cosigned: best.judgement.witnessed.map(({ witness, at_s }) => ({
          witness,
          at: isoTime(at_s * 1_000),
        })),
      },
      ...texts,
      withheld: this.#committed - this.#opened,
    };
  }

  #unreadable(fault: 'not_json' | 'not_canonical' | 'too_deep'): Fault {
    if (fault === 'too_deep') return this.#tooMuch('it is nested too deep');
    return this.tampered(fault === 'not_json' ? 'its content is not JSON' : 'its content is not canonical JSON');
  }

  /** Every field `<name>_c` is a commitment; those that were opened for this row must fit. */
  #openAll(row: Row<Entry>): Fault | null {
    const fields = row as unknown as Readonly<Record<string, unknown>>;
    for (const name in fields) if (name.endsWith('_c') && fields[name] !== null) this.#committed += 1;
    const openings = this.#openings;
    this.#openings = [];
    this.#opened += openings.length;
    for (const { field, commitment } of openings)
      if (fields[`${field}_c`] !== commitment) return this.tampered(`${field} is not what the row was committed to`);
    return null;
  }

  #take(row: Row<Entry>): Fault | null {
    try {
      const fault = this.#story.take(row, this.#whole);
      if (fault !== null) return this.tampered(fault);
    } catch (error) {
      if (!(error instanceof TooMuch)) throw error;
      return this.#tooMuch('more actions are open than are looked at');
    }
    switch (row.type) {
      case 'incarnation/1': {
        const key = parseKey(row.key);
        if (typeof key === 'string' || key.name !== row.origin) return this.tampered('it names no key of its log');
        if (this.#named.push(key) <= MOST_LOGS) return null;
        return this.#tooMuch(`there are more than ${MOST_LOGS} logs`);
      }
      case 'checkpoint/1':
        return this.#checkpoint(row.note, this.#signed);
      case 'cosignature/1':
        return this.#cosignature(row.note, row.seq);
      case 'redaction/1':
        for (const { seq, field } of row.erased)
          if (this.#erased.length < ERASED_TOLD)
            this.#erased.push({ seq, field, who: row.who, reason: row.reason, at: row.at });
        return null;
      default:
        return null;
    }
  }

  #checkpoint(note: string, into: Map<string, Candidate>): Fault | null {
    const checkpoint = parseCheckpoint(note);
    if (checkpoint === 'too_much') return this.#tooMuch('its note is too long to look at');
    if (checkpoint === 'malformed') return this.tampered('its checkpoint cannot be read');
    const root = this.#range.root();
    if (checkpoint.size !== this.size || !checkpoint.root.equals(root))
      return this.tampered(`its checkpoint signs other rows than the ${this.size} before it`);
    this.#remember(this.size, root.toString('hex'));
    if (this.#known(checkpoint.origin)) into.set(checkpoint.origin, { checkpoint, seq: this.size + 1 });
    return null;
  }

  #cosignature(note: string, seq: number): Fault | null {
    const checkpoint = parseCheckpoint(note);
    if (checkpoint === 'too_much') return this.#tooMuch('its note is too long to look at');
    if (checkpoint === 'malformed') return this.tampered('its checkpoint cannot be read');
    const root = this.#roots.get(checkpoint.size);
    if (root === undefined) return null;
    if (root !== checkpoint.root.toString('hex')) return this.tampered('it cosigns another tree');
    if (this.#known(checkpoint.origin)) this.#cosigned.set(checkpoint.origin, { checkpoint, seq });
    return null;
  }

  #known(origin: string): boolean {
    return (this.#trust?.logs ?? this.#named).some(({ name }) => name === origin);
  }

  #remember(size: number, root: string): void {
    this.#roots.set(size, root);
    if (this.#roots.size <= ROOTS_KEPT) return;
    const [oldest] = this.#roots.keys();
    if (oldest !== undefined) this.#roots.delete(oldest);
  }
}

interface StoredRow {
  readonly seq: number;
  readonly hash: Buffer;
  readonly body: string;
}

/** Verifies the rows of a journal's file, in their order from the first, with what opens their commitments. */
export function proveRows(
  rows: Iterable<StoredRow>,
  openings: (seq: number) => readonly Opening[],
  trust: Trust | null,
): Proof {
  const verifier = new Verifier(trust);
  const stored = new StoredRows();
  for (const { seq, hash: stated, body } of rows) {
    if (seq !== verifier.size + 1) return { kind: 'tampered', seq, reason: `row ${verifier.size + 1} is missing` };
    for (const { field, salt, value } of openings(seq)) verifier.open(field, commitment(salt, canonicalOf(value)));
    const leaf = hash('sha256', `\0${body}`, 'hex');
    const fault = verifier.row({ stated: stated.toString('hex'), leaf, content: stored.read(body) });
    if (fault !== null) return fault;
  }
  return verifier.end(false);
}

/** Verifies them against the keys that they name themselves: that they hold together, not that they are who they say they are. */
export function verifyRows(rows: Iterable<StoredRow>, openings: (seq: number) => readonly Opening[]): Verification {
  const proof = proveRows(rows, openings, null);
  if (proof.kind === 'bad_input') return { ...proof, kind: 'tampered' };
  return proof.kind === 'incomplete' ? { ...proof, kind: 'proved' } : proof;
}
