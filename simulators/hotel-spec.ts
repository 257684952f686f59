/** The hotel as its site file describes it: the simulator builds its devices from the same lines that the gateway reads. */
import { parse } from 'yaml';
import { z } from 'zod';

export interface HotelSpec {
  readonly timezone: string;
  readonly rooms: readonly { readonly room: string; readonly topic: string; readonly unit: number }[];
  readonly corridors: readonly { readonly corridor: string; readonly unit: number }[];
}

const siteSchema = z.looseObject({
  site: z.looseObject({ timezone: z.string() }),
  devices: z.array(
    z.looseObject({
      profile: z.string(),
      entity: z.string(),
      unit: z.int().min(1).max(247).default(1),
      topic: z.string().default(''),
    }),
  ),
});

/** Reads the parts of a site file that concern the simulator. Throws a `TypeError` that names what is missing. */
export function readHotelSpec(yaml: string): HotelSpec {
  const { site, devices } = siteSchema.parse(parse(yaml));
  const lines = devices.map((device) => ({ ...device, zone: device.entity.replace(/^zone:/, '') }));
  const fanCoils = lines.filter((line) => line.profile === 'fan-coil-unit');
  const rooms = fanCoils.map(({ zone, unit }) => {
    const sensor = lines.find((line) => line.profile === 'room-sensor' && line.zone === zone);
    if (sensor === undefined) throw new TypeError(`zone:${zone} has a fan-coil unit but no room sensor`);
    return { room: zone, topic: sensor.topic, unit };
  });
  const corridors = lines
    .filter((line) => line.profile === 'corridor-light')
    .map(({ zone, unit }) => ({ corridor: zone, unit }));
  return { timezone: site.timezone, rooms, corridors };
}
