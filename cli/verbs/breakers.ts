/** What is kept shut because it kept failing, or because nobody can tell what became of it. */
import type { BreakerView } from '@fibric/gateway/executor/breaker';
import { type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { document, line, list, time } from '../print.ts';

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<BreakerView>('/v1/breakers'),
    json: options.json === true,
    limit: options.limit,
    head: ['BREAKER', 'SINCE', 'CAPABILITY', 'ENTITY', 'CONNECTION', 'REASON'],
    row: (one) => [one.breaker_id, time(one.at), one.capability ?? 'all', one.entity_key, one.connector, one.reason],
  });
  return EXIT.done;
}

export async function close(call: Call): Promise<ExitCode> {
  const who = person(call);
  const id = encodeURIComponent(call.args[0] ?? '');
  const { reason } = call.options;
  const body = { who, ...(reason === undefined ? {} : { reason }) };
  const closed = await (await connect(call)).post<BreakerView>(`/v1/breakers/${id}/close`, body);
  if (call.options.json) document(call.io, closed);
  else line(call.io, `${closed.breaker_id} closed by ${who}: what is proposed is sent again`);
  return EXIT.done;
}
