/** One run: a site, its operators, its devices and everything that befalls them, all from one seed. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Envelope, FibricError, type PointValue } from '@fibric/sdk';
import { check, type Story } from './checks.ts';
import { type Dice, diceOf } from './dice.ts';
import { Field } from './field.ts';
import { type Habit, HABITS, RULES_OF } from './habits.ts';
import { CALM, type Faults } from './link.ts';
import { Machine, type Mishaps, type Process, SAFE, type Sabotage } from './machine.ts';
import { KNOBS, READ_POINTS, registerOf, REQUIRES } from './site.ts';
import { Timeline, WallClock } from './timeline.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How often somebody comes round. */
const LOOKED_AFTER_MS = 10 * MINUTE_MS;
/** Mean time between two words of a person to what waits. */
const ANSWER_EVERY_MS = 2 * MINUTE_MS;
/** The longest time from the last proposal to the last receipt: a doubt behind a doubt, with waits for lanes. */
const QUIET_MS = HOUR_MS;
/** When, after the last fault, a person says no to what still waits: again, for the gateway may be down. */
const REFUSED_AFTER_MS = [10 * MINUTE_MS, 30 * MINUTE_MS];
const START_MS = Date.parse('2026-03-28T22:30:00Z');

/** What one run came to. */
export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly virtualMs: number;
  readonly boots: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly actions: number;
  readonly sent: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Every step and end of an action that was seen. */
  readonly ways: readonly string[];
  /** Of the last row: two runs of one seed end in the same. */
  readonly head: string;
  readonly notes: readonly string[];
  readonly log: readonly string[];
}

/** The weather of one seed: some are calm, some are wild, so that rare things also happen alone. */
interface Weather {
  readonly lastsMs: number;
  readonly pace: number;
  readonly pollMs: number;
  readonly faults: Faults;
  readonly mishaps: Mishaps;
  readonly people: number;
  readonly reboots: number;
  readonly outages: number;
  readonly clockJumps: number;
  readonly sleeps: number;
  readonly habits: readonly Habit[];
}

function weatherOf(dice: Dice): Weather {
  const some = (most: number): number => (dice.chance(0.5) ? 0 : dice.next() * most);
  const lastsMs = dice.pick([20 * MINUTE_MS, HOUR_MS, HOUR_MS, 30 * HOUR_MS]);
  const long = lastsMs > HOUR_MS;
  return {
    lastsMs,
    pace: long ? 40 : 1.3,
    pollMs: long ? 60_000 : 10_000,
    faults: {
      writes: {
        obey: 1,
        ignore: some(0.2),
        refuse: some(0.2),
        lost_request: some(0.2),
        lost_answer: some(0.3),
        late: some(0.3),
        slow_actuator: some(0.3),
        half: some(0.1),
        defect: some(0.1),
      },
      badRead: some(0.05),
      slowBus: some(0.1),
      meddling: some(0.05),
    },
    mishaps: { kill: some(0.02), stall: some(0.02), diskFailure: some(0.6), powerLoss: some(1) },
    people: some(12),
    reboots: some(6),
    outages: some(5),
    clockJumps: some(4),
    sleeps: some(3),
    habits: HABITS.filter(() => dice.chance(0.7)),
  };
}

/** Memory is enough: what is on disk is what was committed, whatever the disk is made of. */
function scratch(): string {
  const memory = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() ? '/dev/shm' : tmpdir();
  return mkdtempSync(join(memory, 'fibric-sim-'));
}

class World {
  readonly timeline = new Timeline();
  readonly wall = new WallClock(this.timeline, START_MS);
  readonly field = new Field(this.timeline);
  readonly violations: string[] = [];
  readonly notes: string[] = [];
  readonly story: Pick<Story, 'submissions' | 'states'> = { submissions: [], states: new Map() };
  readonly dice: Dice;
  readonly weather: Weather;
  readonly folder = scratch();
  readonly machine: Machine;
  #up = true;
  #calm = false;
  #runs = 0;

