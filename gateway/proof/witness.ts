/**
 * Asks a witness to cosign the newest checkpoint (C2SP tlog-witness), and tells from its answer whether this journal is the one it has
 * seen (execution §2.13, G-R-5, G-R-6).
 *
 * T7 It is asked when the receipts that the checkpoint covers are upstream, and once at the start before anything is sent: a journal that
 *    was put back from a copy must not go on under the name of the one it is a copy of.
 */
import { type Clock, type Log, messageOf } from '@fibric/sdk';
import type { Journal } from '../journal/journal.ts';
import type { Checkpoints } from './checkpoints.ts';
import { type Checkpoint, type NoteKey, parseCheckpoint, parseSignatures, signedBy } from './note.ts';
import { consistencyProof } from './tree.ts';

export interface WitnessOptions {
  /** Where to ask: `<url>/add-checkpoint`. */
  readonly url: string;
  readonly key: NoteKey;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly token: () => string | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Witnessing {
  /** Whether there is something to ask; `drained`: the upstream has every receipt. */
  due(drained: boolean): boolean;
  /**
   * Asks once. Does not throw. Returns how many rows the witness knew when these were fewer than it has cosigned for us: then its
   * database has been put back, and what came after them may be gone there. Null: it knew what we thought.
   */
  ask(signal: AbortSignal): Promise<number | null>;
}

/** What one answer says. */
type Word =
  | { readonly kind: 'cosigned'; readonly lines: string }
  | { readonly kind: 'knows'; readonly size: number }
  | { readonly kind: 'inconsistent' }
  | { readonly kind: 'not_now'; readonly reason: string };

const REQUEST_MS = 15_000;
/** After an answer that is none, or a journal that is not known there. */
const RETRY_MS = 60_000;
const LONGEST_ANSWER = 16 * 1024;

/** The checkpoint in a note of ours; null without one. */
function checkpointIn(note: string | null): Checkpoint | null {
  const checkpoint = note === null ? null : parseCheckpoint(note);
  return typeof checkpoint === 'string' ? null : checkpoint;
}

class AskingWitness implements Witnessing {
  readonly #options: WitnessOptions;
  #asked = false;
  #notBeforeMs = 0;
  #said: string | null = null;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  due(drained: boolean): boolean {
    const { checkpoints, clock } = this.#options;
    if (clock.monoMs() < this.#notBeforeMs) return false;
    if (!this.#asked) return true;
    const { signed, cosigned } = checkpoints.state;
    return drained && (checkpointIn(signed)?.size ?? 0) > (checkpointIn(cosigned)?.size ?? 0);
  }

  async ask(signal: AbortSignal): Promise<number | null> {
    const { journal, checkpoints, clock, key } = this.#options;
    try {
      const { signed, cosigned } = checkpoints.state;
      const checkpoint = checkpointIn(signed);
      if (signed === null || checkpoint === null) return null;
      // T6: what is shown to others is on disk first.
      await journal.durable();
      const known = checkpointIn(cosigned)?.size ?? 0;
      const { word, old } = await this.#exchange(signed, checkpoint, known, signal);
      if (word.kind === 'not_now') {
        this.#notBeforeMs = clock.monoMs() + RETRY_MS;
        this.#say(word.reason);
        return null;
      }
      this.#asked = true;
      this.#notBeforeMs = 0;
      this.#said = null;
      if (word.kind !== 'cosigned') await checkpoints.forked(differs(key.name, checkpoint, word));
      else {
        journal.append({ type: 'cosignature/1', note: `${signed}${word.lines}` });
        await journal.durable();
        if (old < known) return old;
      }
    } catch (error) {
      this.#notBeforeMs = clock.monoMs() + RETRY_MS;
      if (!signal.aborted) this.#say(messageOf(error));
    }
    return null;
  }

  /**
   * Asks from the size that we know to be cosigned, and if the witness knows another that we have as well, from that. `old`: the size
   * that the last answer started from.
   */
  async #exchange(note: string, checkpoint: Checkpoint, known: number, signal: AbortSignal) {
    const word = await this.#post(note, checkpoint, known, signal);
    if (word.kind !== 'knows' || word.size > checkpoint.size || word.size === known) return { word, old: known };
    return { word: await this.#post(note, checkpoint, word.size, signal), old: word.size };
  }

  async #post(note: string, checkpoint: Checkpoint, old: number, signal: AbortSignal): Promise<Word> {
    const { url, journal, token } = this.#options;
    const proof = old === 0 ? [] : consistencyProof(journal.subtree, old, checkpoint.size);
    const bearer = token();
    const response = await fetch(`${url}/add-checkpoint`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'text/plain', ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }) },
      body: `old ${old}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${note}`,
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    });
    const text = (await response.text()).slice(0, LONGEST_ANSWER);
    return this.#read(response, text, checkpoint);
  }

  #read({ status, headers }: Response, text: string, checkpoint: Checkpoint): Word {
    if (status === 200) {
      const lines = text.split('\n').filter((line) => line.startsWith(`— ${this.#options.key.name} `));
      const cosignature = lines.map((line) => `${line}\n`).join('');
      const signatures = parseSignatures(cosignature);
      const good = signatures && signedBy({ ...checkpoint, signatures }, this.#options.key).kind === 'good';
      return good
        ? { kind: 'cosigned', lines: cosignature }
        : { kind: 'not_now', reason: 'it answers without a cosignature of its key' };
    }
    const size = /^(0|[1-9]\d{0,14})\n$/.exec(text)?.[1];
    if (status === 409 && size !== undefined && headers.get('content-type')?.startsWith('text/x.tlog.size'))
      return { kind: 'knows', size: Number(size) };
    if (status === 422) return { kind: 'inconsistent' };
    const why =
      status === 404 ? 'it does not know this log: enrol the key of `fibric receipts trust`' : `status ${status}`;
    return { kind: 'not_now', reason: why };
  }

  /** Said once: an outage of a week is one line in the log. */
  #say(reason: string): void {
    if (this.#said !== reason) this.#options.log.warn({ reason }, 'the witness did not cosign');
    this.#said = reason;
  }
}

function differs(witness: string, { size }: Checkpoint, word: Word): string {
  const known =
    word.kind === 'knows' ? `knows ${word.size} rows, and not these ${size}` : `knows other rows than these ${size}`;
  return `${witness} ${known}: this journal was put back from a copy, or there is a second one of its name`;
}

export function createWitnessing(options: WitnessOptions): Witnessing {
  return new AskingWitness(options);
}
