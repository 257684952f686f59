/**
 * The only composition root: here, and nowhere else, clock, randomness, environment, drivers and the folders of the product are
 * chosen and put together.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DRIVERS } from '@fibric/drivers';
import type { Finding } from '@fibric/policy';
import { FibricError, formatDuration, messageOf } from '@fibric/sdk';
import { type LoadedSite, loadSite } from './config/load.ts';
import { startGateway } from './gateway.ts';
import { createLog } from './log.ts';
import { checkPolicies, groundOf, type PolicyCheck } from './policies/check.ts';
import {
  clockSigns,
  environment,
  giveBackMemory,
  keepAlive,
  newBootId,
  simulatedClock,
  systemClock,
  systemRandom,
} from './system.ts';

const inProduct = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

function load(siteFile: string, data: string | undefined): LoadedSite {
  const options = { drivers: DRIVERS, operatorsDir: inProduct('operators'), profilesDir: inProduct('config/profiles') };
  return loadSite(siteFile, data === undefined ? options : { ...options, data });
}

/** Everything that is wrong with a site file, its profiles and its policies; empty when nothing is. */
export function validateSite(siteFile: string): readonly Finding[] {
  const loaded = load(siteFile, undefined);
  return loaded.kind === 'invalid' ? loaded.findings : loaded.policyFindings;
}

/** Checks the policies of a site, or one policy by what the site in `siteFile` knows. */
export function checkPolicy(file: string, siteFile: string | null): PolicyCheck {
  return checkPolicies(file, siteFile, (site) => load(site, undefined));
}

/** What policies may speak about in a site, or why its file cannot be used. Null: without a site. */
export function policyGround(siteFile: string | null): ReturnType<typeof groundOf> {
  return groundOf(siteFile, (site) => load(site, undefined));
}

/** A site file that cannot be used, with every finding. */
export class InvalidSite extends FibricError {
  readonly findings: readonly Finding[];

  constructor(siteFile: string, findings: readonly Finding[]) {
    super('config_invalid', `${siteFile} has ${findings.length} finding${findings.length === 1 ? '' : 's'}`);
    this.findings = findings;
  }
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return text;
}

/** In a terminal a hang-up means that the terminal is gone; elsewhere it asks a daemon to read its policies again. */
const hangsUp = (): boolean => process.stderr.isTTY;

/** Resolves at the first signal to end; the second ends the process at once. */
function asked(): Promise<string> {
  return new Promise((resolve) => {
    let signals = 0;
    const on = (signal: string): void => {
      if (++signals > 1) process.exit(1);
      resolve(signal);
    };
    process.on('SIGTERM', on);
    process.on('SIGINT', on);
    if (hangsUp()) process.on('SIGHUP', on);
  });
}

interface RunOptions {
  readonly siteFile: string;
  readonly data?: string;
}

/** Runs the gateway of a site until it is asked to stop. Throws `InvalidSite` or another `FibricError` when it cannot start. */
export async function runGateway(options: RunOptions): Promise<void> {
  const letGo = keepAlive();
  try {
    await run(options);
  } finally {
    letGo();
  }
}

async function run(options: RunOptions): Promise<void> {
  const loaded = load(options.siteFile, options.data);
  if (loaded.kind === 'invalid') throw new InvalidSite(options.siteFile, loaded.findings);
  const { site } = loaded;
  const ioClock = systemClock();
  const log = createLog(ioClock);
  const startedMs = ioClock.monoMs();
  const stopped = asked();
  const gateway = await startGateway({
    site,
    version: version(),
    pid: process.pid,
    ioClock,
    clock: site.simulation ? simulatedClock(site.simulation, ioClock) : ioClock,
    random: systemRandom(),
    clockSigns,
    slept: (ms) => ioClock.slept(ms),
    bootId: newBootId(),
    log,
    secret: environment().secret,
    async startBroker(broker) {
      const { createBroker } = await import('@fibric/drivers/broker');
      const running = createBroker({ ...broker, clock: ioClock, log, secret: environment().secret });
      await running.start();
      return () => running.stop();
    },
    onJournalFailure(error) {
      log.error({}, `${error.message}; ending now, what is in doubt is settled at the next start`);
      process.exit(1);
    },
  });
  // Now, while nothing that matters is under way: later it would be a pause.
  giveBackMemory();
  log.info(
    { url: gateway.url, site: site.name, data: site.data, took: formatDuration(ioClock.monoMs() - startedMs) },
    'ready',
  );
  if (site.simulation) log.warn({ world: site.simulation.world }, 'this is a simulated site: nothing here is real');
  if (!hangsUp())
    process.on(
      'SIGHUP',
      () => void gateway.reload('SIGHUP').catch((error: unknown) => log.error({}, messageOf(error))),
    );
  const signal = await stopped;
  log.info({ signal }, 'stopping');
  await gateway.stop();
  log.info({}, 'stopped');
}
