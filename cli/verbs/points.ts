/** Points: the last values, a fresh read, and readings as they come. */
import type { PointView } from '@fibric/gateway/api/view';
import { type Envelope, FibricError, type PointRef, type ReadingPayload } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect } from '../client.ts';
import { age, line, list, quality, time, value } from '../print.ts';

const HEAD = ['POINT', 'ENTITY', 'VALUE', 'QUALITY', 'PROVENANCE', 'AGE'];

export async function ls(call: Call): Promise<ExitCode> {
  const { options } = call;
  const rows = (await connect(call)).all<PointView>('/v1/points');
  await list(call.io, { rows, json: options.json === true, limit: options.limit, head: HEAD, row: rowOf(call) });
  return EXIT.done;
}

/** Exit 1 when a point could not be read: a script must not take silence for a value. */
export async function read(call: Call): Promise<ExitCode> {
  const points = call.args.map(refOf);
  const { data } = await (await connect(call)).post<{ readonly data: readonly PointView[] }>('/v1/points/read', {
    points,
  });
  await list(call.io, { rows: each(data), json: call.options.json === true, head: HEAD, row: rowOf(call) });
  return data.every((point) => point.quality !== 'bad') ? EXIT.done : EXIT.failed;
}

export async function tail(call: Call): Promise<ExitCode> {
  const { io } = call;
  const wanted = new Set(call.args.map(refOf).map((ref) => `${ref.device}/${ref.point}`));
  const client = await connect(call);
  for await (const envelope of client.stream<Envelope>('/v1/events/stream')) {
    const reading = readingOf(envelope);
    if (reading === null) continue;
    const name = `${reading.device}/${reading.point}`;
    if (wanted.size > 0 && !wanted.has(name)) continue;
    if (call.options.json) io.out(JSON.stringify(reading));
    else
      line(io, `${time(reading.received_at)}  ${name}  ${value(reading.value, reading.unit)}  ${quality(io, reading)}`);
  }
  return EXIT.done;
}

function rowOf({ io }: Call) {
  return (point: PointView) => [
    `${point.device}/${point.point}`,
    point.entity_key,
    value(point.value, point.unit),
    quality(io, point),
    point.provenance,
    age(point.age_ms),
  ];
}

async function* each<T>(rows: readonly T[]): AsyncGenerator<T> {
  yield* rows;
}

function refOf(text: string): PointRef {
  const slash = text.lastIndexOf('/');
  if (slash < 1 || slash === text.length - 1) {
    throw new FibricError(
      'invalid_parameter',
      `'${text}' is not a point: write <device>/<point>, such as room-412/temperature`,
    );
  }
  return { device: text.slice(0, slash), point: text.slice(slash + 1) };
}

/** The reading in an envelope; null for ticks, receipts and the like. */
function readingOf({ payload }: Envelope): ReadingPayload | null {
  return typeof payload.device === 'string' && typeof payload.point === 'string' && 'quality' in payload
    ? (payload as unknown as ReadingPayload)
    : null;
}
