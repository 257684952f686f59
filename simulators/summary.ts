/** What a played recording came to: from the records of the gateway, once it has stopped, and from the registers. */
import { type Clock, sleep } from '@fibric/sdk';
import type { GatewayClient, PlanRow, PointRow } from './gateway-client.ts';
import type { Records } from './records.ts';
import { counted } from './text.ts';

/** What became of one room. */
export interface RoomResult {
  readonly room: string;
  /** From the thermostat's register itself. */
  readonly setpointC: number;
  /** How often the register was written over the wire. */
  readonly writes: number;
  /** Of the last temperature reading: `good`, or `bad/stale` and the like. */
  readonly quality: string;
}

export interface Summary {
  readonly rooms: readonly RoomResult[];
  readonly rows: number;
  readonly badLines: number;
  readonly actions: number;
  /** Actions that have not come to an end. */
  readonly open: number;
  readonly receipts: Readonly<Record<string, number>>;
  /** Readings that were not good, by reason. */
  readonly notGood: Readonly<Record<string, number>>;
  readonly staleRooms: readonly string[];
  readonly tookMs: number;
}

const IDLE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** Waits until every action has its receipt, for half a minute of real time at the most. */
export async function idle(client: GatewayClient, real: Clock): Promise<void> {
  const untilMs = real.monoMs() + IDLE_WITHIN_MS;
  while ((await countActions(client.plans())).open > 0 && real.monoMs() < untilMs) await sleep(real, LOOK_EVERY_MS);
}

async function countActions(plans: AsyncIterable<PlanRow>): Promise<{ actions: number; open: number }> {
  let [actions, open] = [0, 0];
  for await (const plan of plans) {
    actions += plan.actions.length;
    open += plan.actions.filter((action) => action.outcome === null).length;
  }
  return { actions, open };
}

/** The quality of each room's last temperature, by zone. */
export function temperatureQuality(points: readonly PointRow[]): ReadonlyMap<string, string> {
  return new Map(
    points
      .filter(({ point }) => point === 'temperature')
      .map(({ entity_key, quality, quality_reason }) => [
        entity_key.replace(/^zone:/, ''),
        quality_reason === null ? quality : `${quality}/${quality_reason}`,
      ]),
  );
}

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1;
}

/** What the gateway has on record: actions, receipts by outcome, readings that were not good until `untilMs` of site time. */
export async function onRecord(
  records: Records,
  untilMs: number,
): Promise<Pick<Summary, 'actions' | 'open' | 'receipts' | 'notGood'>> {
  const receipts: Record<string, number> = {};
  for await (const receipt of records.receipts()) count(receipts, receipt.outcome);
  const notGood: Record<string, number> = {};
  for await (const { payload } of records.events()) {
    const { quality, quality_reason, received_at } = payload;
    if (typeof quality !== 'string' || quality === 'good' || typeof received_at !== 'string') continue;
    if (Temporal.Instant.from(received_at).epochMilliseconds > untilMs) continue;
    count(notGood, typeof quality_reason === 'string' ? `${quality}/${quality_reason}` : quality);
  }
  return { ...(await countActions(records.plans())), receipts, notGood };
}

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return parts.length === 0 ? 'none' : parts.map(([name, n]) => `${n} ${name}`).join(', ');
}

/** The summary as it is printed. */
export function summaryLines(summary: Summary): readonly string[] {
  const receipts = Object.values(summary.receipts).reduce((sum, n) => sum + n, 0);
  const total = summary.open === 0 ? '' : `, ${summary.open} without an end`;
  return [
    'Summary',
    '  room        setpoint   writes   last temperature',
    ...summary.rooms.map(
      ({ room, setpointC, writes, quality }) =>
        `  ${room.padEnd(10)} ${`${setpointC.toFixed(1)} °C`.padStart(9)} ${String(writes).padStart(8)}   ${quality}`,
    ),
    `  recording   ${counted(summary.rows, 'row')} played, ${counted(summary.badLines, 'line')} that could not be read`,
    `  actions     ${summary.actions}${total}`,
    `  receipts    ${receipts}: ${listed(summary.receipts)}`,
    `  readings    not good: ${listed(summary.notGood)}`,
    `  stale       ${summary.staleRooms.length === 0 ? 'no room' : summary.staleRooms.join(', ')}`,
    `  took        ${(summary.tookMs / 1_000).toFixed(1)} s`,
  ];
}
