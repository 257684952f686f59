/** Leases and the software stop, in the name of a person. */
import type { LeaseView } from '@fibric/gateway/executor/lease-view';
import type { ReleaseReport } from '@fibric/gateway/executor/control';
import { FibricError, type PointState } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { count, document, line, list, paint, state, time, value } from '../print.ts';

export async function leases(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<LeaseView>('/v1/leases'),
    json: options.json === true,
    limit: options.limit,
    head: ['LEASE', 'STATE', 'ENTITY', 'DEVICE', 'OPERATOR', 'STANDS AT', 'GOES TO', 'ENDS', 'PROBLEM'],
    row: (one) => [
      one.id,
      state(io, one.state),
      one.entity_key,
      one.device,
      one.operator,
      points(one.points),
      one.goes_to && points(one.goes_to),
      time(one.ends_at),
      one.problem,
    ],
  });
  return EXIT.done;
}

const points = (states: readonly PointState[]): string =>
  states.map((one) => `${one.point}=${value(one.value)}`).join(' ');

export async function release(call: Call): Promise<ExitCode> {
  const who = person(call);
  const id = encodeURIComponent(call.args[0] ?? '');
  const report = await (await connect(call)).post<ReleaseReport>(`/v1/leases/${id}/release`, { who });
  if (call.options.json) document(call.io, report);
  else line(call.io, `${report.id} ${state(call.io, report.result)}${WORDS[report.result]}${report.reason ?? ''}`);
  return report.result === 'pending' ? EXIT.failed : EXIT.done;
}

const WORDS: Readonly<Record<ReleaseReport['result'], string>> = {
  released: ': the device is back where it was',
  yielded: ': somebody has set the device by hand; it is left alone',
  ended: ': it had ended already',
  pending: ': not possible now, and tried again until it is: ',
  hold_ended: ': what was set by hand may be changed again',
};

export async function stopAll(call: Call): Promise<ExitCode> {
  const who = person(call);
  const { release: takeBack = false, clear = false, reason, json } = call.options;
  if (clear && takeBack) throw new FibricError('invalid_parameter', 'either --clear or --release');
  const client = await connect(call);
  if (clear) {
    const done = await client.post<object>('/v1/stop/clear', { who });
    if (json) document(call.io, done);
    else line(call.io, `cleared by ${who}: actions are sent again when they are proposed`);
    return EXIT.done;
  }
  const stop = await client.post<object>('/v1/stop', {
    who,
    release: takeBack,
    ...(reason === undefined ? {} : { reason }),
  });
  if (json) document(call.io, stop);
  else {
    const held = (await Array.fromAsync(client.all<LeaseView>('/v1/leases'))).filter((one) => one.ttl_s !== null);
    const then = takeBack ? 'are being taken back' : 'stay as they are';
    line(
      call.io,
      `${paint(call.io, 'red', 'STOPPED')} by ${who}: nothing new is sent; ${count(held.length, 'lease')} ${then}`,
    );
    line(call.io, `  fibric stop-all --clear --as <who> ends it`);
  }
  return EXIT.done;
}
