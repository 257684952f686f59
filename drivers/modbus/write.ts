/**
 * Writes: which requests a command becomes, and what is truly known when they are over (D2).
 *
 * M11 `not_sent` and `refused` are said only when nothing of the command can have taken effect.
 * M12 A bit of a register is written by reading and writing the register while nobody else has the link.
 */
import type { DeviceResponse, WriteCommand, WriteResult } from '@fibric/sdk';
import { bitMask, encode } from './codec.ts';
import { exceptionOf, exceptionText } from './exceptions.ts';
import type { Exchange, Link, Outcome, Pdu } from './link.ts';
import type { Item } from './plan.ts';

/** A point as it may be written. */
export interface Target {
  readonly item: Item;
  readonly writable: boolean;
}

/** One request: cells side by side, or bits of one register. */
type Step =
  | {
      readonly kind: 'cells';
      readonly table: 'coil' | 'holding';
      readonly address: number;
      readonly cells: number[];
      readonly how: How;
    }
  | { readonly kind: 'bits'; readonly address: number; mask: number; value: number };

/** `alone`: FC 5 or 6, with no neighbours. `multiple`: FC 15 or 16 even for one. `free`: whichever is shorter. */
type How = 'alone' | 'multiple' | 'free';

export type WritePlan =
  | { readonly kind: 'steps'; readonly unit: number; readonly steps: readonly Step[] }
  | Extract<WriteResult, { kind: 'not_sent' }>;

/** MODBUS Application Protocol V1.1b3 §6.11 and §6.12. */
const MOST_BITS = 1_968;
const MOST_REGISTERS = 123;

export function planWrite(points: ReadonlyMap<string, Target>, command: WriteCommand): WritePlan {
  const steps: Step[] = [];
  let unit = 0;
  for (const { point, value } of command.writes) {
    const target = points.get(point);
    if (target === undefined) return notSent('unknown_point', `device '${command.device}' has no point '${point}'`);
    const { item } = target;
    const { table } = item.options;
    if (!target.writable || (table !== 'coil' && table !== 'holding')) {
      return notSent('not_writable', `point '${point}' cannot be written`);
    }
    const encoded = encode(item.options, value);
    if (encoded.kind === 'impossible') return notSent(encoded.reason_code, `point '${point}': ${encoded.message}`);
    unit = item.unit;
    add(steps, item, table, encoded.cells);
  }
  return { kind: 'steps', unit, steps };
}

/** Points that lie side by side, in the order of the command, go in one request. */
function add(steps: Step[], item: Item, table: 'coil' | 'holding', cells: readonly number[]): void {
  const last = steps.at(-1);
  if (item.options.type === 'bit') return addBit(steps, item, cells[0] === 1);
  const choice = item.options.write_function;
  const how: How = choice === 'single' ? 'alone' : (choice ?? 'free');
  const most = table === 'coil' ? MOST_BITS : MOST_REGISTERS;
  const joins =
    last?.kind === 'cells' &&
    last.table === table &&
    last.how !== 'alone' &&
    how !== 'alone' &&
    last.address + last.cells.length === item.start &&
    last.cells.length + cells.length <= most;
  if (joins) last.cells.push(...cells);
  else steps.push({ kind: 'cells', table, address: item.start, cells: [...cells], how });
}

function addBit(steps: Step[], item: Item, on: boolean): void {
  const mask = bitMask(item.options);
  const value = on ? mask : 0;
  const last = steps.at(-1);
  if (last?.kind === 'bits' && last.address === item.start) {
    last.value = (last.value & ~mask) | value;
    last.mask |= mask;
  } else steps.push({ kind: 'bits', address: item.start, mask, value });
}

