/**
 * Writes, and says truthfully what became of them (D2). A node is written with its own type and without timestamps, which many
 * servers refuse (OPC 10000-4 clause 5.11.4). Points of one command go in separate requests: within one request the server may
 * choose the order (same clause), and the order is part of the command.
 */
import type { Clock, DeviceResponse, WriteCommand, WriteResult } from '@fibric/sdk';
import { messageOf } from '@fibric/sdk';
import type { Link } from './link.ts';
import { keyOf, type PlannedPoint } from './plan.ts';
import { nameOf, type Status, verdictOf } from './quality.ts';
import { AttributeIds, DataType, type NodeId, type StatusCode, type Variant } from './ua.ts';
import { encode } from './values.ts';
import { within } from './within.ts';

type NotSent = Extract<WriteResult, { kind: 'not_sent' }>;

interface Prepared {
  readonly point: PlannedPoint;
  readonly nodeId: NodeId;
  readonly variant: Variant;
}

const TEXT_MAX = 512;

function notSent(reason_code: string, message: string): NotSent {
  return { kind: 'not_sent', reason_code, message };
}

/** Everything that can be wrong with a command before a byte of it leaves. */
function prepare(
  command: WriteCommand,
  link: Link,
  points: ReadonlyMap<string, PlannedPoint>,
): { readonly kind: 'prepared'; readonly list: readonly Prepared[] } | NotSent {
  const list: Prepared[] = [];
  for (const { point: name, value } of command.writes) {
    const point = points.get(keyOf({ device: command.device, point: name }));
    if (!point?.writable)
      return notSent('not_writable', `${command.device} has no point '${name}' that may be written`);
    const node = link.nodes.byKey.get(point.key);
    if (node === undefined || node.trouble !== null) {
      const what = node === undefined ? `namespace ${point.namespace}` : `node ${node.id.toString()}`;
      return notSent('unknown_node', `${command.device}/${name}: the server has no ${what}`);
    }
    if (node.type === null) {
      return notSent('wrong_type', `${command.device}/${name}: node ${node.id.toString()} holds no single value`);
    }
    const encoded = encode(value, node.type);
    if (encoded.kind === 'unfit') return notSent(encoded.reason_code, `${command.device}/${name}: ${encoded.message}`);
    list.push({ point, nodeId: node.id, variant: encoded.variant });
  }
  return { kind: 'prepared', list };
}

/** What became of one of the writes. */
type Step =
  | { readonly kind: 'answered'; readonly status: Status }
  | { readonly kind: 'nothing_left'; readonly message: string }
  | { readonly kind: 'unknown'; readonly reason_code: string; readonly message: string };

/** A fault of the whole service is the server's answer as well (OPC 10000-4 clause 7.34). */
function faultOf(error: unknown): StatusCode | null {
  const response = (error as { response?: { responseHeader?: { serviceResult?: StatusCode } } }).response;
  return response?.responseHeader?.serviceResult ?? null;
}

async function send(link: Link, item: Prepared, timeoutMs: number, clock: Clock): Promise<Step> {
  const chunksBefore = link.chunksSent();
  const work = link.session.write({
    nodeId: item.nodeId,
    attributeId: AttributeIds.Value,
    value: { value: item.variant },
  });
  // The library hands the request to the socket within this call, or not at all.
  const nothingLeft = link.chunksSent() === chunksBefore;
  const waited = await within(clock, timeoutMs, link.lost, work);
  if (waited.kind === 'done') return { kind: 'answered', status: waited.value };
  if (waited.kind === 'failed') {
    const fault = faultOf(waited.error);
    if (fault !== null) return { kind: 'answered', status: fault };
  }
  const said = waited.kind === 'failed' ? messageOf(waited.error) : 'the link was lost';
  if (nothingLeft) return { kind: 'nothing_left', message: said };
  return waited.kind === 'timeout'
    ? { kind: 'unknown', reason_code: 'timeout', message: `no answer within ${timeoutMs} ms` }
    : { kind: 'unknown', reason_code: 'connection_lost', message: `${said} before the answer came` };
}

/** The words on the wire so far. */
class Transcript {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #requests: string[] = [];
  readonly #replies: string[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.monoMs();
  }

  asked({ nodeId, variant }: Prepared): void {
    this.#requests.push(`Write ${nodeId.toString()} ${DataType[variant.dataType]} ${String(variant.value)}`);
  }

  answered(status: Status): void {
    this.#replies.push(`${nameOf(status)} (0x${status.value.toString(16).padStart(8, '0')})`);
  }

  response(code: string): DeviceResponse {
    return {
      protocol: 'opcua',
      code,
      latency_ms: Math.round((this.#clock.monoMs() - this.#startMs) * 1_000) / 1_000,
      request: this.#requests.join('; ').slice(0, TEXT_MAX),
      reply: this.#replies.length === 0 ? null : this.#replies.join('; ').slice(0, TEXT_MAX),
    };
  }
}

/** The result when a write did not go through; definite only when it was the first and nothing came of it. */
function ended(step: Step, first: boolean, transcript: Transcript): WriteResult {
  if (step.kind === 'answered') {
    const code = nameOf(step.status);
    const response = transcript.response(code);
    if (verdictOf(step.status) === 'doubt') {
      return { kind: 'doubt', reason_code: 'device_unsure', message: `the server answered ${code}`, response };
    }
    const message = `the server refused the write: ${code}`;
    return first
      ? { kind: 'refused', reason_code: 'device_refused', message, response }
      : {
          kind: 'doubt',
          reason_code: 'partly_written',
          message: `${message}, after earlier points were written`,
          response,
        };
  }
  if (step.kind === 'nothing_left') {
    return first
      ? notSent('not_connected', `nothing was sent: ${step.message}`)
      : { kind: 'doubt', reason_code: 'partly_written', message: step.message, response: transcript.response('none') };
  }
  return { kind: 'doubt', reason_code: step.reason_code, message: step.message, response: transcript.response('none') };
}

/** Writes the points of a command in their order and stops at the first that is not acknowledged. */
export async function writePoints(
  command: WriteCommand,
  link: Link,
  points: ReadonlyMap<string, PlannedPoint>,
  clock: Clock,
): Promise<WriteResult> {
  const prepared = prepare(command, link, points);
  if (prepared.kind === 'not_sent') return prepared;
  const untilMs = clock.monoMs() + command.timeoutMs;
  const transcript = new Transcript(clock);
  let code = 'Good';
  for (const [i, item] of prepared.list.entries()) {
    if (!command.mayStillSend()) {
      return i === 0
        ? notSent('send_withdrawn', 'the permission to send was withdrawn before anything left')
        : {
            kind: 'doubt',
            reason_code: 'partly_written',
            message: 'withdrawn after earlier points were written',
            response: transcript.response(code),
          };
    }
    transcript.asked(item);
    const step = await send(link, item, untilMs - clock.monoMs(), clock);
    if (step.kind === 'answered') transcript.answered(step.status);
    if (step.kind !== 'answered' || verdictOf(step.status) !== 'taken') return ended(step, i === 0, transcript);
    code = nameOf(step.status);
  }
  return { kind: 'acknowledged', response: transcript.response(code) };
}
