/** Looks for what is wrong, first on the disk, then in the running gateway; each finding says what to do. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CapabilityView, ConnectorView, OperatorView, PointView, StatusView } from '@fibric/gateway/api/view';
import type { LeaseView } from '@fibric/gateway/executor/lease-view';
import type { Verification } from '@fibric/gateway/journal/types';
import type { PolicyView } from '@fibric/gateway/policies/view';
import { messageOf } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { type Client, clientOf } from '../client.ts';
import { dataFolder, runningIn } from '../data-folder.ts';
import { count, document, findingLine, line, paint } from '../print.ts';
import { openRecords } from '../records.ts';
import type { SyncView } from './status.ts';

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do; null when all is well. */
  readonly next: string | null;
}

const well = (check: string, detail: string): Check => ({ check, ok: true, detail, next: null });
const ill = (check: string, detail: string, next: string): Check => ({ check, ok: false, detail, next });

export async function doctor(call: Call): Promise<ExitCode> {
  const data = await dataFolder(call);
  const running = await runningIn(data);
  const checks = [runtime(), folder(data), token(data), await chain(call)];
  if (running === null) {
    checks.push(
      ill(
        'gateway',
        `none runs on ${data}`,
        'Start it with `fibric up <site.yaml>`, or name its folder with `--data`.',
      ),
    );
  } else {
    checks.push(well('gateway', `answers at ${running.url}`), ...(await insideChecks(clientOf(data, running))));
  }
  print(call, checks);
  if (running === null) return EXIT.not_reachable;
  return checks.every((check) => check.ok) ? EXIT.done : EXIT.failed;
}

function print({ io, options }: Call, checks: readonly Check[]): void {
  if (options.json) {
    document(io, { object: 'doctor', ok: checks.every((check) => check.ok), checks });
    return;
  }
  for (const { ok, check, detail, next } of checks) {
    line(io, `${ok ? paint(io, 'green', 'ok ') : paint(io, 'red', 'BAD')}  ${check}: ${detail}`);
    if (next !== null) io.out(`     ${next}`);
  }
}

function runtime(): Check {
  return well('runtime', `Node ${process.versions.node} on ${process.platform} ${process.arch}`);
}

function folder(data: string): Check {
  try {
    accessSync(data, constants.R_OK | constants.W_OK);
    return well('data folder', data);
  } catch (error) {
    return ill('data folder', messageOf(error), 'Check the path and its permissions.');
  }
}

function token(data: string): Check {
  const file = join(data, 'token');
  if (!existsSync(file)) return ill('token', `there is no ${file}`, 'The gateway makes it when it starts.');
  const open = statSync(file).mode & 0o077;
  if (open !== 0) return ill('token', `${file} can be read by others`, `Close it: chmod 600 ${file}`);
  return well('token', 'only its owner can read it');
}

async function chain(call: Call): Promise<Check> {
  try {
    const records = await openRecords(call);
    const verification: Verification = await records.verify();
    records.close();
    if (verification.kind === 'tampered') {
      return ill(
        'journal',
        `does not verify at seq ${verification.seq}: ${verification.reason}`,
        'Keep the folder as evidence.',
      );
    }
    return well(
      'journal',
      `${count(verification.rows, 'row')}, ${count(verification.receipts, 'receipt')}, the chain is whole`,
    );
  } catch (error) {
    return ill('journal', messageOf(error), 'Check the path; a gateway that ran once leaves a journal.');
  }
}

