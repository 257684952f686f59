/** How the gateway is, and as whom one speaks to it. */
import { join } from 'node:path';
import type { ConnectorView, HeldView, OperatorView, PointView, StatusView } from '@fibric/gateway/api/view';
import type { PolicyView } from '@fibric/gateway/policies/view';
import type { SyncStatus } from '@fibric/gateway/sync/sync';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { type Client, connect } from '../client.ts';
import { age, count, document, facts, line, paint, state, time } from '../print.ts';
import { policyLines } from './policy.ts';

/** What the API says of sync: the state, or that there is no upstream. */
export type SyncView = SyncStatus | { readonly object: 'sync'; readonly state: 'off' };

async function gather<T>(rows: AsyncIterable<T>): Promise<readonly T[]> {
  return Array.fromAsync(rows);
}

export async function status(call: Call): Promise<ExitCode> {
  const client = await connect(call);
  const [now, connectors, operators, policies, points, sync] = await Promise.all([
    client.get<StatusView>('/v1/status'),
    gather(client.all<ConnectorView>('/v1/connectors')),
    gather(client.all<OperatorView>('/v1/operators')),
    gather(client.all<PolicyView>('/v1/policy')),
    gather(client.all<PointView>('/v1/points')),
    client.get<SyncView>('/v1/sync'),
  ]);
  if (call.options.json) {
    const notGood = points.filter((point) => point.quality !== 'good').length;
    const shown = { total: points.length, not_good: notGood };
    document(call.io, { ...now, connectors, operators, policies, points: shown, sync });
    return EXIT.done;
  }
  const { io } = call;
  facts(io, [
    ['STOPPED', now.stop && stopLine(call, now.stop)],
    ['site', `${paint(io, 'bold', now.site)}  ${now.ready ? state(io, 'ready') : state(io, 'error')}`],
    ['not ready', now.not_ready.length === 0 ? null : now.not_ready.join('\n')],
    ['world', now.simulation && `simulated ${now.simulation.world}, ${now.simulation.speed} × real time`],
    ['site time', `${time(now.site_time)} (${now.timezone})`],
    ['clock', clockLine(call, now)],
    ['gateway', `${now.version}, pid ${now.pid}, up ${age(now.uptime_ms)}, ${client.url}`],
    ['site file', `${now.site_file} (${now.site_hash.slice(0, 12)})`],
    ['data', now.data],
    ['connectors', connectorsLine(call, connectors)],
    ['points', pointsLine(points)],
    ['operators', operators.map((one) => `${one.name} ${state(io, one.mode)}`).join(', ') || 'none'],
    ['policies', policies.flatMap((one) => policyLines(call, one)).join('\n') || 'none'],
    ['actions', `${now.open_actions} open, ${count(now.leases, 'lease')}${breakersText(call, now)}`],
    ['alerts', alertsText(call, now)],
    ['journal', `${count(now.journal_head, 'row')}${lookedThrough(now)}; event log at ${now.events_head}`],
    ['sync', syncLine(call, sync)],
  ]);
  return EXIT.done;
}

const lookedThrough = ({ journal_looked_through }: StatusView): string =>
  journal_looked_through === null ? '' : `, looked through ${time(journal_looked_through)}`;

function stopLine({ io }: Call, { who, at, reason, release }: NonNullable<StatusView['stop']>): string {
  const why = reason === null ? '' : `: ${reason}`;
  const leases = release ? 'leases are taken back' : 'leases stay as they are';
  return paint(io, 'red', `by ${who} since ${time(at)}${why}; nothing new is sent, ${leases}`);
}

function breakersText({ io }: Call, { breakers }: StatusView): string {
  return breakers === 0 ? '' : `, ${paint(io, 'red', `${count(breakers, 'breaker')} open`)}: fibric breakers ls`;
}

/** Nothing while everybody has been told. */
function alertsText({ io }: Call, { alerts: { undelivered, channels } }: StatusView): string | null {
  const failing = channels.flatMap(({ label, problem }) => (problem === null ? [] : [`${label}: ${problem}`]));
  if (failing.length === 0) return null;
  return `${paint(io, 'red', `${undelivered} not delivered`)}: ${failing.join(', ')}`;
}

function clockLine({ io }: Call, { clock }: StatusView): string {
  const off = clock.uncertainty_ms === null ? '' : `, may be off by ${age(clock.uncertainty_ms)}`;
  return `${state(io, clock.state)}${clock.state === 'untrusted' ? ': what needs the time of day is blocked' : off}`;
}

function connectorsLine({ io }: Call, connectors: readonly ConnectorView[]): string {
  return connectors.map((one) => `${one.id} ${state(io, one.status)}`).join(', ') || 'none';
}

function pointsLine(points: readonly PointView[]): string {
  const notGood = points.filter((point) => point.quality !== 'good').length;
  return `${points.length}, ${notGood === 0 ? 'all good' : `${notGood} not good`}`;
}

export function syncLine({ io }: Call, sync: SyncView): string {
  if (sync.state === 'off') return 'off: the site has no upstream';
  const behind = `${count(sync.receipts.backlog, 'receipt')} and ${count(sync.events.backlog, 'event')} behind`;
  return `${state(io, sync.state)}, ${behind}, ${count(sync.dead_letters.count, 'dead letter')}`;
}

export async function whoami(call: Call): Promise<ExitCode> {
  const client: Client = await connect(call);
  const { identity, site } = await client.get<StatusView>('/v1/status');
  const who = {
    object: 'identity',
    ...identity,
    site,
    url: client.url,
    data: client.data,
    token: join(client.data, 'token'),
  };
  if (call.options.json) {
    document(call.io, who);
    return EXIT.done;
  }
  facts(call.io, [
    ['site', site],
    ['tenant', who.tenant_id],
    ['workspace', who.workspace_id],
    ['reseller', who.reseller_id],
    ['gateway', who.url],
    ['token', who.token],
  ]);
  return EXIT.done;
}

/** A person has read why operators were held back, and lets them go on. */
export async function acknowledge(call: Call): Promise<ExitCode> {
  const { io } = call;
  const client = await connect(call);
  const { data } = await client.post<{ readonly data: readonly HeldView[] }>('/v1/acknowledge');
  if (call.options.json) document(io, { object: 'acknowledgement', holds: data });
  else if (data.length === 0) io.err('nothing was held back');
  else for (const { hold, reason } of data) line(io, `acknowledged ${hold}: ${reason}`);
  return EXIT.done;
}
