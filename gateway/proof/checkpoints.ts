/**
 * Signs the tree over the journal's rows, in time and never twice for one size.
 *
 * C1 A checkpoint every 64 rows, within 60 s of a row, and at once after what a person must be able to rely on (G-R-4).
 * C2 A checkpoint is the row behind the rows that it signs: no size has two, whatever is killed when (G-R-6, C12).
 * C3 A journal that a witness knows otherwise has been put back or cloned: operators only propose until a person has acknowledged it,
 *    and it goes on as another log (G-R-6).
 */
import { type Clock, LIMITS, type Log, type Timer } from '@fibric/sdk';
import { raise } from '../alerts/raise.ts';
import type { IncarnationEntry, Row } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import type { LogState } from '../journal/receipt-log.ts';
import { type DeviceKey, deviceKey, renewKey } from './device-key.ts';
import { checkpointText, keyText, signNote } from './note.ts';

export interface CheckpointOptions {
  readonly dataDir: string;
  readonly gatewayUid: string;
  readonly journal: Journal;
  /** Real time: how long a row may stand unsigned. */
  readonly clock: Clock;
  readonly log: Log;
}

export interface Checkpoints {
  /** The log as which the tree is signed. */
  readonly state: LogState;
  /** A row was appended. */
  appended(row: Row): void;
  /** Signs the rows so far, if there is one that no checkpoint covers. */
  sign(): void;
  /** A witness knows another journal of this name: acts by itself no more, and goes on as another log. */
  forked(reason: string): Promise<void>;
  /** Signs what is left: the last checkpoint of a clean stop. */
  close(): void;
}

/** Rows about the tree itself: they do not ask for another checkpoint. */
export const ABOUT_THE_TREE: ReadonlySet<string> = new Set(['checkpoint/1', 'cosignature/1']);
/** Rows that are signed at once: who may do what has changed, or the clock has, or something was erased. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'policy/1',
  'mode/1',
  'stop/1',
  'hold/1',
  'acknowledge/1',
  'clock/1',
  'redaction/1',
]);

const urgent = (row: Row): boolean =>
  AT_ONCE.has(row.type) ||
  (row.type === 'intent/1' && row.decision === 'ALERT') ||
  (row.type === 'receipt/1' && row.outcome === 'unknown');

class Signing implements Checkpoints {
  readonly #options: CheckpointOptions;
  #device: DeviceKey;
  #unsigned = 0;
  #timer: Timer | null = null;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#device = deviceKey(options.dataDir, options.gatewayUid);
  }

  get state(): LogState {
    return this.#options.journal.projection.logs.rows.get('receipts') as LogState;
  }

  /** Goes on as the log of this key. */
  begin(): void {
    const { journal, log } = this.#options;
    const before = journal.projection.logs.rows.get('receipts');
    this.#unsigned = journal.nextSeq;
    if (before?.origin === this.#device.key.name) this.sign();
    else {
      if (before)
        log.error({ log: before.origin }, 'alert: the key that signed the receipts is gone; another log is begun');
      this.#incarnate(before ? 'key_lost' : 'begun', before?.cosigned ?? null);
    }
  }

  appended(row: Row): void {
    if (ABOUT_THE_TREE.has(row.type)) return;
    this.#unsigned += 1;
    if (this.#unsigned >= LIMITS.checkpointRows || urgent(row)) this.sign();
    else this.#timer ??= this.#options.clock.after(LIMITS.checkpointMs, () => this.sign());
  }

  sign(): void {
    const { journal } = this.#options;
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#unsigned === 0 || journal.failure) return;
    this.#unsigned = 0;
    const { key, signer } = this.#device;
    const text = checkpointText(key.name, journal.nextSeq - 1, journal.treeHash());
    journal.append({ type: 'checkpoint/1', note: signNote(text, key, signer) });
  }

  async forked(reason: string): Promise<void> {
    const { journal, log, dataDir, gatewayUid } = this.#options;
    journal.append({ type: 'hold/1', hold: 'forked', reason });
    raise({ journal, log }, 'held', `${reason}; nothing is done by itself until it is acknowledged`);
    // Before there is another key: a process that dies in between finds the hold, and is told of the fork once more.
    await journal.durable();
    const { cosigned } = this.state;
    this.#device = renewKey(dataDir, gatewayUid);
    this.#incarnate('forked', cosigned);
    await journal.durable();
  }

  close(): void {
    this.sign();
    this.#timer?.cancel();
  }

  #incarnate(cause: IncarnationEntry['cause'], cosigned: string | null): void {
    const { key } = this.#device;
    this.#options.journal.append({ type: 'incarnation/1', origin: key.name, key: keyText(key), cause, cosigned });
    this.#unsigned += 1;
    this.sign();
  }
}

/** Begins to sign the tree of a journal. Throws `journal_unsafe` for a key that cannot be read. */
export function startCheckpoints(options: CheckpointOptions): Checkpoints {
  const signing = new Signing(options);
  signing.begin();
  return signing;
}
