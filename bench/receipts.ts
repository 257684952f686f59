/**
 * What proof costs: rows of a journal a second – canonical, chained, in a tree that is signed – against the same bodies in a plain
 * table, groups of 100 with synchronous=FULL on both sides; the second half of them against the first; opening such a journal, and
 * asking it for keys that it has not seen and for keys that it has; and verifying a bundle of it, as a process of its own.
 * `--receipts` how many.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '@fibric/gateway/journal/journal';
import { startCheckpoints } from '@fibric/gateway/proof/checkpoints';
import { exportBundle } from '@fibric/gateway/proof/export';
import { logOf } from '@fibric/gateway/proof/folder';
import { idAt, type Row } from '@fibric/gateway/journal/entries';
import { systemClock } from '@fibric/gateway/system';
import Database from 'better-sqlite3';
import { actionOf, intentOf, planOf, receiptOf } from '../test/support/rows.ts';
import { installed } from './gateway.ts';
import { Child, type Figures, type Goal, now, option, rounds, scratch, type Variant } from './lib.ts';

const RECEIPTS = option('receipts', 1_000_000);
const GROUP = 100;
/** Actions of one plan: as many as there can be, so that receipts and intents are what is measured. */
const ACTIONS = 200;
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Seconds for the first and the second half of `rows` rows, appended in groups; a group is durable before the next one. */
async function halves(rows: number, group: (from: number) => Promise<void>): Promise<Figures> {
  const start = now();
  let middle = 0;
  for (let at = 0; at < rows; at += GROUP) {
    if (middle === 0 && at >= rows / 2) middle = now();
    await group(at);
  }
  const [first, second] = [middle - start, now() - middle];
  return { rows_per_s: (rows / (first + second)) * 1_000, second_over_first: first / second };
}

function* entries(nextSeq: () => number) {
  for (let n = 0; n < RECEIPTS; n += ACTIONS) {
    const plan_id = idAt('pl', nextSeq());
    const actions = Array.from({ length: Math.min(ACTIONS, RECEIPTS - n) }, (_, i) =>
      actionOf(plan_id, i, { intent_key: `bench:zone:${n + i}:setpoint`, occurrence: 'once' }),
    );
    yield planOf(plan_id, actions);
    for (const action of actions) {
      yield intentOf(action, 1);
      yield receiptOf(action, 'applied', 1);
    }
  }
}

const ROWS = RECEIPTS * 2 + Math.ceil(RECEIPTS / ACTIONS);
const folder = scratch('receipts');

async function journaled(): Promise<Figures> {
  const dataDir = scratch('receipts');
  const clock = systemClock();
  let signing: ReturnType<typeof startCheckpoints> | null = null;
  const onAppend = (row: Row): void => signing?.appended(row);
  const journal = openJournal({ dataDir, clock, bootId: 'bench', onFailure: () => undefined, onAppend });
  const boot = { boot_id: 'bench', gateway_uid: 'gw_bench', software: '0', site: 's' };
  journal.append({ type: 'boot/1', epoch: 1, ...boot });
  signing = startCheckpoints({ dataDir, gatewayUid: 'gw_bench', journal, clock, log: QUIET });
  const source = entries(() => journal.nextSeq);
  const figures = await halves(ROWS, (at) => {
    for (let i = 0; i < Math.min(GROUP, ROWS - at); i++) {
      const { value } = source.next();
      if (value) journal.append(value);
    }
    return journal.durable();
  });
  signing.close();
  journal.close();
  return { ...figures, bytes_per_row: statSync(join(dataDir, 'journal.db')).size / ROWS };
}

