/**
 * Brings the journal of a data folder up, whatever state the last process or the disk left it in.
 *
 * R1 A journal that is broken is never deleted and never written to again: it is moved aside, and a new one is begun (G-IO-3).
 * R2 After that, after three failures in ten minutes, and when the journal is not the one its mirror knows, nothing is done by
 *    itself until a person has acknowledged it: what operators propose waits (G-IO-2, row 99).
 * R3 What a lost journal owed is taken over from its mirror (G-IO-4).
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Clock, FibricError, isoTime, LIMITS, type Log, parseTime } from '@fibric/sdk';
import { raise } from './alerts/raise.ts';
import type { Ids } from './ids.ts';
import type { BootEntry, Hold } from './journal/entries.ts';
import { type Journal, type JournalOptions, openJournal } from './journal/journal.ts';
import { type Obligations, readObligations } from './journal/obligations.ts';
import { JOURNAL_FILE, syncFolder } from './journal/schema.ts';
import { KEY_FILE } from './proof/device-key.ts';
import { SYNC_FILE } from './sync/store.ts';

const UID_FILE = 'gateway-uid';
const FAILURES_FILE = 'journal-failures';

export interface BootOptions extends Omit<JournalOptions, 'thorough'> {
  /** Real time: what failures are counted by. */
  readonly ioClock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly boot: Pick<BootEntry, 'software' | 'site'>;
}

export interface Booted {
  readonly journal: Journal;
  readonly uid: string;
}

