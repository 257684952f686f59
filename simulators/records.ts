/** What a stopped gateway has on record, read from its data folder by the `fibric` command itself. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import type { z } from 'zod';
import {
  type EventRow,
  eventSchema,
  type PlanRow,
  planSchema,
  type ReceiptRow,
  receiptSchema,
} from './gateway-client.ts';

export interface Records {
  receipts(): AsyncGenerator<ReceiptRow>;
  plans(): AsyncGenerator<PlanRow>;
  events(): AsyncGenerator<EventRow>;
}

/** `launcher` is the `fibric` command. Reading throws when it cannot be done. */
export function recordsOf(launcher: string, data: string): Records {
  async function* rows<S extends z.ZodType>(what: string, schema: S): AsyncGenerator<z.output<S>> {
    const args = [launcher, what, 'ls', '--json', '--data', data];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise<number | null>((resolve) => {
      child.once('error', () => resolve(null));
      child.once('exit', resolve);
    });
    for await (const line of createInterface({ input: child.stdout })) yield schema.parse(JSON.parse(line));
    const code = await exited;
    if (code !== 0) throw new Error(`fibric ${what} ls --data ${data} ended with ${code}`);
  }
  return {
    receipts: () => rows('receipts', receiptSchema),
    plans: () => rows('plans', planSchema),
    events: () => rows('events', eventSchema),
  };
}
