import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { openHotel } from './hotel-show.ts';
import { openOffice } from './office-show.ts';
import { portsFrom } from './ports.ts';
import { RECORDING_HEADER } from './recording.ts';
import type { Stage } from './show.ts';
import { systemClock } from './system.ts';
import { readWorldFile, type WorldFile, writeWorldFile } from './world-file.ts';

const ROOT = dirname(import.meta.dirname);
let data = '';

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'fibric-show-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

function stage(): Stage {
  return {
    root: ROOT,
    data,
    dataAsTyped: 'the-folder',
    speed: 600,
    ports: portsFrom(0),
    real: systemClock(),
    say: () => undefined,
  };
}

interface Site {
  readonly simulation: {
    readonly world: string;
    readonly speed: number;
    readonly epoch: string;
    readonly started: string;
  };
  readonly connections: Readonly<Record<string, { readonly url: string }>>;
  readonly gateway: { readonly data: string };
  readonly devices: readonly Readonly<Record<string, unknown>>[];
}

function siteFile(): Site {
  return parse(readFileSync(join(data, 'site.yaml'), 'utf8')) as Site;
}

function worldFile(): Extract<WorldFile, { site: 'hotel' }> {
  const read = readWorldFile(data);
  if (read.kind !== 'ok' || read.file.site !== 'hotel') throw new Error('no hotel in the folder');
  return read.file;
}

describe('the hotel on a data folder', () => {
  it('writes a site file with its world, its pace and the ports that it really has', async () => {
    const show = openHotel(stage(), 5);
    await show.open();
    const site = siteFile();
    expect(site.simulation).toMatchObject({ speed: 600, epoch: '2026-02-03T12:30:00.000Z' });
    expect(site.connections['field']?.url).toBe(`mqtt://127.0.0.1:${show.ports.mqtt}`);
    expect(site.connections['plant']?.url).toBe(`opc.tcp://127.0.0.1:${show.ports.opcua}`);
    expect(site.gateway.data).toBe('.');
    await show.close();
    expect(worldFile()).toMatchObject({ seed: 5, world: site.simulation.world });
  });

  it('H1 goes on where it was, in the same world, and never goes back, not even after it was killed', async () => {
    const first = openHotel(stage(), 5);
    await first.open();
    const killed = worldFile();
    await first.close();
    const clean = worldFile();
    expect(clean.lived_until_ms).toBeGreaterThan(Temporal.Instant.from(siteFile().simulation.epoch).epochMilliseconds);
    expect(killed.lived_until_ms).toBeGreaterThan(clean.lived_until_ms);
    writeWorldFile(data, killed);
    const second = openHotel(stage(), null);
    await second.open();
    const { simulation } = siteFile();
    expect(Temporal.Instant.from(simulation.epoch).epochMilliseconds).toBe(Math.floor(killed.lived_until_ms));
    expect(simulation.world).toBe(killed.world);
    await second.close();
  });

  it('refuses another seed, an office and rubbish, saying what to do', () => {
    const memory = {
      hotel: { rooms: {}, airHandler: { supplyC: 1, fanPercent: 1, filterPa: 1 } },
      fan_coils: {},
      scenes: {},
    };
    writeWorldFile(data, { site: 'hotel', world: 'w', seed: 5, origin_ms: 0, lived_until_ms: 0, memory });
    expect(() => openHotel(stage(), 6)).toThrow(
      'the-folder holds a hotel with seed 5: leave --seed out to go on with it, or name another folder with --data',
    );
    writeWorldFile(data, { site: 'office', world: 'w', recording: 'day.csv', state: 'finished' });
    expect(() => openHotel(stage(), null)).toThrow('the-folder holds an office: name another folder with --data');
    writeFileSync(join(data, 'world.json'), '{');
    expect(() => openHotel(stage(), null)).toThrow(
      /world\.json is not what a simulated world leaves behind: remove it/,
    );
  });
});

describe('the office on a data folder', () => {
  function recording(...rows: readonly string[]): string {
    const file = join(data, 'day.csv');
    writeFileSync(file, [RECORDING_HEADER.join(), ...rows].join('\n'));
    return file;
  }
  const ROW = '2013-08-26T00:00:00,415,24.1,57,474,148,0';

  it('writes a site file with a sensor and a thermostat a room, its clock beginning with the first row', async () => {
    const show = await openOffice(stage(), recording(ROW, 'rubbish', ROW.replace('415', '511')));
    expect(show.about.join('\n')).toContain('line 3: 1 cell instead of 7');
    await show.open();
    const site = siteFile();
    expect(site.simulation.epoch).toBe('2013-08-26T07:00:00.000Z');
    expect(site.devices.map(({ id }) => id)).toEqual(['sensor-415', 'thermostat-415', 'sensor-511', 'thermostat-511']);
    await show.close();
  });

  it('refuses a folder that holds a run, and a file that cannot be played', async () => {
    const file = recording(ROW);
    writeWorldFile(data, { site: 'office', world: 'w', recording: 'day.csv', state: 'finished' });
    await expect(openOffice(stage(), file)).rejects.toThrow(
      'the-folder holds a finished run of day.csv, and a recording begins at its beginning: remove the folder, or name another one with --data',
    );
    await expect(openOffice(stage(), join(data, 'none.csv'))).rejects.toThrow(
      `there is no file ${join(data, 'none.csv')}`,
    );
  });

  it('refuses more rooms than one Modbus server can address', async () => {
    const rows = Array.from({ length: 248 }, (_, i) => ROW.replace('415', String(i)));
    await expect(openOffice(stage(), recording(...rows))).rejects.toThrow(/has 248 rooms/);
  });
});
