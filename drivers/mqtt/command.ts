/**
 * A write on MQTT: one publish a point, in order, each acknowledged by the broker before the next.
 *
 * D2 The broker's yes is not the device's: `acknowledged` means that the command is on its way, and nothing more.
 * D3 A command ends with the broker's answer, the loss of the link, or the end of the time.
 */
import type { Clock, DeviceResponse, WriteCommand, WriteResult } from '@fibric/sdk';
import type { Link, Published } from './client.ts';

/** One message to send. */
export interface Outgoing {
  readonly topic: string;
  readonly payload: string;
}

/** How the wait for one answer of the broker ended. */
type Answer = Published | { readonly kind: 'timeout' };

const WHY = {
  timeout: ['timeout', 'the broker did not acknowledge the command in time'],
  lost: ['connection_failed', 'the link was lost before the broker acknowledged the command'],
} as const;

/** Sends `messages`; not one of them may have left before. */
export async function sendCommand(
  messages: readonly Outgoing[],
  command: WriteCommand,
  link: Link,
  clock: Clock,
): Promise<WriteResult> {
  const startMs = clock.monoMs();
  let taken = 0;
  let answer: Answer = { kind: 'acknowledged' };
  for (const message of messages) {
    const leftMs = command.timeoutMs - (clock.monoMs() - startMs);
    answer = await publish(message, command.idempotencyKey, leftMs, link, clock);
    if (answer.kind !== 'acknowledged') break;
    taken += 1;
  }
  const response: DeviceResponse = {
    protocol: 'mqtt',
    code: answer.kind === 'acknowledged' ? 'puback' : answer.kind,
    latency_ms: Math.round((clock.monoMs() - startMs) * 1_000) / 1_000,
    request: messages
      .map(({ topic, payload }) => `${topic} ${payload}`)
      .join('\n')
      .slice(0, 512),
    reply: answer.kind === 'refused' ? answer.note : null,
  };
  return result(answer, taken, messages.length, response);
}

/** What the last answer says of the command as a whole (D2). */
function result(answer: Answer, taken: number, all: number, response: DeviceResponse): WriteResult {
  if (answer.kind === 'acknowledged') return { kind: 'acknowledged', response };
  if (answer.kind !== 'refused') {
    const [reason_code, message] = WHY[answer.kind];
    return { kind: 'doubt', reason_code, message, response };
  }
  const refused = { reason_code: 'device_refused', response };
  if (taken === 0) return { kind: 'refused', message: answer.note, ...refused };
  return {
    kind: 'doubt',
    message: `the broker took ${taken} of ${all} messages, then refused: ${answer.note}`,
    ...refused,
  };
}

function publish(message: Outgoing, key: string, leftMs: number, link: Link, clock: Clock): Promise<Answer> {
  return new Promise((resolve) => {
    const timer = clock.after(Math.max(0, leftMs), () => resolve({ kind: 'timeout' }));
    link.publish(message.topic, message.payload, key, (answer) => {
      timer.cancel();
      resolve(answer);
    });
  });
}