/** Names the journal of the folder for as long as it lives: the first half of every key upstream. */
function gatewayUid(dataDir: string, ids: Ids): string {
  const file = join(dataDir, UID_FILE);
  try {
    writeFileSync(file, `gw_${ids.uuid()}`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}

/** Remembers that the journal failed. Does not throw: the disk that failed is the one that this is written to. */
export function noteJournalFailure(dataDir: string, atMs: number): void {
  try {
    const fd = openSync(join(dataDir, FAILURES_FILE), 'a', 0o600);
    try {
      writeSync(fd, `${isoTime(atMs)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Nothing more can be done; the process ends, and says why on its log.
  }
}

/** Acknowledged failures do not count any more. */
export function forgetJournalFailures(dataDir: string): void {
  rmSync(join(dataDir, FAILURES_FILE), { force: true });
}

function recentFailures(dataDir: string, nowMs: number): number {
  try {
    const lines = readFileSync(join(dataDir, FAILURES_FILE), 'utf8').split('\n');
    return lines.filter((line) => Math.abs(nowMs - (parseTime(line) ?? 0)) <= LIMITS.journalFailuresMs).length;
  } catch {
    return 0;
  }
}

/** Moves the journal, and what only makes sense with it, into a folder of its own. Returns the name of that folder. */
function setAside(dataDir: string, nowMs: number): string {
  const name = `set-aside-${isoTime(nowMs).replaceAll(/[:.]/g, '-')}`;
  const folder = join(dataDir, name);
  mkdirSync(folder, { mode: 0o700 });
  const belongs = (file: string): boolean =>
    file === UID_FILE || file === KEY_FILE || file.startsWith(JOURNAL_FILE) || file.startsWith(SYNC_FILE);
  for (const file of readdirSync(dataDir).filter(belongs)) renameSync(join(dataDir, file), join(folder, file));
  syncFolder(folder);
  syncFolder(dataDir);
  return name;
}

interface Opened {
  readonly journal: Journal;
  /** Why the journal that was there is not the one that is used now; null when it is. */
  readonly replaced: string | null;
}

/**
 * A journal that reads as broken is read a second time, every page of it, before it is believed: SQLite calls a database malformed as
 * well when the disk failed to give it a page, and a read that failed once is no reason to part with what is owed.
 */
function openTwice(options: BootOptions, thorough: boolean): Journal {
  try {
    return openJournal({ ...options, thorough });
  } catch (error) {
    noteJournalFailure(options.dataDir, options.ioClock.wallMs());
    if (!isTampered(error)) throw error;
    options.log.warn({}, `${error.message}; it is read once more`);
    return openJournal({ ...options, thorough: true });
  }
}

const isTampered = (error: unknown): error is FibricError => error instanceof FibricError && error.code === 'tampered';

function openOrReplace(options: BootOptions, thorough: boolean): Opened {
  const { dataDir, ioClock, log } = options;
  try {
    return { journal: openTwice(options, thorough), replaced: null };
  } catch (error) {
    if (!isTampered(error)) throw error;
    const folder = setAside(dataDir, ioClock.wallMs());
    const replaced = `${error.message}; it was moved to ${join(dataDir, folder)} and a new journal was begun, which does not know what was done once`;
    log.error({}, replaced);
    return { journal: openJournal(options), replaced };
  }
}

/** What the mirror knows that this journal does not, or null when it knows this journal. */
export function strangeTo(
  journal: Pick<Journal, 'nextSeq' | 'hashAt'>,
  uid: string,
  mirror: Obligations | null,
): string | null {
  if (mirror === null) return null;
  if (mirror.gateway_uid !== uid) return `the mirror is of another journal (${mirror.gateway_uid})`;
  const found = journal.hashAt(mirror.seq);
  if (found === mirror.hash) return null;
  return found === null
    ? `the journal ends at row ${journal.nextSeq - 1}, its mirror knows row ${mirror.seq}: an older copy was put in its place`
    : `row ${mirror.seq} of the journal is not the one that its mirror knows`;
}

/** Opens or replaces the journal, and commits the first rows of this boot. */
export async function bootJournal(options: BootOptions): Promise<Booted> {
  const { dataDir, ioClock, ids, log, bootId, boot } = options;
  const failures = recentFailures(dataDir, ioClock.wallMs());
  const mirror = readObligations(dataDir);
  const { journal, replaced } = openOrReplace(options, failures > 0);
  const uid = gatewayUid(dataDir, ids);
  const hold = (name: Hold, reason: string): void => {
    const words = `${reason}; nothing is done by itself until it is acknowledged`;
    if (journal.projection.liveHolds.rows.get(name) === reason) return log.error({ hold: name }, words);
    journal.append({ type: 'hold/1', hold: name, reason });
    raise({ journal, log }, 'held', words);
  };
  const strange = strangeTo(journal, uid, mirror);
  const before = journal.epoch;
  journal.append({ type: 'boot/1', epoch: before + 1, boot_id: bootId, gateway_uid: uid, ...boot });
  if (replaced !== null) hold('journal_replaced', replaced);
  else if (strange !== null) hold('obligations_differ', strange);
  // Of two that contradict each other the newer epoch is believed: an old mirror owes nothing that the journal has not settled.
  if (mirror && strange !== null && (mirror.gateway_uid !== uid || mirror.epoch >= before))
    inherit(journal, mirror, log);
  if (failures >= LIMITS.journalFailures)
    hold('journal_failing', `the journal failed ${failures} times within ten minutes`);
  await journal.durable();
  return { journal, uid };
}

function inherit(journal: Journal, mirror: Obligations, log: Log): void {
  const { gateway_uid, epoch, stop, leases } = mirror;
  const doubts = mirror.doubts.filter(({ action_id }) => !journal.projection.open.rows.has(action_id));
  journal.append({ type: 'inherited/1', gateway_uid, epoch, stop });
  for (const doubt of doubts) journal.append({ type: 'inherited_doubt/1', doubt });
  for (const lease of leases) journal.append({ type: 'inherited_lease/1', lease });
  const owed = [
    ...(doubts.length > 0 ? [`writes whose outcome is not known: ${doubts.length}`] : []),
    ...(leases.length > 0 ? [`leases, which end at their time: ${leases.length}`] : []),
    ...(stop === null ? [] : [`the stop by ${stop.who}`]),
  ];
  if (owed.length > 0)
    raise({ journal, log }, 'inherited', `taken over from the journal that is lost: ${owed.join('; ')}`);
}
