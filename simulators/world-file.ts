/**
 * What a hotel remembers over a restart, in `<data>/world.json`: its guests follow from the seed, its rooms and registers from here.
 *
 * H1 Site time never goes back: while a world runs, the file says until when it may have lived; a restart begins there at the earliest.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { FAN_COIL_MODES } from './plant/fan-coil.ts';

const memorySchema = z.object({
  hotel: z.object({
    rooms: z.record(
      z.string(),
      z.object({ temperatureC: z.number(), co2Ppm: z.number(), humidityPercent: z.number() }),
    ),
    airHandler: z.object({ supplyC: z.number(), fanPercent: z.number(), filterPa: z.number() }),
  }),
  fan_coils: z.record(z.string(), z.object({ setpoint_c: z.number(), mode: z.enum(FAN_COIL_MODES) })),
  scenes: z.record(z.string(), z.string()),
});
export type HotelMemory = z.infer<typeof memorySchema>;

const worldFileSchema = z.discriminatedUnion('site', [
  z.object({
    site: z.literal('hotel'),
    world: z.string(),
    seed: z.number(),
    origin_ms: z.number(),
    /** Site time that may have been lived already (H1). */
    lived_until_ms: z.number(),
    memory: memorySchema,
  }),
  z.object({
    site: z.literal('office'),
    world: z.string(),
    recording: z.string(),
    state: z.enum(['playing', 'finished']),
  }),
]);
export type WorldFile = z.infer<typeof worldFileSchema>;

export type WorldFileRead =
  | { readonly kind: 'none' }
  | { readonly kind: 'ok'; readonly file: WorldFile }
  | { readonly kind: 'unreadable'; readonly message: string };

const FILE = 'world.json';

export function readWorldFile(folder: string): WorldFileRead {
  const path = join(folder, FILE);
  try {
    return { kind: 'ok', file: worldFileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
    return { kind: 'unreadable', message: `${path} is not what a simulated world leaves behind` };
  }
}

/** Written beside and renamed, so that nobody reads half of it. */
export function writeWorldFile(folder: string, file: WorldFile): void {
  const path = join(folder, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(file, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}
