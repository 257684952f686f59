/** The gateway's local API, as far as the running commentary needs it; its rows are those of `fibric … ls --json` as well. */
import { z } from 'zod';

const page = z.object({ data: z.array(z.unknown()), next_cursor: z.string().nullable() });

export const receiptSchema = z.object({
  seq: z.number(),
  at: z.string(),
  operator: z.string(),
  capability: z.string(),
  entity_key: z.string().nullable(),
  args: z.record(z.string(), z.unknown()),
  policy: z.object({ rule: z.string().nullable() }),
  baseline: z.array(z.object({ value: z.unknown() })),
  target: z.array(z.object({ value: z.unknown() })),
  readback: z.array(z.object({ value: z.unknown() })),
  outcome: z.string(),
  reason: z.string().nullable(),
});
export type ReceiptRow = z.infer<typeof receiptSchema>;

export const planSchema = z.object({
  seq: z.number(),
  at: z.string(),
  operator: z.string(),
  status: z.string(),
  reasoning: z.string().nullable(),
  actions: z.array(z.object({ capability: z.string(), outcome: z.string().nullable() })),
});
export type PlanRow = z.infer<typeof planSchema>;

const pointSchema = z.object({
  device: z.string(),
  point: z.string(),
  entity_key: z.string(),
  value: z.unknown(),
  quality: z.string(),
  quality_reason: z.string().nullable(),
});
export type PointRow = z.infer<typeof pointSchema>;

const statusSchema = z.object({
  site_time: z.string(),
  journal_head: z.number(),
  events_head: z.number(),
});

export const eventSchema = z.object({
  event_type: z.string(),
  payload: z.record(z.string(), z.unknown()),
});
export type EventRow = z.infer<typeof eventSchema>;

const PAGE = '100';
const ANSWER_WITHIN_MS = 10_000;

export class GatewayClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async status(): Promise<z.infer<typeof statusSchema>> {
    return statusSchema.parse(await this.#get('/v1/status', {}));
  }

  /** Receipts after `seq`, oldest first. */
  async *receiptsAfter(seq: number): AsyncGenerator<ReceiptRow> {
    for await (const row of this.#rows('/v1/receipts', { after: String(seq) })) yield receiptSchema.parse(row);
  }

  /** Plans, newest first. */
  async *plans(): AsyncGenerator<PlanRow> {
    for await (const row of this.#rows('/v1/plans', {})) yield planSchema.parse(row);
  }

  async points(): Promise<readonly PointRow[]> {
    return z.array(pointSchema).parse(await Array.fromAsync(this.#rows('/v1/points', {})));
  }

  async *#rows(path: string, query: Readonly<Record<string, string>>): AsyncGenerator<unknown> {
    let cursor: string | null = null;
    do {
      const list: z.infer<typeof page> = page.parse(
        await this.#get(path, { ...query, limit: PAGE, ...(cursor === null ? {} : { cursor }) }),
      );
      yield* list.data;
      cursor = list.next_cursor;
    } while (cursor !== null);
  }

  async #get(path: string, query: Readonly<Record<string, string>>): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}?${new URLSearchParams(query).toString()}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
    return response.json();
  }
}
