/**
 * The box that the gateway runs on: starts the real kernel on what the disk holds, kills it, stops it, lets it stand still, and takes
 * its power away. A dead process is cut off from everything; what the next one finds is what was committed.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, mkdirSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { entityKey, type Envelope, type ReadingPayload, type Receipt, type WriteCommand } from '@fibric/sdk';
import { createBindings } from '@fibric/gateway/bindings';
import type { Site } from '@fibric/gateway/config/site';
import type { RulesNow } from '@fibric/gateway/executor/rules-now';
import { createIds, type Ids } from '@fibric/gateway/ids';
import { type Journal, openJournal } from '@fibric/gateway/journal/journal';
import type { IntentEntry } from '@fibric/gateway/journal/entries';
import { createObserver, type Observer } from '@fibric/gateway/observe/observer';
import { createRouter, type Router } from '@fibric/gateway/router';
import { createSchedule, type Schedule } from '@fibric/gateway/schedule';
import { identity, type Kernel, startKernel } from '../support/kernel.ts';
import type { Dice } from './dice.ts';
import type { Field, Sent } from './field.ts';
import { type Faults, Link } from './link.ts';
import { SITE } from './site.ts';
import { ProcessClock, type Timeline, type WallClock } from './timeline.ts';

/** Chances of a process's end or pause, at each moment that has a name. */
export interface Mishaps {
  readonly kill: number;
  readonly stall: number;
  /** Of a boot: a commit fails, sooner or later. */
  readonly diskFailure: number;
  /** Of a kill: the power goes with it, and leaves half a transaction at the end of the log. */
  readonly powerLoss: number;
}

export const SAFE: Mishaps = { kill: 0, stall: 0, diskFailure: 0, powerLoss: 0 };

/** Breaks a promise of the kernel on purpose, to see whether it is noticed. */
export interface Sabotage {
  /** Says that rows are on disk when they are not. */
  readonly lyingJournal?: boolean;
  /** Sends every command twice. */
  readonly doubleSend?: boolean;
  /** Forgets what was consumed. */
  readonly forgetfulKeys?: boolean;
  /** Does not know that two names are one register. */
  readonly openLanes?: boolean;
  /** Reads back what was sent, not what the device says. */
  readonly blindTrust?: boolean;
}

export interface MachineDeps {
  readonly folder: string;
  readonly timeline: Timeline;
  readonly wall: WallClock;
  readonly field: Field;
  readonly dice: Dice;
  readonly policies: RulesNow;
  readonly pollMs: number;
  readonly mishaps: () => Mishaps;
  readonly faults: () => Faults;
  readonly isUp: () => boolean;
  readonly complain: (what: string) => void;
  readonly meddle: (device: string) => void;
  readonly note: (what: string) => void;
  readonly sabotage: Sabotage;
  /** Called in every process, once its kernel stands. */
  readonly install: (process: Process) => void;
}

/** One process: the kernel and what surrounds it in `gateway.ts`. */
export interface Process {
  readonly clock: ProcessClock;
  readonly kernel: Kernel;
  readonly observer: Observer;
  readonly router: Router;
  readonly schedule: Schedule;
  readonly ids: Ids;
}

const never = new Promise<never>(() => undefined);
const JOURNAL = 'journal.db';
/** An intent that is still open stands among so many last rows: what was sent before is of no interest. */
const TAIL = 500;

export class Machine {
  process: Process | null = null;
  /** When each process began. */
  readonly begun: number[] = [];
  readonly ends: Record<string, number> = {};
  /** Receipts that somebody was told of: they must never be lost. */
  readonly told: Pick<Receipt, 'receipt_id' | 'hash' | 'outcome'>[] = [];
  readonly #deps: MachineDeps;
  readonly #intents = new Map<string, Sent['intent']>();
  #dir: string;
  #link: Link | null = null;
  #journal: Journal | null = null;
  #witness: Database.Database | null = null;
  #newRows: Database.Statement<[number], { seq: number; kind: string; body: string }> | null = null;
  #seen = 0;
  #salts = 0;
  #frozen = false;
  #broken = false;

  constructor(deps: MachineDeps) {
    this.#deps = deps;
    this.#dir = join(deps.folder, 'disk-0');
  }

