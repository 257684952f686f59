/** Reads in batches: one request for many nodes costs little more than one for one. */
import { badReading, type Clock, type Reading } from '@fibric/sdk';
import type { Link } from './link.ts';
import { pieces } from './nodes.ts';
import type { PlannedPoint } from './plan.ts';
import { AttributeIds, type DataValue } from './ua.ts';
import { toReading } from './values.ts';
import { within } from './within.ts';

export interface ReadOutcome {
  /** One for each point, in order (D1). */
  readonly readings: readonly Reading[];
  /** Null when the server answered, whatever it said. */
  readonly silence: 'timeout' | 'disconnected' | null;
}

/** Reads from the device, not from the server's cache (maxAge 0), within `timeoutMs` in all (D3). */
export async function readPoints(
  link: Link,
  points: readonly PlannedPoint[],
  timeoutMs: number,
  clock: Clock,
): Promise<ReadOutcome> {
  const untilMs = clock.monoMs() + timeoutMs;
  const readings = new Map<PlannedPoint, Reading>();
  const known = points.filter((point) => link.nodes.byKey.has(point.key));
  let silence: ReadOutcome['silence'] = null;
  for (const piece of pieces(known, link.nodes.readsAtOnce)) {
    if (silence !== null) break;
    const waited = await within(
      clock,
      untilMs - clock.monoMs(),
      link.lost,
      link.reads.run(() => ask(link, piece)),
    );
    if (waited.kind === 'done') {
      piece.forEach((point, i) => {
        const value = waited.value[i];
        if (value !== undefined) readings.set(point, toReading(point.ref, value, link.provenance));
      });
    } else {
      silence = waited.kind === 'timeout' ? 'timeout' : 'disconnected';
    }
  }
  return { readings: points.map((point) => readings.get(point) ?? missing(point, link, silence)), silence };
}

function ask(link: Link, piece: readonly PlannedPoint[]): Promise<DataValue[]> {
  return link.session.read(
    piece.flatMap(({ key }) => {
      const node = link.nodes.byKey.get(key);
      return node === undefined ? [] : [{ nodeId: node.id, attributeId: AttributeIds.Value }];
    }),
  );
}

/** A point without an answer: the link's fault if it was silent, else the server has no such namespace. */
function missing(point: PlannedPoint, link: Link, silence: ReadOutcome['silence']): Reading {
  const known = link.nodes.byKey.has(point.key);
  return badReading(point.ref, known && silence !== null ? silence : 'device_error', link.provenance);
}
