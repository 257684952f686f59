/** One simulated Modbus device: four tables, a count of what was written, and a stack of behaviours. */
import { EXCEPTION, exceptionAnswer, readAnswer, writeAnswer, type Request, type Table } from './frames.ts';

/**
 * What goes back on the wire. The optional parts are faults: `afterMs` late, `cutAfter` bytes and then close, another transaction,
 * unit or function than the one asked for, one byte at a time.
 */
export type Answer =
  | { readonly kind: 'silent' }
  | {
      readonly kind: 'reply';
      readonly pdu: Buffer;
      readonly afterMs?: number;
      readonly cutAfter?: number;
      readonly transactionOffset?: number;
      readonly unit?: number;
      readonly byteGapMs?: number;
    };

/** Sees a request and answers it, alters it on its way to `next`, or passes it on. The first of the stack sees it first. */
export type Behaviour = (request: Request, next: (request: Request) => Answer, unit: ModbusUnit) => Answer;

export type WriteHook = (unit: ModbusUnit, table: Table, address: number, values: readonly number[]) => void;

export const reply = (pdu: Buffer): Answer => ({ kind: 'reply', pdu });

export const refuse = (request: Request, exception: number): Answer =>
  reply(exceptionAnswer(request.function, exception));

/** Contents of the tables by zero-based address; an address that is not in a table is answered with exception 2. */
export interface UnitOptions {
  readonly id: number;
  readonly coil?: Readonly<Record<number, number>>;
  readonly discrete?: Readonly<Record<number, number>>;
  readonly input?: Readonly<Record<number, number>>;
  readonly holding?: Readonly<Record<number, number>>;
  readonly behaviours?: readonly Behaviour[];
}

export class ModbusUnit {
  readonly id: number;
  /** Stacked at will while it runs. */
  behaviours: Behaviour[];
  readonly #tables: Readonly<Record<Table, Map<number, number>>>;
  readonly #writes = new Map<string, number>();

  constructor(options: UnitOptions) {
    this.id = options.id;
    this.behaviours = [...(options.behaviours ?? [])];
    this.#tables = {
      coil: tableOf(options.coil),
      discrete: tableOf(options.discrete),
      input: tableOf(options.input),
      holding: tableOf(options.holding),
    };
  }

  /** What an address holds; undefined when the device has no such address. */
  get(table: Table, address: number): number | undefined {
    return this.#tables[table].get(address);
  }

  /** The device's own doing: not counted as a write. */
  set(table: Table, address: number, ...values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.#tables[table].set(address + i, value & 0xffff);
  }

  /** Takes addresses away, as a firmware update does. */
  remove(table: Table, address: number, count = 1): void {
    for (let i = 0; i < count; i += 1) this.#tables[table].delete(address + i);
  }

  /** How often this address was written over the wire. */
  writes(table: Table, address: number): number {
    return this.#writes.get(`${table} ${address}`) ?? 0;
  }

  answer(request: Request, hook: WriteHook): Answer {
    const behaviours = this.behaviours;
    const at = (index: number, current: Request): Answer => {
      const behaviour = behaviours[index];
      return behaviour ? behaviour(current, (passed) => at(index + 1, passed), this) : this.#apply(current, hook);
    };
    return at(0, request);
  }

  #apply(request: Request, hook: WriteHook): Answer {
    const { table, address, count, values } = request;
    if (table === null) return refuse(request, EXCEPTION.illegal_function);
    const cells = this.#tables[table];
    const addresses = Array.from({ length: count }, (_, i) => address + i);
    if (!addresses.every((a) => cells.has(a))) return refuse(request, EXCEPTION.illegal_address);
    if (values === null)
      return reply(
        readAnswer(
          request,
          addresses.map((a) => cells.get(a) ?? 0),
        ),
      );
    this.set(table, address, ...values);
    for (const a of addresses) this.#writes.set(`${table} ${a}`, this.writes(table, a) + 1);
    hook(this, table, address, values);
    return reply(writeAnswer(request));
  }
}

function tableOf(contents: Readonly<Record<number, number>> = {}): Map<number, number> {
  return new Map(Object.entries(contents).map(([address, value]) => [Number(address), value & 0xffff]));
}