  constructor(seed: number, sabotage: Sabotage) {
    this.dice = diceOf(seed);
    this.weather = weatherOf(this.dice.fork());
    const { timeline, wall, field, folder } = this;
    this.machine = new Machine({
      folder,
      timeline,
      wall,
      field,
      sabotage,
      dice: this.dice.fork(),
      policies: RULES_OF,
      pollMs: this.weather.pollMs,
      mishaps: () => (this.#calm ? SAFE : this.weather.mishaps),
      faults: () => (this.#calm ? CALM : this.weather.faults),
      isUp: () => this.#up,
      complain: (what) => this.complain(what),
      note: (what) => this.note(what),
      meddle: (device) => this.#turnKnob(registerOf(device, 'setpoint')),
      install: (process) => this.#install(process),
    });
  }

  complain(what: string): void {
    this.violations.push(`${(this.timeline.now / 1_000).toFixed(3)} s: ${what}`);
  }

  note(what: string): void {
    this.notes.push(`${(this.timeline.now / 1_000).toFixed(3)} s  ${what}`);
  }

  async live(): Promise<void> {
    const { timeline, machine, weather } = this;
    this.#befall(weather.people, () => this.#turnKnob(this.dice.pick(KNOBS)));
    this.#befall(weather.reboots, () => this.#reboot());
    this.#befall(weather.outages, () => this.#outage());
    this.#befall(weather.clockJumps, () => this.#jump());
    this.#befall(weather.sleeps, () => machine.freeze(this.dice.pick([MINUTE_MS, 20 * MINUTE_MS]), true));
    this.#befall(weather.lastsMs / LOOKED_AFTER_MS, () => void this.#lookAfter());
    this.#befall(weather.lastsMs / weather.pace / ANSWER_EVERY_MS, () => void this.#answer());
    this.#befall(2, () => void machine.stop());
    machine.boot();
    await timeline.run(weather.lastsMs);
    await this.#quiet();
  }

  /** Faults end; whatever was begun comes to its end. */
  async #quiet(): Promise<void> {
    const { timeline, machine, field } = this;
    this.#calm = true;
    this.#up = true;
    field.powerUp();
    const until = timeline.now + QUIET_MS;
    for (const ms of REFUSED_AFTER_MS) timeline.after(ms, () => void this.#refuse());
    const isQuiet = (): boolean => {
      const kernel = machine.process?.kernel;
      // One whose journal has failed is about to end, and another to begin.
      if (kernel === undefined || kernel.journal.failure || kernel.executor.busy > 0) return false;
      const { open, leases } = kernel.journal.projection;
      return open.rows.size === 0 && [...leases.rows.values()].every(({ ttl_ms }) => ttl_ms === null);
    };
    await timeline.run(until, isQuiet);
    if (!isQuiet()) this.complain('not quiet an hour after the last fault');
    const last = machine.process?.kernel.journal;
    if (last) await last.durable();
  }

  /** About `times` times, at moments of chance. */
  #befall(times: number, what: () => void): void {
    const { dice, timeline, weather } = this;
    const count = Math.floor(times) + (dice.chance(times % 1) ? 1 : 0);
    for (let i = 0; i < count; i++) timeline.after(dice.int(0, weather.lastsMs), what);
  }

  #turnKnob(register: string): void {
    if (!KNOBS.includes(register)) return;
    const value = this.dice.pick([15, 18, 20, 21, 22.5, 24]);
    const by = this.dice.pick(['person', 'master'] as const);
    this.note(`${by} sets ${register} to ${value}`);
    this.field.turn(register, value, by);
  }