async function insideChecks(client: Client): Promise<readonly Check[]> {
  const now = await client.get<StatusView>('/v1/status');
  const checks = [
    now.ready ? well('ready', 'yes') : ill('ready', now.not_ready.join('; '), 'See the reasons; the log has more.'),
    stopped(now.stop),
    leases(await Array.fromAsync(client.all<LeaseView>('/v1/leases'))),
  ];
  for await (const one of client.all<ConnectorView>('/v1/connectors')) checks.push(connector(one));
  for await (const one of client.all<CapabilityView>('/v1/capabilities')) {
    if (one.status === 'unbound' && one.operators.length > 0) checks.push(unbound(one));
  }
  for await (const one of client.all<OperatorView>('/v1/operators')) checks.push(operator(one));
  for await (const one of client.all<PolicyView>('/v1/policy')) checks.push(...refused(one));
  checks.push(
    points(await Array.fromAsync(client.all<PointView>('/v1/points'))),
    uplink(await client.get<SyncView>('/v1/sync')),
  );
  return checks;
}

function stopped(stop: StatusView['stop']): Check {
  if (stop === null) return well('stop', 'not pressed');
  const why = stop.reason === null ? '' : `: ${stop.reason}`;
  const next = '`fibric stop-all --clear --as <who>` when it is safe.';
  return ill('stop', `everything is stopped by ${stop.who} since ${stop.at}${why}`, next);
}

function leases(all: readonly LeaseView[]): Check {
  const stuck = all.filter(({ state }) => state === 'release_failed');
  const first = stuck[0];
  if (first === undefined) return well('leases', `${all.length}, none overdue`);
  const detail = `${stuck.length} cannot be taken back: ${first.device}: ${first.problem ?? 'no reason given'}`;
  return ill('leases', detail, 'Check the device; it is tried again until it is done. `fibric leases ls` shows all.');
}

function connector(one: ConnectorView): Check {
  const name = `connector ${one.id}`;
  if (one.status === 'connected') return well(name, `${one.protocol} ${one.endpoint}`);
  return ill(name, `${one.status}: ${one.detail}`, `Check ${one.endpoint}, then \`fibric connectors test ${one.id}\`.`);
}

function unbound(one: CapabilityView): Check {
  return ill(
    `capability ${one.capability}`,
    `required by ${one.operators.join(', ')} and bound to nothing`,
    'Add it to `bindings` in the site file.',
  );
}

function operator(one: OperatorView): Check {
  const name = `operator ${one.name}`;
  if (one.problem !== null) return ill(name, one.problem, 'Mend the operator or its settings in the site file.');
  if (one.policy_hash === null)
    return ill(name, 'no policy: all it proposes is blocked', 'Give it a `policy` in the site file.');
  return well(name, `mode ${one.mode}`);
}

/** Why the policy files of an operator are not what decides. */
function refused({ operator, state, findings }: PolicyView): readonly Check[] {
  const [first] = findings;
  if (first === undefined) return [];
  const instead = state === 'kept' ? 'the last good one goes on' : 'everything is blocked';
  const detail = `refused, ${instead}: ${findingLine(first)}`;
  return [
    ill(
      `policy of ${operator}`,
      detail,
      'Mend it, then `fibric policy reload --as <who>`; `fibric policy check` shows all.',
    ),
  ];
}

function points(all: readonly PointView[]): Check {
  const notGood = all.filter((point) => point.quality !== 'good');
  const first = notGood[0];
  if (first === undefined) return well('points', `all ${all.length} are good`);
  const named = `${first.device}/${first.point} is ${first.quality}${first.quality_reason ? ` (${first.quality_reason})` : ''}`;
  return ill(
    'points',
    `${notGood.length} of ${all.length} are not good: ${named}`,
    '`fibric points ls` shows them all.',
  );
}

function uplink(sync: SyncView): Check {
  if (sync.state === 'off') return well('sync', 'the site has no upstream');
  const { count: dead } = sync.dead_letters;
  if (dead > 0)
    return ill('sync', `${count(dead, 'item')} refused for good by the upstream`, '`fibric sync status` shows why.');
  if (sync.state === 'idle' || sync.state === 'sending')
    return well('sync', `${sync.state}, ${count(sync.receipts.backlog, 'receipt')} behind`);
  const why = sync.last_error?.reason ?? 'no reason given';
  return ill('sync', `${sync.state}: ${why}`, 'Check the link and the token; nothing is lost meanwhile.');
}
