/**
 * B1: MQTT publish → operator in its own process → Modbus register changed, with intent and receipt durable, against Node-RED, which
 * keeps nothing. Latency at a fixed rate, then the highest rate with so many messages outstanding, each of another zone.
 *
 * Publisher and Modbus server are this process, so both ends share one clock and cost the same for every subject.
 * `--rate` actions/s and `--lat` seconds of the first part, `--window` and `--thr` seconds of the second, `--slow` ms that every flush
 * of the gateway takes longer, as on flash.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openJournalReader } from '@fibric/gateway/journal/reader';
import { dataOf, hostsOf, makeSite, startGateway, topicOf } from './gateway.ts';
import {
  type Child,
  cpuSeconds,
  type Figures,
  freshPort,
  type Goal,
  now,
  option,
  quantile,
  rounds,
  rssMib,
  scratch,
  sleep,
  until,
  type Variant,
} from './lib.ts';
import { hasNodeRed, mosquitto, nodeRed } from './peers.ts';
import { ModbusMemory, Publisher } from './wire.ts';

const RATE = option('rate', 100);
const LATENCY_S = option('lat', 6);
const THROUGHPUT_S = option('thr', 6);
const WINDOW = option('window', 64);
const SLOW_MS = option('slow', 0);
/** More than are outstanding, so that no two of them are for one zone. */
const ZONES = 2 * WINDOW;
const GIVEN_UP_MS = 3_000;

/** Messages on their way, by the value that is to arrive in a register. */
class Traffic {
  readonly latencies: number[] = [];
  arrived = 0;
  /** Called for each that arrived. */
  next: () => void = () => {};
  readonly #publisher: Publisher;
  readonly #sent = new Map<number, number>();
  #value = 0;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  publish(): void {
    this.#value = (this.#value % 65_000) + 1;
    this.#sent.set(this.#value, now());
    const padding = 'x'.repeat(12);
    const payload = `{"id":"dev0001","ts":${Date.now()},"v":${this.#value},"q":"good","u":"Cel","site":"a","line":"l1","pad":"${padding}"}`;
    this.#publisher.publish(topicOf(1 + (this.#value % ZONES)), payload);
  }

  written(value: number): void {
    const sentAt = this.#sent.get(value);
    if (sentAt === undefined) return;
    this.#sent.delete(value);
    this.latencies.push(now() - sentAt);
    this.arrived += 1;
    this.next();
  }

  get outstanding(): number {
    return this.#sent.size;
  }

  /** Forgets what is too old to come any more; returns how many. */
  giveUp(olderMs: number): number {
    const old = [...this.#sent].filter(([, sentAt]) => sentAt < now() - olderMs);
    for (const [value] of old) this.#sent.delete(value);
    return old.length;
  }

  async drain(): Promise<void> {
    await until(() => {
      this.giveUp(GIVEN_UP_MS);
      return this.outstanding === 0;
    });
    this.latencies.length = 0;
    this.arrived = 0;
  }
}

/** Flushes of a subject so far; those of its journal apart. */
interface Flushes {
  readonly environment: Readonly<Record<string, string>>;
  journal(): number;
  others(): number;
}

function countFlushes(): Flushes {
  const dir = scratch('flushes');
  const [library, log] = [join(dir, 'flushes.so'), join(dir, 'log')];
  execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', library, join(import.meta.dirname, 'flushes.c'), '-ldl']);
  const counter = (at: number): number => (existsSync(log) ? Number(readFileSync(log).readBigUInt64LE(at)) : 0);
  return {
    environment: { LD_PRELOAD: library, SLOW_MS: String(SLOW_MS), FLUSH_LOG: log },
    journal: () => counter(0),
    others: () => counter(8),
  };
}

interface Ends {
  readonly mqtt: number;
  readonly modbus: number;
}

interface Subject {
  readonly child: Child;
  /** The subject's own figures, once it has stopped. */
  readonly after?: (done: { readonly actions: number }) => Figures;
  readonly flushes?: Flushes;
}

async function atRate(traffic: Traffic, { child, flushes }: Subject): Promise<Figures> {
  const wanted = RATE * LATENCY_S;
  const [start, cpu, flushed] = [now(), cpuSeconds(child.pid), flushes?.journal() ?? 0];
  for (let i = 1; i <= wanted; i++) {
    traffic.publish();
    const early = start + (i * 1_000) / RATE - now();
    if (early > 0) await sleep(early);
  }
  const cpu_pct = (100 * (cpuSeconds(child.pid) - cpu)) / ((now() - start) / 1_000);
  await sleep(800);
  const { latencies } = traffic;
  const late = {
    p50_ms: quantile(latencies, 0.5),
    p99_ms: quantile(latencies, 0.99),
    max_ms: Math.max(...latencies),
    lost: wanted - latencies.length,
  };
  return {
    ...late,
    cpu_pct_at_rate: cpu_pct,
    ...(flushes ? { flushes_alone: (flushes.journal() - flushed) / latencies.length } : {}),
  };
}