  /** Somebody comes round, says truly what became of pulses and calls that nobody could tell the fate of, and closes the breakers. */
  async #lookAfter(): Promise<void> {
    const kernel = this.machine.process?.kernel;
    if (!kernel || kernel.journal.failure) return;
    const { journal } = kernel;
    const { unknowns, breakers } = journal.projection;
    const who = 'duty-engineer';
    for (const [receipt_id, { action_id, idempotency_key }] of unknowns.rows) {
      if (!/:(gate|desk):/.test(idempotency_key)) continue;
      const came = this.field.sent.some((sent) => sent.intent?.action_id === action_id && sent.effects.length > 0);
      const conclusion = came ? 'confirmed_applied' : 'confirmed_not_applied';
      const said = { conclusion, who, method: 'local_token', reason: 'looked' } as const;
      this.note(`${who} says that ${action_id} ${came ? 'came' : 'did not come'}`);
      journal.append({ type: 'correction/1', receipt_id, action_id, idempotency_key, ...said });
    }
    for (const breaker_id of breakers.rows.keys())
      journal.append({ type: 'breaker/1', state: 'closed', breaker_id, who, reason: null });
    await journal.durable().catch(() => undefined);
  }

  /** A person says something to what waits, or to what has been decided already. */
  async #answer(): Promise<void> {
    const { dice } = this;
    const kernel = this.machine.process?.kernel;
    const open = [...(kernel?.journal.projection.open.rows.values() ?? [])].filter(({ waiting }) => waiting !== null);
    if (!kernel || open.length === 0) return;
    const { plan_id, ordinal } = dice.pick(open).action;
    const [decision, who] = [dice.pick(['approve', 'approve', 'veto'] as const), dice.pick(['anna', 'bert'])];
    this.note(`${who} says ${decision} to ${plan_id}`);
    const action = dice.chance(0.5) ? null : ordinal + 1;
    try {
      const said = { decision, plan_id, action, who, plan_hash: null, basis_hash: null, reason: null };
      await kernel.executor.approvals.say(said);
    } catch (error) {
      if (!(error instanceof FibricError) && !kernel.journal.failure)
        this.complain(`saying ${decision} threw: ${String(error)}`);
    }
  }

  /** Nobody waits any longer: a person says no to whatever waits for one. */
  async #refuse(): Promise<void> {
    const kernel = this.machine.process?.kernel;
    const open = [...(kernel?.journal.projection.open.rows.values() ?? [])].filter(
      ({ status }) => status === 'awaiting',
    );
    const no = {
      decision: 'veto',
      action: null,
      who: 'anna',
      plan_hash: null,
      basis_hash: null,
      reason: null,
    } as const;
    for (const plan_id of new Set(open.map(({ action }) => action.plan_id)))
      await kernel?.executor.approvals.say({ plan_id, ...no }).catch(() => undefined);
  }

  #reboot(): void {
    const device = this.dice.pick(READ_POINTS).device;
    const ms = this.dice.pick([500, 5_000, 400_000]);
    this.note(`${device} restarts, dark for ${ms} ms`);
    this.field.reboot(device, ms, this.dice.chance(0.6));
  }

  #outage(): void {
    const ms = this.dice.pick([200, 10_000, 400_000]);
    this.note(`line down for ${ms} ms`);
    this.#up = false;
    this.machine.unplug();
    this.timeline.after(ms, () => void (this.#up = true));
  }

  #jump(): void {
    const ms = this.dice.pick([-HOUR_MS, HOUR_MS, -2_000, 20 * MINUTE_MS, 10 * 365 * 24 * HOUR_MS]);
    this.note(`wall clock jumps by ${ms} ms`);
    this.wall.skewMs += ms;
  }

  /** What `operators.ts` does, without a process for each operator. */
  #install(process: Process): void {
    const { journal } = process.kernel;
    for (const habit of this.weather.habits) {
      let n = Number(journal.projection.states.rows.get(habit.name)?.['n'] ?? 0);
      const acknowledged = this.story.states.get(habit.name) ?? 0;
      if (n < acknowledged) this.complain(`state of ${habit.name} went back: ${n} after ${acknowledged}`);
      const wake = (event: Envelope): void => this.#run(process, habit, event, ++n);
      if (habit.on) process.router.add(habit.on, wake);
      else process.schedule.every(habit.everyMs * this.weather.pace * (0.5 + this.dice.next()), wake);
    }
  }

  #run(process: Process, habit: Habit, event: Envelope, n: number): void {
    if (this.#calm) return;
    const run_id = `run_${++this.#runs}`;
    for (const plan of habit.run(this.dice, n)) {
      for (let times = habit.repeats && this.dice.chance(0.3) ? 2 : 1; times > 0; times--) {
        void this.#submit(process, habit, event, run_id, n, plan);
      }
    }
  }

  async #submit(
    { kernel, observer, clock }: Process,
    { name, mode }: Habit,
    event: Envelope,
    run_id: string,
    n: number,
    plan: unknown,
  ): Promise<void> {
    const seen = new Map<string, PointValue>();
    for (const { device, point } of READ_POINTS) {
      const status = observer.points.get(device, point);
      if (status?.quality === 'good') seen.set(`${device}/${point}`, status.value);
    }
    const first = kernel.journal.nextSeq;
    const submitted = kernel.executor.submit({
      run_id,
      operator: { name, uid: name, version: 'local' },
      requires: REQUIRES,
      mode,
      event,
      proposed_by: 'rules',
      reasoner: null,
      plan,
      state: { n },
    });
    this.story.submissions.push({ first_seq: first, seen });
    try {
      const disposition = await submitted;
      if (disposition.rejected || clock.dead) return;
      this.story.states.set(name, Math.max(n, this.story.states.get(name) ?? 0));
    } catch (error) {
      if (!kernel.journal.failure) this.complain(`submit threw: ${String(error)}`);
    }
  }
}

/** Lives one seed through and judges it. */
export async function simulate(seed: number, sabotage: Sabotage = {}): Promise<Outcome> {
  const world = new World(seed, sabotage);
  const { machine, field, story } = world;
  try {
    await world.live();
    const findings = check(machine.dir, { ...story, field, told: machine.told, boots: machine.begun });
    return {
      seed,
      violations: [...world.violations, ...findings.violations],
      virtualMs: world.timeline.now,
      boots: machine.begun.length,
      ends: machine.ends,
      actions: findings.actions,
      sent: field.sent.length,
      outcomes: findings.outcomes,
      ways: findings.ways,
      head: findings.head,
      notes: world.notes,
      log: findings.log,
    };
  } finally {
    machine.close();
    rmSync(world.folder, { recursive: true, force: true });
  }
}