/** The bodies of the journal that was written last, in a table that promises as much and knows nothing of them. */
async function plain(): Promise<Figures> {
  const source = new Database(join(folder, 'journal.db'), { readonly: true });
  const bodies = source.prepare('SELECT body FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq').pluck();
  const db = new Database(join(scratch('plain'), 'plain.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE rows (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT');
  const insert = db.prepare('INSERT INTO rows (body) VALUES (?)');
  const commit = db.transaction((some: readonly unknown[]) => some.forEach((body) => insert.run(body)));
  const figures = await halves(ROWS, async (at) => commit(bodies.all(at, at + GROUP)));
  db.close();
  source.close();
  return figures;
}

const LOOKUPS = 20_000;

async function opened(): Promise<Figures> {
  const start = now();
  const journal = openJournal({ dataDir: folder, clock: systemClock(), bootId: 'bench', onFailure: () => undefined });
  const open_s = (now() - start) / 1_000;
  /** Microseconds a lookup of `LOOKUPS` keys, each once. */
  const lookup = (keyOf: (n: number) => number, found: boolean): number => {
    const from = now();
    for (let n = 0; n < LOOKUPS; n++)
      if ((journal.consumed(`bench:zone:${keyOf(n)}:setpoint@once#1`) !== null) !== found)
        throw new Error(`key ${keyOf(n)} should ${found ? '' : 'not '}be known`);
    return ((now() - from) * 1_000) / LOOKUPS;
  };
  const new_key_us = lookup((n) => RECEIPTS + n, false);
  const known_key_us = lookup((n) => (n * 7_919) % RECEIPTS, true);
  journal.close();
  return { open_s, new_key_us, known_key_us };
}

/** The build, in a process of its own, so that its memory is its own. */
const VERIFIER = `
import { readFileSync } from 'node:fs';
import { verifyBundle } from '@fibric/gateway/proof/bundle';
import { parseTrust } from '@fibric/gateway/proof/trust';
const [bundle, trust] = process.argv.slice(1);
const start = performance.now();
const { kind, receipts, reason } = verifyBundle(bundle, parseTrust(readFileSync(trust, 'utf8')));
const verify_s = (performance.now() - start) / 1_000;
console.log(JSON.stringify({ kind, receipts, reason, verify_s, peak_mib: process.resourceUsage().maxRSS / 1_024 }));
`;

interface Verified {
  readonly kind: string;
  readonly receipts: number;
  readonly verify_s: number;
  readonly peak_mib: number;
}

async function verified(): Promise<Figures> {
  const bundle = join(scratch('bundle'), 'all');
  exportBundle(folder, { from: undefined, to: undefined }, bundle);
  const trust = `${bundle}.trust`;
  writeFileSync(trust, `log ${logOf(folder).key}\nquorum none\n`);
  const child = new Child(process.execPath, ['--input-type=module', '-e', VERIFIER, bundle, trust], {
    cwd: installed(),
  });
  await child.ended;
  const { kind, receipts, ...figures } = JSON.parse(child.printed) as Verified;
  if (kind !== 'proved' || receipts !== RECEIPTS) throw new Error(child.printed);
  const bundle_mib = statSync(bundle).size / 1_048_576;
  const { verify_s, peak_mib } = figures;
  return { verify_s, s_per_million: (verify_s / RECEIPTS) * 1e6, peak_mib, bundle_mib };
}

const VARIANTS: ReadonlyMap<string, Variant> = new Map([
  ['journal', journaled],
  ['plain rows', plain],
  ['open', opened],
  ['verify', verified],
]);

const GOALS: readonly Goal[] = [
  {
    name: '13 chained rows/s over plain rows',
    figure: 'rows_per_s',
    variant: 'journal',
    base: 'plain rows',
    atLeast: 0.6,
  },
  { name: '15 second half over the first', figure: 'second_over_first', variant: 'journal', atLeast: 0.9 },
  { name: '15 µs to know that a key is new', figure: 'new_key_us', variant: 'open', atMost: 10 },
  { name: '15 µs to find one that is not', figure: 'known_key_us', variant: 'open', atMost: 10 },
  { name: 's to verify a million receipts with their intents', figure: 's_per_million', variant: 'verify', atMost: 10 },
  { name: 'MiB to verify them', figure: 'peak_mib', variant: 'verify', atMost: 256 },
  { name: 's to open the journal', figure: 'open_s', variant: 'open', atMost: 5 },
];

await rounds('receipts as proof', VARIANTS, GOALS, 1);
