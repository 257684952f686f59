/** What a changed policy would have said to everything that was decided: read from the folder, whether a gateway runs there or not. */
import { resolve } from 'node:path';
import { readPolicy } from '@fibric/gateway/config/policy-files';
import type { ActivePolicy } from '@fibric/gateway/journal/policies';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import type { JournalReader } from '@fibric/gateway/journal/types';
import { type Difference, difference, type Finding, type Policy, type Said } from '@fibric/policy';
import { CAPABILITIES, FibricError, isoTime, LIMITS, parseDuration, type Receipt } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { dataFolder } from '../data-folder.ts';
import { clip, count, document, findingLine, line, paint, table, time, value, words } from '../print.ts';

type Change = Pick<Receipt, 'receipt_id' | 'at' | 'operator' | 'capability' | 'entity_key' | 'args'> &
  Omit<Extract<Difference, { kind: 'changed' }>, 'kind'>;

export interface PolicyDiff {
  readonly object: 'policy_diff';
  readonly operator: string;
  /** Hash of the policy that decides now, and of the one that was tried. */
  readonly running: string | null;
  readonly tried: string;
  readonly since: string | null;
  /** Decisions that were taken again. */
  readonly decisions: number;
  /** Of these: to the same end, but by another rule. */
  readonly by_other_rule: number;
  readonly changes: readonly Change[];
}

const BATCH = 500;
const USUAL_MS = 30 * 24 * 3_600_000;

export async function diff(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  const journal = openJournalReader(await dataFolder(call));
  try {
    const running = runningOf(journal, options.operator);
    const files = call.args.map((file) => ({ name: file, file, path: resolve(io.cwd, file), shipped: false }));
    // It is only tried: it need not be signed.
    const read = readPolicy(files, { policy_names: namesOf(journal, running), policy_keys: [] });
    if (read.kind !== 'ok') return refused(call, read.kind === 'bad' ? read.findings : []);
    const found = await compared(journal, running, read.policy, sinceOf(journal, options.since));
    if (options.json) document(io, found);
    else await show(call, found);
    return EXIT.done;
  } finally {
    journal.close();
  }
}

/** The policy that is to be changed. */
function runningOf(
  journal: JournalReader,
  operator: string | undefined,
): Pick<ActivePolicy, 'operator' | 'hash' | 'names'> {
  const all = journal.policies();
  if (operator !== undefined)
    return all.find((one) => one.operator === operator) ?? { operator, hash: null, names: [] };
  const [first, second] = all;
  if (first && !second) return first;
  const names = all.map((one) => one.operator).join(', ');
  const which = names === '' ? 'no policy was ever activated here' : `there are policies of ${names}`;
  throw new FibricError('invalid_parameter', `${which}: say whose is changed with --operator <name>`);
}

/** What the site could do when its policies were activated. */
function namesOf(journal: JournalReader, running: Pick<ActivePolicy, 'names'>): ReadonlySet<string> {
  const all = [running, ...journal.policies()];
  return new Set([...CAPABILITIES.keys(), ...all.flatMap(({ names }) => names)]);
}

/** A policy, or what is to be tried on it, that has findings. */
export function refused({ io, options }: Call, findings: readonly Finding[]): ExitCode {
  if (options.json) document(io, { object: 'policy_check', valid: false, policies: [], findings, warnings: [] });
  else for (const finding of findings) line(io, findingLine(finding));
  io.err(`${count(findings.length, 'finding')}: it cannot be tried`);
  return EXIT.usage;
}

/** Site time from which decisions are taken again: a time, or how long before the last receipt. */
function sinceOf(journal: JournalReader, given: string | undefined): number {
  const at = given === undefined ? Number.NaN : Date.parse(given);
  if (!Number.isNaN(at)) return at;
  const ms = given === undefined ? USUAL_MS : parseDuration(given);
  if (ms === null)
    throw new FibricError('invalid_parameter', `--since ${given}: expected a time such as 2026-07-02T08:00:00Z, or 7d`);
  const [last] = journal.receipts({ limit: 1 });
  return last ? Date.parse(last.at) - ms : 0;
}

