/** The event log: all of it, or as it grows. */
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect, type Page } from '../client.ts';
import { clip, line, list, time } from '../print.ts';
import { type EventRow, openRecords } from '../records.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io } = call;
  const records = await openRecords(call);
  const { limit, type } = call.options;
  await list(io, {
    rows: records.events({ limit, type }),
    json: call.options.json === true,
    head: ['CURSOR', 'AT', 'TYPE', 'SOURCE', 'PAYLOAD'],
    row: (event) => [event.cursor, time(event.at), event.event_type, event.source, payloadText(event)],
  });
  records.close();
  return EXIT.done;
}

/** The last few, then whatever comes. */
export async function tail(call: Call): Promise<ExitCode> {
  const client = await connect(call);
  const event_type = call.options.type;
  const newest = await client.get<Page<EventRow>>('/v1/events', { limit: 1 });
  const cursor = newest.data[0]?.cursor ?? 0;
  const recent = await client.get<Page<EventRow>>('/v1/events', { limit: 10, event_type });
  for (const { object: _, ...event } of recent.data.toReversed()) if (event.cursor <= cursor) printLine(call, event);
  for await (const event of client.stream<Tailed>('/v1/events/stream', { cursor, event_type })) printLine(call, event);
  return EXIT.done;
}

/** As the stream carries it. */
type Tailed = Omit<EventRow, 'object'>;

function printLine({ io, options }: Call, event: Tailed): void {
  if (options.json) io.out(JSON.stringify(event));
  else line(io, `${time(event.at)}  ${event.event_type}  ${event.source}  ${payloadText(event)}`);
}

const payloadText = ({ payload }: Tailed): string => clip(JSON.stringify(payload));