/** Sends the requests one after the other; the first that does not end well ends the command. */
export async function performWrite(
  link: Link,
  plan: Extract<WritePlan, { kind: 'steps' }>,
  command: WriteCommand,
  leftMs: () => number,
): Promise<WriteResult> {
  const said: Exchange[] = [];
  for (const step of plan.steps) {
    const started = said.length > 0;
    const pdu = step.kind === 'cells' ? pduOf(step) : await mergeBits(link, plan.unit, step, leftMs());
    if (!('function' in pdu)) return started ? partly(said, pdu.message) : pdu;
    if (!started && !command.mayStillSend()) return notSent('send_withdrawn', 'the gateway withdrew the write');
    const exchange = await link.exchange(plan.unit, pdu, leftMs());
    const result = resultOf(plan.unit, exchange, responseOf([...said, exchange]));
    if (result.kind === 'acknowledged') said.push(exchange);
    else return started ? partly([...said, exchange], 'message' in result ? result.message : '') : result;
  }
  return { kind: 'acknowledged', response: responseOf(said) };
}

function pduOf(step: Extract<Step, { kind: 'cells' }>): Pdu {
  const multiple = step.cells.length > 1 || step.how === 'multiple';
  const code = step.table === 'coil' ? (multiple ? 15 : 5) : multiple ? 16 : 6;
  return { function: code, address: step.address, cells: step.cells };
}

async function mergeBits(
  link: Link,
  unit: number,
  step: Extract<Step, { kind: 'bits' }>,
  withinMs: number,
): Promise<Pdu | Extract<WriteResult, { kind: 'not_sent' }>> {
  const { outcome } = await link.exchange(unit, { function: 3, address: step.address, count: 1 }, withinMs);
  if (outcome.kind === 'cells') {
    const merged = ((outcome.cells[0] ?? 0) & ~step.mask) | step.value;
    return { function: 6, address: step.address, cells: [merged & 0xffff] };
  }
  const why =
    outcome.kind === 'exception' ? exceptionText(unit, outcome.code) : 'message' in outcome ? outcome.message : '';
  return notSent('read_before_write_failed', `the register around the bit could not be read: ${why}`);
}

/** What one request's end says about the write (execution semantics: definite failure, or doubt). */
function resultOf(unit: number, exchange: Exchange, response: DeviceResponse): WriteResult {
  const { outcome } = exchange;
  switch (outcome.kind) {
    case 'written':
      return { kind: 'acknowledged', response };
    case 'not_sent':
      return notSent('disconnected', outcome.message);
    case 'exception': {
      const { reason_code, definite } = exceptionOf(outcome.code);
      return {
        kind: definite ? 'refused' : 'doubt',
        reason_code,
        message: exceptionText(unit, outcome.code),
        response,
      };
    }
    case 'timeout':
      return { kind: 'doubt', reason_code: 'timeout', message: outcome.message, response };
    case 'closed':
      return { kind: 'doubt', reason_code: 'disconnected', message: outcome.message, response };
    case 'foreign':
      return { kind: 'doubt', reason_code: outcome.reason_code, message: outcome.message, response };
    case 'cells':
    case 'identity':
      throw new Error(`a write cannot end as ${outcome.kind}`);
  }
}

/** Something of the command took effect and something did not: only reading the device tells what. */
function partly(said: readonly Exchange[], message: string): WriteResult {
  return {
    kind: 'doubt',
    reason_code: 'partly_written',
    message: `only a part was written: ${message}`,
    response: responseOf(said),
  };
}

function notSent(reason_code: string, message: string): Extract<WriteResult, { kind: 'not_sent' }> {
  return { kind: 'not_sent', reason_code, message };
}

function responseOf(said: readonly Exchange[]): DeviceResponse {
  const hex = (pick: (exchange: Exchange) => Buffer | null): string | null =>
    said
      .map(pick)
      .filter((bytes) => bytes !== null)
      .map((bytes) => bytes.toString('hex'))
      .join(' ')
      .slice(0, 512) || null;
  return {
    protocol: 'modbus',
    code: said.map(({ outcome }) => codeOf(outcome)).join(', '),
    latency_ms: Math.round(said.reduce((sum, exchange) => sum + exchange.latencyMs, 0)),
    request: hex((exchange) => exchange.request),
    reply: hex((exchange) => exchange.reply),
  };
}

function codeOf(outcome: Outcome): string {
  return outcome.kind === 'exception' ? `exception ${outcome.code}` : outcome.kind === 'written' ? 'ok' : outcome.kind;
}
