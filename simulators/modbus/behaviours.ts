/** What simulated Modbus devices do beside keeping registers: habits of real ones, and faults. Each is small and stacks on others. */
import { EXCEPTION, writeAnswer, type Request, type Table } from './frames.ts';
import { refuse, type Answer, type Behaviour, type ModbusUnit } from './unit.ts';

/** Which requests a behaviour applies to. Left out: all of them. */
export type When = (request: Request) => boolean;

export const always: When = () => true;
export const writes: When = (request) => request.values !== null;
export const reads: When = (request) => request.values === null && request.function !== 43;

/** Requests that touch any of `count` addresses from `address`. */
export function touches(table: Table, address: number, count = 1): When {
  return (request) =>
    request.table === table && request.address < address + count && request.address + request.count > address;
}

function altered(table: Table, address: number, alter: (value: number) => number): Behaviour {
  return (request, next) => {
    const index = address - request.address;
    if (request.values === null || !touches(table, address)(request)) return next(request);
    const values = request.values.map((value, i) => (i === index ? alter(value) : value));
    const answer = next({ ...request, values });
    // Such devices echo what they were sent; only reading back shows what they made of it.
    const done = answer.kind === 'reply' && answer.pdu.readUInt8(0) === request.function;
    return done ? { ...answer, pdu: writeAnswer(request) } : answer;
  };
}

/** Raw values outside `low`..`high` are moved to the nearer end and acknowledged, as many thermostats do. */
export function clamp(table: Table, address: number, low: number, high: number): Behaviour {
  return altered(table, address, (value) => Math.min(high, Math.max(low, value)));
}

/** Raw values are rounded to a multiple of `step` and acknowledged. */
export function quantise(table: Table, address: number, step: number): Behaviour {
  return altered(table, address, (value) => Math.round(value / step) * step);
}

/** Acknowledges a write and ignores it: a local override, a locked panel. */
export function ignoreWrites(when: When = always): Behaviour {
  return (request, next, unit) => {
    if (!writes(request) || !when(request)) return next(request);
    const before = heldBy(unit, request);
    const answer = next(request);
    if (request.table !== null) unit.set(request.table, request.address, ...before);
    return answer;
  };
}

function heldBy(unit: ModbusUnit, request: Request): number[] {
  const table = request.table;
  if (table === null) return [];
  return Array.from({ length: request.count }, (_, i) => unit.get(table, request.address + i) ?? 0);
}

/** Refuses the next `times` requests with an exception, then goes on as if nothing had been. */
export function exception(code: number, times = Number.POSITIVE_INFINITY, when: When = always): Behaviour {
  let left = times;
  return (request, next) => {
    if (left <= 0 || !when(request)) return next(request);
    left -= 1;
    return refuse(request, code);
  };
}

/** These addresses do not exist (exception 2), whatever the tables hold. */
export function refuseRange(table: Table, address: number, count: number): Behaviour {
  return exception(EXCEPTION.illegal_address, Number.POSITIVE_INFINITY, touches(table, address, count));
}

/** Does nothing and says nothing. */
export function silent(when: When = always): Behaviour {
  return (request, next) => (when(request) ? { kind: 'silent' } : next(request));
}

/** Does it, and never says so. */
export function dropAnswer(when: When = always): Behaviour {
  return (request, next) => {
    const answer = next(request);
    return when(request) ? { kind: 'silent' } : answer;
  };
}

type Fault = Omit<Extract<Answer, { kind: 'reply' }>, 'kind' | 'pdu'>;

function faulty(fault: Fault, when: When): Behaviour {
  return (request, next) => {
    const answer = next(request);
    return answer.kind === 'reply' && when(request) ? { ...answer, ...fault } : answer;
  };
}

/** Does it at once and says so `afterMs` later. */
export const answerLate = (afterMs: number, when: When = always): Behaviour => faulty({ afterMs }, when);

/** Does it, sends the first `bytes` of the answer and closes the link. 0: closes without an answer. */
export const closeMidFrame = (bytes: number, when: When = always): Behaviour => faulty({ cutAfter: bytes }, when);

/** Answers under a transaction id that nobody asked under. */
export const wrongTransaction = (when: When = always): Behaviour => faulty({ transactionOffset: 7 }, when);

/** Answers in another unit's name. */
export const wrongUnit = (unit: number, when: When = always): Behaviour => faulty({ unit }, when);

/** Sends its answer in single bytes, `byteGapMs` apart. */
export const byteByByte = (byteGapMs: number, when: When = always): Behaviour => faulty({ byteGapMs }, when);

/** Answers with another function code than the one asked. */
export function wrongFunction(when: When = always): Behaviour {
  return (request, next) => {
    const answer = next(request);
    if (answer.kind !== 'reply' || !when(request)) return answer;
    const pdu = Buffer.from(answer.pdu);
    pdu.writeUInt8(pdu.readUInt8(0) ^ 0x20, 0);
    return { ...answer, pdu };
  };
}

/** Sends only the first `bytes` of the answer's PDU, in a frame whose length fits: a reply too short for what was asked. */
export function shortAnswer(bytes: number, when: When = always): Behaviour {
  return (request, next) => {
    const answer = next(request);
    return answer.kind === 'reply' && when(request) ? { ...answer, pdu: answer.pdu.subarray(0, bytes) } : answer;
  };
}

/** Writing 1 to `coil` increments the counter in input register `counter` and the coil falls back by itself: a pulse output. */
export function pulseCounter(coil: number, counter: number): Behaviour {
  return (request, next, unit) => {
    const answer = next(request);
    const pulsed = request.table === 'coil' && request.values?.[coil - request.address] === 1;
    if (pulsed && unit.get('coil', coil) === 1) {
      unit.set('input', counter, (unit.get('input', counter) ?? 0) + 1);
      unit.set('coil', coil, 0);
    }
    return answer;
  };
}