async function flatOut(traffic: Traffic, { child, flushes }: Subject): Promise<Figures> {
  await traffic.drain();
  const [start, cpu, flushed, other] = [now(), cpuSeconds(child.pid), flushes?.journal() ?? 0, flushes?.others() ?? 0];
  const hosts = hostsOf(child).map((pid) => [pid, cpuSeconds(pid)] as const);
  traffic.next = () => traffic.publish();
  for (let i = 0; i < WINDOW; i++) traffic.publish();
  let stale = 0;
  while (now() < start + THROUGHPUT_S * 1_000) {
    await sleep(250);
    for (let lost = traffic.giveUp(GIVEN_UP_MS); lost > 0; lost--) {
      stale += 1;
      traffic.publish();
    }
  }
  traffic.next = () => {};
  const seconds = (now() - start) / 1_000;
  const per = (total: number): number => total / traffic.arrived;
  const busy = {
    actions_s: traffic.arrived / seconds,
    cpu_us: per((cpuSeconds(child.pid) - cpu) * 1e6),
    stale,
    rss_mib: rssMib(child.pid),
  };
  const host =
    hosts.length === 0
      ? {}
      : { host_cpu_us: per(hosts.reduce((sum, [pid, before]) => sum + cpuSeconds(pid) - before, 0) * 1e6) };
  return {
    ...busy,
    ...host,
    ...(flushes
      ? { flushes_busy: per(flushes.journal() - flushed), other_flushes_s: (flushes.others() - other) / seconds }
      : {}),
  };
}

async function loop(make: (ends: Ends) => Promise<Subject>): Promise<Figures> {
  let traffic: Traffic | null = null;
  const modbus = freshPort();
  const device = new ModbusMemory((value) => traffic?.written(value));
  await device.listen(modbus);
  const broker = await mosquitto();
  const publisher = await Publisher.connect(broker.port);
  const own = (traffic = new Traffic(publisher));
  const started = now();
  const subject = await make({ mqtt: broker.port, modbus });
  try {
    await until(() => (own.arrived > 0 ? true : (own.publish(), false)), 60_000, 10);
    const start_ms = now() - started;
    await sleep(1_500);
    for (let i = 0; i < 300; i++) {
      own.publish();
      await sleep(4);
    }
    await sleep(500);
    await own.drain();
    const alone = await atRate(own, subject);
    const busy = await flatOut(own, subject);
    await own.drain();
    await subject.child.stop();
    return { start_ms, ...alone, ...busy, ...subject.after?.({ actions: own.arrived }) };
  } finally {
    publisher.close();
    await subject.child.stop();
    await broker.child.stop();
    device.close();
  }
}

async function gateway({ mqtt, modbus }: Ends, actuators: 'registers' | 'units'): Promise<Subject> {
  const site = makeSite({ mqtt, modbus, zones: ZONES, actuators });
  const flushes = countFlushes();
  return { child: startGateway(site, flushes.environment), flushes, after: () => proved(dataOf(site)) };
}

/** What the journal says when all is over: rows that do not chain, and actions that did not end as applied and verified. */
function proved(data: string): Figures {
  const journal = openJournalReader(data);
  const verified = journal.verify();
  const receipts = journal.receipts({ limit: Number.MAX_SAFE_INTEGER });
  journal.close();
  if (verified.kind !== 'proved')
    throw new Error(`the journal does not verify: row ${verified.seq}: ${verified.reason}`);
  return { receipts: receipts.length, not_applied: receipts.filter(({ outcome }) => outcome !== 'applied').length };
}

const red =
  (bufferCommands: boolean) =>
  async (ends: Ends): Promise<Subject> => ({
    child: await nodeRed('nr', { ...ends, topics: 'site/+/demand', bufferCommands }),
  });

const OURS = 'gateway, zones are registers of a controller';
const OURS_UNITS = 'gateway, zones are controllers on one link';
const RED = 'Node-RED, defaults';
const RED_UNBUFFERED = 'Node-RED without command buffer';
const variants = new Map<string, Variant>([
  [OURS, () => loop((ends) => gateway(ends, 'registers'))],
  [OURS_UNITS, () => loop((ends) => gateway(ends, 'units'))],
]);
if (SLOW_MS === 0 && hasNodeRed('nr')) {
  variants.set(RED, () => loop(red(true)));
  variants.set(RED_UNBUFFERED, () => loop(red(false)));
}

const goals: readonly Goal[] =
  SLOW_MS > 0
    ? [{ name: `goal 9: p50 over one flush of ${SLOW_MS} ms`, figure: 'p50_ms', variant: OURS, atMost: 1.3 * SLOW_MS }]
    : [
        { name: 'goal 5: p50 over Node-RED', figure: 'p50_ms', variant: OURS, base: RED, atMost: 0.45 },
        { name: 'goal 5: p99 over Node-RED', figure: 'p99_ms', variant: OURS, base: RED, atMost: 0.6 },
        { name: 'goal 7: actions/s over Node-RED', figure: 'actions_s', variant: OURS, base: RED, atLeast: 20 },
        {
          name: 'goal 7: actions/s over Node-RED without command buffer',
          figure: 'actions_s',
          variant: OURS,
          base: RED_UNBUFFERED,
          atLeast: 0.5,
        },
        { name: 'goal 8: CPU an action over Node-RED', figure: 'cpu_us', variant: OURS, base: RED, atMost: 0.2 },
      ];
const flushGoals: readonly Goal[] = [
  { name: 'goal 14: flushes an action, alone', figure: 'flushes_alone', variant: OURS, atMost: 2.2 },
  { name: `goal 14: flushes an action, ${WINDOW} outstanding`, figure: 'flushes_busy', variant: OURS, atMost: 0.1 },
];
const slowly = SLOW_MS > 0 ? `, every flush +${SLOW_MS} ms` : '';
await rounds(`publish → register changed, ${RATE}/s, then ${WINDOW} outstanding${slowly}`, variants, [
  ...goals,
  ...flushGoals,
]);
process.exit(0);
