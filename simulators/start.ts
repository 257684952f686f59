/** `npm start`: a simulated site in this process, the real gateway on it as a child process, and a commentary on what happens. */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { type Clock, messageOf, sleep } from '@fibric/sdk';
import { HELP, parseStartArgs, type StartOptions } from './args.ts';
import { Feed } from './feed.ts';
import { GatewayClient } from './gateway-client.ts';
import { askReady, gatewayOn, GatewayProcess } from './gateway-process.ts';
import { openHotel } from './hotel-show.ts';
import { openOffice } from './office-show.ts';
import { listening, PortTaken } from './ports.ts';
import { recordsOf } from './records.ts';
import { aborted, Refused, type Show, type Stage } from './show.ts';
import { siteFilePath } from './site-file.ts';
import { systemClock } from './system.ts';

const ROOT = dirname(import.meta.dirname);
const LAUNCHER = join(ROOT, 'cli/fibric.cjs');
const NEWS_EVERY_MS = 500;
const READINGS_EVERY_MS = 5_000;
const HEARD_WITHIN_MS = 15_000;
const SAME_SIGNAL_MS = 1_000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(line: string): void {
  process.stderr.write(`npm start: ${line}\n`);
}

async function main(): Promise<number> {
  const args = parseStartArgs(process.argv.slice(2));
  if (args.kind === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (args.kind === 'wrong') {
    complain(`${args.message}; --help shows what there is`);
    return 2;
  }
  try {
    return await perform(args.options);
  } catch (error) {
    if (error instanceof Refused || error instanceof PortTaken) {
      complain(error.message);
      return error instanceof Refused ? error.exitCode : 1;
    }
    throw error;
  }
}

/** From the curtain to the last light: opens the world, starts the gateway, comments, and stops both in that order. */
async function perform(options: StartOptions): Promise<number> {
  const real = systemClock();
  const data = resolve(options.data);
  const stage: Stage = {
    root: ROOT,
    data,
    dataAsTyped: options.data,
    speed: options.speed,
    ports: options.ports,
    real,
    say,
  };
  await refuseSecond(data, options.data);
  const show =
    options.site === 'office' ? await openOffice(stage, options.recording ?? '') : openHotel(stage, options.seed);
  mkdirSync(data, { recursive: true });
  const stop = stopSignal(real);
  const gateway = new GatewayProcess({ launcher: LAUNCHER, siteFile: siteFilePath(data), data, clock: real });
  // Whatever ends this process: the gateway does not stay behind.
  process.once('exit', () => gateway.stopNow());
  for (const line of show.about) say(line);
  try {
    await listening('api', options.ports.api, () => tryPort(options.ports.api));
    await show.open();
    gateway.start();
    const code = await underWay(options, show, gateway, { real, stop });
    await gateway.stop();
    for (const line of await show.summary(recordsOf(LAUNCHER, data))) say(line);
    return code;
  } finally {
    await gateway.stop();
    await show.close();
  }
}

interface House {
  readonly real: Clock;
  readonly stop: AbortController;
}

/** Waits for the gateway, then lets the show run until it ends, the user stops it, or the gateway dies. */
async function underWay(options: StartOptions, show: Show, gateway: GatewayProcess, house: House): Promise<number> {
  const { real, stop } = house;
  const started = await Promise.race([gateway.ready(), aborted(stop.signal)]);
  if (started === 'aborted') return 0;
  if (started.kind !== 'ready') return notStarted(gateway, started);
  const untilMs = real.monoMs() + HEARD_WITHIN_MS;
  while (!show.heard && real.monoMs() < untilMs && !stop.signal.aborted) await sleep(real, 20);
  const client = new GatewayClient(started.url, started.token);
  sayWhereToLook(options, show, started.url);
  const feed = new Feed({ client, timezone: show.timezone, say });
  const commentary = comment(feed, real, stop.signal, () => gateway.running);
  const died = gateway.exited.then(() => 'died' as const);
  const end = await Promise.race([runToEnd(options, show, client, stop.signal), died]);
  if (end === 'died' && !stop.signal.aborted) return gatewayDied(gateway);
  stop.abort();
  await commentary;
  say('Stopping: the gateway finishes what it has begun.');
  return 0;
}

/** Runs the show; one that has an end says what it came to, or leaves the gateway running. */
async function runToEnd(
  options: StartOptions,
  show: Show,
  client: GatewayClient,
  signal: AbortSignal,
): Promise<'ended'> {
  if ((await show.run(signal)) === 'aborted') return 'ended';
  say('The recording has ended.');
  if (options.exitAtEnd) {
    await show.finish(client);
  } else {
    say('The gateway keeps running: Ctrl-C stops it.');
    await aborted(signal);
  }
  return 'ended';
}

/** The commentary, until the end. A question that the gateway does not answer is said once. */
async function comment(feed: Feed, real: Clock, signal: AbortSignal, running: () => boolean): Promise<void> {
  let readingsMs = real.monoMs();
  let begun = false;
  let complained = false;
  while (!signal.aborted && running()) {
    try {
      if (!begun) await feed.begin();
      begun = true;
      await feed.news();
      if (real.monoMs() >= readingsMs) {
        readingsMs = real.monoMs() + READINGS_EVERY_MS;
        await feed.readings();
      }
      complained = false;
    } catch (error) {
      if (!complained && running() && !signal.aborted) say(`The gateway's API does not answer: ${messageOf(error)}`);
      complained = true;
    }
    await sleep(real, NEWS_EVERY_MS, signal);
  }
}

function sayWhereToLook(options: StartOptions, show: Show, url: string): void {
  const data = options.data;
  const fibric = `node ${relativeLauncher()}`;
  const rows: readonly (readonly [string, string, string])[] = [
    ['data', data, 'everything this run leaves behind'],
    ['gateway', url, `token in ${join(data, 'token')}, log in ${join(data, 'gateway.log')}`],
    ['', '', `${fibric} receipts tail --data ${data}`],
    ...show.hints.map(({ name, where, command }) => [name, where, command] as const),
  ];
  const width = Math.max(...rows.map(([, where]) => where.length));
  say('');
  for (const [name, where, command] of rows) say(`  ${name.padEnd(11)} ${where.padEnd(width)}  ${command}`.trimEnd());
  say('');
  say('Ctrl-C stops everything. Times are those of the simulated site.');
  say('');
}

function relativeLauncher(): string {
  const launcher = join('cli', 'fibric.cjs');
  return process.cwd() === ROOT ? launcher : join(ROOT, launcher);
}

function notStarted(
  gateway: GatewayProcess,
  why: { readonly kind: 'died' | 'too_slow'; readonly reasons?: string },
): number {
  if (why.kind === 'died') return gatewayDied(gateway);
  complain(`the gateway was not ready in a minute: ${why.reasons ?? ''}; its log is ${gateway.logFile}`);
  return 1;
}

function gatewayDied(gateway: GatewayProcess): number {
  complain(`the gateway has ended by itself; the last lines of ${gateway.logFile}:`);
  for (const line of gateway.lastLines(15)) process.stderr.write(`  ${line}\n`);
  return 1;
}

/** Refuses when a gateway already runs on the folder. */
async function refuseSecond(data: string, asTyped: string): Promise<void> {
  const other = gatewayOn(data);
  if (other === null || (await askReady(other.url)) === null) return;
  throw new Refused(
    `a gateway already runs on ${asTyped}, as process ${other.pid}: stop it, or name another folder with --data`,
    1,
  );
}

/** The gateway's port is the child's to open: this only finds out early, and in our words, whether it can. */
async function tryPort(port: number): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', done);
  });
  await new Promise<void>((done) => server.close(() => done()));
}

/** Aborts on the first signal, or when nobody reads along any more; asked again after a while, the process ends at once. */
function stopSignal(real: Clock): AbortController {
  const stop = new AbortController();
  let askedMs = 0;
  const onSignal = (): void => {
    // One Ctrl-C may come twice: from the terminal, and from the launcher that passes it on.
    if (stop.signal.aborted && real.monoMs() - askedMs > SAME_SIGNAL_MS) process.exit(1);
    askedMs = stop.signal.aborted ? askedMs : real.monoMs();
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // `npm start | head`: whoever read along has seen enough.
  process.stdout.on('error', () => stop.abort());
  return stop;
}

process.exit(await main());
