/**
 * One subscription for all points of a link: the server sends what changes. What it will not watch is left to polling.
 * Numbers of OPC 10000-4 clause 5.14: a keep-alive after ten seconds without news, the end after a minute without us.
 */
import { messageOf } from '@fibric/sdk';
import type { Link } from './link.ts';
import { type Node, pieces } from './nodes.ts';
import type { ConnectionOptions } from './options.ts';
import type { Outbox } from './outbox.ts';
import type { PlannedPoint } from './plan.ts';
import { nameOf } from './quality.ts';
import {
  AttributeIds,
  ClientMonitoredItemGroup,
  ClientSubscription,
  DataChangeFilter,
  DataChangeTrigger,
  DeadbandType,
  TimestampsToReturn,
} from './ua.ts';
import { toReading } from './values.ts';

const KEEP_ALIVE_MS = 10_000;
const LIFETIME_MS = 60_000;
/** Changes kept by the server between two publishings; beyond that the oldest are dropped. */
const QUEUE = 10;

/** Points the server watches for us, by key, and a sentence when it watches none at all. */
export interface Watched {
  readonly keys: ReadonlySet<string>;
  readonly refused: string | null;
}

interface Watchable {
  readonly point: PlannedPoint;
  readonly node: Node;
}

/**
 * Not `session.createSubscription2`: that one throws out of its own event, where nobody can catch it, when the session ends
 * before the answer comes.
 */
function createSubscription(link: Link, publishingMs: number): Promise<ClientSubscription> {
  return new Promise((resolve, reject) => {
    const subscription = ClientSubscription.create(link.session, {
      requestedPublishingInterval: publishingMs,
      requestedMaxKeepAliveCount: Math.max(1, Math.round(KEEP_ALIVE_MS / publishingMs)),
      requestedLifetimeCount: Math.max(3, Math.round(LIFETIME_MS / publishingMs)),
      maxNotificationsPerPublish: 0,
      publishingEnabled: true,
      priority: 1,
    });
    const refused = (error: Error): void => reject(error);
    subscription.on('error', refused);
    subscription.on('started', () => {
      subscription.on('terminated', () => link.abort('the server ended the subscription'));
      subscription.on('internal_error', () => link.abort('the subscription failed'));
      resolve(subscription);
    });
    link.lost.addEventListener('abort', () => reject(new Error('the link was lost')), { once: true });
  });
}

/** Absolute deadband: smaller changes of the value are kept back by the server, changes of the status never (clause 7.22.2). */
function filterFor(deadband: number | null): DataChangeFilter | null {
  if (deadband === null || deadband <= 0) return null;
  return new DataChangeFilter({
    trigger: DataChangeTrigger.StatusValue,
    deadbandType: DeadbandType.Absolute,
    deadbandValue: deadband,
  });
}

/** Watches points of one cadence and deadband; gives back those that the server would not take, with the status it gave. */
function watchGroup(
  link: Link,
  subscription: ClientSubscription,
  group: readonly Watchable[],
  deadband: number | null,
  outbox: Outbox,
): Promise<readonly { readonly item: Watchable; readonly status: string }[]> {
  return new Promise((resolve) => {
    const items = ClientMonitoredItemGroup.create(
      subscription,
      group.map(({ node }) => ({ nodeId: node.id, attributeId: AttributeIds.Value })),
      {
        samplingInterval: group[0]?.point.pollMs ?? 0,
        filter: filterFor(deadband),
        queueSize: QUEUE,
        discardOldest: true,
      },
      TimestampsToReturn.Both,
    );
    items.on('changed', (_item, dataValue, index) => {
      const point = group[index]?.point;
      if (point !== undefined) outbox.push([toReading(point.ref, dataValue, link.provenance)]);
    });
    const refused = (status: (i: number) => string): void =>
      resolve(group.map((item, i) => ({ item, status: status(i) })).filter(({ status }) => status !== 'Good'));
    items.on('initialized', () =>
      refused((i) => {
        const status = items.monitoredItems[i]?.statusCode;
        return status === undefined ? 'Bad' : status.value >>> 30 === 0 ? 'Good' : nameOf(status);
      }),
    );
    items.on('err', () => refused(() => 'Bad'));
    link.lost.addEventListener('abort', () => refused(() => 'Bad'), { once: true });
  });
}

const NO_FILTER = /^Bad(MonitoredItemFilter|Filter|DeadbandFilter)/;

/** Watches one piece; a deadband the server cannot apply is left out rather than the point. */
async function watchPiece(
  link: Link,
  subscription: ClientSubscription,
  piece: readonly Watchable[],
  outbox: Outbox,
): Promise<readonly Watchable[]> {
  const first = await watchGroup(link, subscription, piece, piece[0]?.point.deadband ?? null, outbox);
  const unfiltered = first.filter(({ status }) => NO_FILTER.test(status)).map(({ item }) => item);
  const given = first.filter(({ status }) => !NO_FILTER.test(status)).map(({ item }) => item);
  if (unfiltered.length === 0) return given;
  const second = await watchGroup(link, subscription, unfiltered, null, outbox);
  return [...given, ...second.map(({ item }) => item)];
}

function groups(points: readonly PlannedPoint[], link: Link): Watchable[][] {
  const watchable = points.flatMap((point) => {
    const node = link.nodes.byKey.get(point.key);
    return node === undefined ? [] : [{ point, node }];
  });
  const byParameters = Map.groupBy(watchable, ({ point }) => `${point.pollMs}/${point.deadband}`);
  return [...byParameters.values()].flatMap((group) => pieces(group, link.nodes.itemsAtOnce));
}

/** Subscribes to `points`. Does not throw: what is not watched afterwards has to be polled. */
export async function watch(
  link: Link,
  points: readonly PlannedPoint[],
  options: ConnectionOptions,
  outbox: Outbox,
): Promise<Watched> {
  const keys = new Set<string>();
  if (points.length === 0) return { keys, refused: null };
  try {
    const subscription = await createSubscription(link, options.subscribe.publishing);
    for (const group of groups(points, link)) {
      const refused = new Set(await watchPiece(link, subscription, group, outbox));
      for (const item of group) if (!refused.has(item)) keys.add(item.point.key);
    }
    return { keys, refused: null };
  } catch (error) {
    return { keys, refused: messageOf(error).split('\n')[0] ?? 'no reason given' };
  }
}
