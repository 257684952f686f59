/** What `comfort` keeps between runs: watermarks per zone, small, and nothing that sensing could tell. */
import { z } from 'zod';
import { UNMEASURED } from './precondition.ts';

const zoneSchema = z.strictObject({
  /** What the last run that could tell concluded. */
  occupied: z.boolean().default(false),
  /** What was proposed last, and when (seconds since the epoch). */
  asked: z
    .strictObject({ value: z.union([z.number(), z.string()]), at_s: z.number() })
    .nullable()
    .default(null),
  rates: z.strictObject({ heat: z.number().nullable(), cool: z.number().nullable() }).default(UNMEASURED),
  measuring: z.strictObject({ since_s: z.number(), from: z.number() }).nullable().default(null),
  /** The booking that the room was made ready for. */
  readied_for: z.string().nullable().default(null),
});

export type ZoneMemory = z.output<typeof zoneSchema>;
export type Memory = ReadonlyMap<string, ZoneMemory>;

/** The state has a bound (64 KiB). Zones that do not fit are run without a memory, and only lose their patience by it. */
const CHARS = 60_000;

export const NO_MEMORY: ZoneMemory = zoneSchema.parse({});

/** Reads `ctx.state`. What does not fit (written by another version) is forgotten: every watermark can be made again. */
export function recall(state: Readonly<Record<string, unknown>>): Memory {
  const zones = z.record(z.string(), zoneSchema.catch(NO_MEMORY)).safeParse(state['zones'] ?? {});
  return new Map(Object.entries(zones.success ? zones.data : {}));
}

/** The state to return: only what differs from having no memory. */
export function remember(memory: Memory): { readonly zones: Readonly<Record<string, Partial<ZoneMemory>>> } {
  const zones: Record<string, Partial<ZoneMemory>> = {};
  let chars = 0;
  for (const [zone, of] of [...memory].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const differing = Object.fromEntries(Object.entries(of).filter(differsFromNone));
    chars += zone.length + JSON.stringify(differing).length;
    if (chars > CHARS) break;
    if (Object.keys(differing).length > 0) zones[zone] = differing;
  }
  return { zones };
}

function differsFromNone([name, value]: readonly [string, unknown]): boolean {
  return JSON.stringify(value) !== JSON.stringify(NO_MEMORY[name as keyof ZoneMemory]);
}
