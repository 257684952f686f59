/** What people were told. */
import type { AlertView } from '@fibric/gateway/journal/alert-reader';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect, type Page } from '../client.ts';
import { line, list, state, time } from '../print.ts';
import { openRecords } from '../records.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  const records = await openRecords(call);
  await list(io, {
    rows: records.alerts({ limit: options.limit }),
    json: options.json === true,
    head: ['ALERT', 'AT', 'SEVERITY', 'KIND', 'ENTITY', 'STATE', 'WHAT'],
    row: (one) => [
      one.alert_id,
      time(one.at),
      state(io, one.severity),
      one.kind,
      one.entity_key,
      state(io, one.state),
      one.text,
    ],
  });
  records.close();
  return EXIT.done;
}

const LOOK_MS = 500;

/** The last few, then each as it comes; until it is stopped or the gateway goes away. */
export async function tail(call: Call): Promise<ExitCode> {
  const client = await connect(call);
  const recent = await client.get<Page<AlertView>>('/v1/alerts', { limit: 10 });
  for (const alert of recent.data.toReversed()) print(call, alert);
  let after = recent.data[0]?.seq ?? 0;
  for (;;) {
    for await (const alert of client.all<AlertView>('/v1/alerts', { after })) {
      after = alert.seq;
      print(call, alert);
    }
    await call.io.sleep(LOOK_MS);
  }
}

function print({ io, options }: Call, alert: AlertView): void {
  if (options.json) io.out(JSON.stringify(alert));
  else line(io, [time(alert.at), alert.alert_id, state(io, alert.severity), alert.text].join('  '));
}