  /** As good as random to whoever reads the rows, and the same in every life of a seed. */
  #salt(): Buffer {
    return createHash('sha256')
      .update(`salt ${this.#salts++}`)
      .digest()
      .subarray(0, 16);
  }

  get dir(): string {
    return this.#dir;
  }

  boot(): void {
    const { timeline, wall, dice, note, install, complain } = this.#deps;
    const boot = this.begun.push(timeline.now);
    note(`boot ${boot}`);
    const clock = new ProcessClock(timeline, wall);
    const ids = createIds(clock, dice.fork());
    const silent = {
      info: () => undefined,
      warn: () => undefined,
      error: (_: object, text: string) => note(`log: ${text}`),
    };
    const router = createRouter(silent);
    const emit = (envelope: Envelope): void => {
      const { entity, device, point } = envelope.payload as Partial<ReadingPayload>;
      if (entity && device && point)
        this.process?.kernel.executor.control.heard({ device, point, entity_key: entityKey(entity) });
      router.route(envelope);
    };
    const observer = createObserver({ site: SITE, clock, ids, emit });
    const schedule = createSchedule({ identity, clock, ids, emit });
    const link = this.#connect(clock);
    const bootId = `boot-${boot}`;
    try {
      const kernel = startKernel({
        dataDir: this.#dir,
        bootId,
        openJournal: (options) =>
          this.#watched(
            openJournal({ ...options, clock, salt: () => this.#salt(), onFailure: () => this.#journalFailed(clock) }),
            clock,
          ),
        parts: {
          clock,
          ioClock: clock,
          policies: this.#deps.policies,
          bindings: createBindings(this.#deps.sabotage.openLanes ? withoutRegisters(SITE) : SITE),
          points: observer.points,
          driver: () => link,
          observe: (readings) => observer.readings(readings),
          log: silent,
          onReceipt: ({ receipt_id, hash, outcome }) => void this.told.push({ receipt_id, hash, outcome }),
        },
      });
      if (clock.dead) return;
      this.process = { clock, kernel, observer, router, schedule, ids };
    } catch (error) {
      complain(`boot ${boot} failed: ${String(error)}`);
      throw error;
    }
    link.start(observer && { readings: (batch) => observer.readings(batch), status: () => undefined });
    observer.start();
    install(this.process);
    schedule.start();
  }

  /** Ends the process between two instructions. */
  kill(how: string): void {
    const { timeline, note, dice, mishaps } = this.#deps;
    if (!this.#link) return;
    note(how);
    this.ends[how] = (this.ends[how] ?? 0) + 1;
    if (this.process) this.process.clock.dead = true;
    this.#link.drop('closed');
    const power = dice.chance(mishaps().powerLoss);
    this.#leaveDisk(power);
    this.process = null;
    this.#link = null;
    timeline.after(dice.pick([50, 800, 5_000, 90_000, 600_000]), () => this.boot());
  }

  /** Ends it as SIGTERM does, and resolves when it is over. */
  async stop(): Promise<void> {
    const { process } = this;
    if (!process) return;
    await process.kernel.executor.stop();
    if (this.process !== process) return;
    this.kill('stopped');
  }

  /** The process stands still for a while, or the whole machine sleeps. */
  freeze(ms: number, asleep: boolean): void {
    if (!this.process || this.#frozen) return;
    this.#deps.note(`${asleep ? 'asleep' : 'stalled'} for ${ms} ms`);
    this.#frozen = true;
    this.process.clock.freeze(ms, asleep);
    this.#deps.timeline.after(ms, () => void (this.#frozen = false));
  }

  /** The line to the field breaks. */
  unplug(): void {
    this.#link?.drop('line down');
  }

  close(): void {
    this.#witness?.close();
    this.#journal?.close();
    this.#witness = null;
    this.#journal = null;
  }

  #connect(clock: ProcessClock): Link {
    const { timeline, field, dice, faults, isUp, wall, complain, meddle, pollMs } = this.#deps;
    const link = new Link({
      timeline,
      clock,
      field,
      faults,
      isUp,
      complain,
      meddle,
      pollMs,
      dice: dice.fork(),
      moment: (what) => this.#moment(what, clock),
      intentOf: (command) => this.#intentOf(command),
      wallMs: () => wall.ms,
    });
    sabotageLink(link, this.#deps);
    this.#link = link;
    return link;
  }

  #moment(what: string, clock: ProcessClock): boolean {
    const { dice, mishaps } = this.#deps;
    if (clock.dead) return true;
    if (dice.chance(mishaps().kill)) {
      clock.dead = true;
      this.kill(`killed at ${what}`);
      return true;
    }
    if (dice.chance(mishaps().stall)) this.freeze(dice.pick([300, 1_500, 12_000, 1_200_000]), dice.chance(0.5));
    return false;
  }

  /** The journal as this process sees it: it may die at every commit, and a failure may come after the rows are on disk. */
  #watched(journal: Journal, clock: ProcessClock): Journal {
    const { dice, mishaps, timeline, sabotage } = this.#deps;
    this.#journal = journal;
    this.#witness = new Database(join(this.#dir, JOURNAL));
    this.#newRows = this.#witness.prepare(
      "SELECT seq, kind, body FROM entries WHERE seq > ? AND kind IN ('intent/1', 'receipt/1') ORDER BY seq",
    );
    this.#seen = Math.max(0, journal.nextSeq - 1 - TAIL);
    let failure: Error | null = null;
    let failsAfter = Number.POSITIVE_INFINITY;
    if (dice.chance(mishaps().diskFailure)) {
      if (dice.chance(0.5)) failsAfter = dice.int(2, 30);
      else {
        breakDisk(this.#witness, journal.nextSeq + dice.int(2, 60));
        this.#broken = true;
      }
    }
    const durable = async (): Promise<void> => {
      if (clock.dead || this.#moment('before commit', clock)) return never;
      if (failure) throw failure;
      if (sabotage.lyingJournal) return;
      timeline.begun++;
      try {
        await journal.durable();
      } finally {
        timeline.begun++;
      }
      if (clock.dead || this.#moment('after commit', clock)) return never;
      if (journal.commits >= failsAfter) {
        failure = new Error('disk I/O error, reported after the rows were written');
        this.#journalFailed(clock);
        throw failure;
      }
    };
    return new Proxy(journal, {
      get(target, name) {
        if (name === 'durable') return durable;
        if (name === 'failure' && failure) return failure;
        if (name === 'consumed' && sabotage.forgetfulKeys) return () => null;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** What main.ts does: nothing may be acted on any more, and the process ends. */
  #journalFailed(clock: ProcessClock): void {
    const { timeline, dice } = this.#deps;
    timeline.after(dice.int(0, 20), () => {
      if (clock.dead) return;
      clock.dead = true;
      this.kill('journal failed');
    });
  }

  /** X1 Reads the disk itself: the intent of this command must be there. */
  #intentOf(command: WriteCommand): Sent['intent'] {
    const rows = this.#newRows?.all(this.#seen);
    for (const { seq, kind, body } of rows ?? []) {
      this.#seen = seq;
      const row = JSON.parse(body) as IntentEntry;
      if (kind === 'receipt/1') this.#intents.delete(row.idempotency_key);
      else this.#intents.set(row.idempotency_key, { action_id: row.action_id, attempt: row.attempt });
    }
    const intent = this.#intents.get(command.idempotencyKey) ?? null;
    if (!intent) this.#deps.complain(`X1 sent without a durable intent: ${command.idempotencyKey}`);
    return intent;
  }

  /** What is on disk now is what the next process finds: nothing that was only in memory. */
  #leaveDisk(power: boolean): void {
    const next = join(this.#deps.folder, `disk-${this.begun.length}`);
    mkdirSync(next);
    for (const file of [JOURNAL, `${JOURNAL}-wal`]) {
      if (existsSync(join(this.#dir, file))) copyFileSync(join(this.#dir, file), join(next, file));
    }
    this.close();
    rmSync(this.#dir, { recursive: true, force: true });
    this.#dir = next;
    this.#intents.clear();
    if (power) tearLog(join(next, `${JOURNAL}-wal`), this.#deps.dice);
    if (this.#broken) mendDisk(join(next, JOURNAL));
    this.#broken = false;
  }
}

function sabotageLink(link: Link, { sabotage, field }: MachineDeps): void {
  const [send, read] = [link.write.bind(link), link.read.bind(link)];
  if (sabotage.doubleSend) {
    link.write = async (command) => {
      await send(command);
      return send(command);
    };
  }
  if (sabotage.blindTrust) {
    link.read = async (refs, timeoutMs) =>
      (await read(refs, timeoutMs)).map((reading) => {
        const sent = field.sent.findLast(({ device }) => device === reading.device);
        const written = sent?.writes.find(({ point }) => point === reading.point);
        return written ? { ...reading, value: written.value } : reading;
      });
  }
}

/** The site, of which nobody has said which register is behind which name. */
function withoutRegisters(site: Site): Site {
  const connections = [...site.connections].map(([id, connection]) => {
    const devices = connection.devices.map((device) => ({
      ...device,
      tools: device.tools.map((tool) => ({ ...tool, physical_points: [] })),
    }));
    return [id, { ...connection, devices }] as const;
  });
  return { ...site, connections: new Map(connections) };
}

/** From row `seq` on, every commit fails inside SQLite. */
function breakDisk(db: Database.Database, seq: number): void {
  db.exec(
    `CREATE TRIGGER broken BEFORE INSERT ON entries WHEN NEW.seq >= ${seq} BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END`,
  );
}

function mendDisk(file: string): void {
  const db = new Database(file);
  db.exec('DROP TRIGGER IF EXISTS broken');
  db.close();
}

/** A transaction that was being written when the power went: frames without the one that ends it. */
function tearLog(wal: string, dice: Dice): void {
  if (!existsSync(wal)) return;
  appendFileSync(wal, Buffer.from(Array.from({ length: dice.int(1, 6_000) }, () => dice.int(0, 255))));
}