async function compared(
  journal: JournalReader,
  running: Pick<ActivePolicy, 'operator' | 'hash'>,
  tried: Policy,
  sinceMs: number,
): Promise<PolicyDiff> {
  const sent = new SentBefore();
  const changes: Change[] = [];
  const counts = { decisions: 0, by_other_rule: 0 };
  for (const receipt of receiptsFrom(journal, sinceMs - LIMITS.sentWindowMs)) {
    const atMs = Date.parse(receipt.at);
    if (receipt.operator === running.operator && atMs >= sinceMs) {
      const found = difference(tried, receipt, (windowMs) => sent.within(receipt, windowMs));
      if (found.kind !== 'not_decided') counts.decisions += 1;
      if (found.kind === 'same' && found.by_other_rule) counts.by_other_rule += 1;
      if (found.kind === 'changed') changes.push(changeOf(receipt, found));
    }
    if (receipt.attempt > 0) sent.add(receipt);
  }
  const since = changes.length + counts.decisions === 0 ? null : isoTime(sinceMs);
  return {
    object: 'policy_diff',
    operator: running.operator,
    running: running.hash,
    tried: tried.hash,
    since,
    ...counts,
    changes,
  };
}

function changeOf(receipt: Receipt, { was, would, unsure }: Extract<Difference, { kind: 'changed' }>): Change {
  const { receipt_id, at, operator, capability, entity_key, args } = receipt;
  return { receipt_id, at, operator, capability, entity_key, args, was, would, unsure };
}

/** Receipts in order, from `sinceMs` on. */
function* receiptsFrom(journal: JournalReader, sinceMs: number): Generator<Receipt> {
  let after = placeOf(journal, sinceMs);
  for (;;) {
    const rows = journal.receiptsAfter(after, BATCH);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < BATCH) return;
    after = last.seq;
  }
}

/** Rows follow in time, but where a clock was set back: there some more are read than asked for, or the older ones are left out. */
function placeOf(journal: JournalReader, sinceMs: number): number {
  let [low, high] = [0, journal.head()];
  while (low < high) {
    const middle = (low + high) >> 1;
    const [next] = journal.receiptsAfter(middle, 1);
    if (next !== undefined && Date.parse(next.at) < sinceMs) low = next.seq;
    else high = middle;
  }
  return low;
}

/** How many actions were sent before a receipt, as its gateway had counted them. */
class SentBefore {
  readonly #times = new Map<string, number[]>();

  add({ operator, capability, at }: Receipt): void {
    const key = `${operator}\n${capability}`;
    const times = this.#times.get(key) ?? [];
    this.#times.set(key, times);
    const now = Date.parse(at);
    times.push(now);
    // Older than any rule can ask for.
    if ((times[0] ?? now) < now - 2 * LIMITS.sentWindowMs)
      times.splice(
        0,
        times.findIndex((time) => time > now - LIMITS.sentWindowMs),
      );
  }

  within({ operator, capability, at }: Receipt, windowMs: number): number {
    const from = Date.parse(at) - windowMs;
    return (this.#times.get(`${operator}\n${capability}`) ?? []).filter((time) => time > from).length;
  }
}

async function show({ io, options }: Call, found: PolicyDiff): Promise<void> {
  const { operator, running, tried, decisions, by_other_rule, changes } = found;
  const names = `policy ${running?.slice(0, 12) ?? 'none'} of ${operator} → ${tried.slice(0, 12)}`;
  io.err(
    `${names}: ${count(decisions, 'decision')} taken again${found.since === null ? '' : ` since ${time(found.since)}`}`,
  );
  const shown = changes.slice(-(options.limit ?? changes.length));
  if (shown.length > 0)
    await table(
      io,
      ['RECEIPT', 'AT', 'CAPABILITY', 'ASKED', 'WAS', 'WOULD BE', 'BECAUSE'],
      shown.map(({ receipt_id, at, capability, args, was, would, unsure }) => [
        receipt_id,
        time(at),
        capability,
        words(args),
        inWords(was),
        unsure === null ? paint(io, 'bold', inWords(would)) : `${inWords(would)}?`,
        clip(unsure ?? would.reason),
      ]),
    );
  const unsure = changes.filter((one) => one.unsure !== null).length;
  const other = by_other_rule === 0 ? '' : `; ${by_other_rule} more to the same end by another rule`;
  io.err(`${count(changes.length - unsure, 'verdict')} would change, ${unsure} cannot be told for certain${other}`);
}

function inWords({ decision, reason_code, target }: Said): string {
  if (decision === 'BLOCK') return `BLOCK ${reason_code}`;
  if (target === null) return `${decision}, nothing to write`;
  return `${decision} ${target.map((one) => `${one.point}=${value(one.value)}`).join(' ')}`;
}
