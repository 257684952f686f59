/** The hotel as `npm start` shows it: a new world, or the one that the data folder holds, a little later. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '@fibric/sdk';
import { acceleratedClock, type Timeline } from './clock.ts';
import { type HotelSpec, readHotelSpec } from './hotel-spec.ts';
import { HotelWorld } from './hotel-world.ts';
import { aborted, type Hint, Refused, type Show, type Stage } from './show.ts';
import { hotelSiteFile, writeSiteFile } from './site-file.ts';
import { newWorldId } from './system.ts';
import { readWorldFile, type WorldFile, writeWorldFile } from './world-file.ts';

type HotelFile = Extract<WorldFile, { site: 'hotel' }>;

/** A winter's day after lunch: the first guests arrive within the hour. */
const ORIGIN = '2026-02-03T12:30:00Z';
const SAVE_EVERY_REAL_MS = 2_000;

/** Finds out which hotel to show. Throws `Refused` when the folder holds something else. */
export function openHotel(stage: Stage, seed: number | null): HotelShow {
  const found = readWorldFile(stage.data);
  if (found.kind === 'unreadable') throw new Refused(`${found.message}: remove it, or name another folder with --data`);
  if (found.kind === 'ok' && found.file.site === 'office') {
    throw new Refused(`${stage.dataAsTyped} holds an office: name another folder with --data`);
  }
  const file = found.kind === 'ok' && found.file.site === 'hotel' ? found.file : null;
  if (file !== null && seed !== null && file.seed !== seed) {
    throw new Refused(
      `${stage.dataAsTyped} holds a hotel with seed ${file.seed}: leave --seed out to go on with it, or name another folder with --data`,
    );
  }
  return new HotelShow(stage, file, seed ?? file?.seed ?? 1);
}

export class HotelShow implements Show {
  readonly #stage: Stage;
  readonly #before: HotelFile | null;
  readonly #seed: number;
  readonly #template: string;
  readonly #spec: HotelSpec;
  #world: HotelWorld | null = null;
  #worldId = '';
  #site: Clock;
  #originMs = 0;
  #saving: Timer | null = null;

  constructor(stage: Stage, before: HotelFile | null, seed: number) {
    this.#stage = stage;
    this.#before = before;
    this.#seed = seed;
    this.#site = stage.real;
    this.#template = readFileSync(join(stage.root, 'config/hotel.yaml'), 'utf8');
    this.#spec = readHotelSpec(this.#template);
  }

  get timezone(): string {
    return this.#spec.timezone;
  }

  get ports() {
    return this.#running().ports;
  }

  get heard(): boolean {
    return this.#running().listeners > 0;
  }

  get about(): readonly string[] {
    const rooms = this.#spec.rooms.length;
    const again = this.#before === null ? '' : ' It goes on where the last run stopped.';
    return [
      `Harbour Hotel: ${rooms} rooms, seed ${this.#seed}, ${this.#stage.speed} times as fast as real time.${again}`,
      'This is a simulated world, not a live site. Guests, weather and devices are made up; sockets, messages and registers are real.',
      'Operators run in mode live in it: what they propose, and policy allows, is done at once - to simulated devices only.',
    ];
  }

  get hints(): readonly Hint[] {
    const { mqtt, modbus, opcua, bookings, upstream } = this.ports;
    const first = this.#spec.rooms[0];
    return [
      {
        name: 'MQTT',
        where: `127.0.0.1:${mqtt}`,
        command: `mosquitto_sub -h 127.0.0.1 -p ${mqtt} -t 'hotel/#' -v`,
      },
      {
        name: 'Modbus TCP',
        where: `127.0.0.1:${modbus}`,
        command: `mbpoll -m tcp -p ${modbus} -a ${first?.unit ?? 1} -0 -r 0 -t 4 -1 127.0.0.1   (room ${first?.room ?? ''}: setpoint × 10)`,
      },
      {
        name: 'OPC UA',
        where: `opc.tcp://127.0.0.1:${opcua}`,
        command: 'any OPC UA client: object AHU1, security None',
      },
      { name: 'bookings', where: `127.0.0.1:${bookings}`, command: `curl http://127.0.0.1:${bookings}/v1/bookings` },
      {
        name: 'upstream',
        where: `127.0.0.1:${upstream}`,
        command: `receives what the gateway syncs (POST /v1/events)`,
      },
    ];
  }

  async open(): Promise<void> {
    const { real, speed, ports, data, root } = this.#stage;
    this.#originMs = this.#before?.origin_ms ?? Temporal.Instant.from(ORIGIN).epochMilliseconds;
    const timeline: Timeline = {
      epochMs: this.#before?.lived_until_ms ?? this.#originMs,
      startedMs: real.wallMs(),
      speed,
    };
    this.#worldId = this.#before?.world ?? newWorldId('hotel');
    this.#site = acceleratedClock(real, timeline);
    this.#world = new HotelWorld({
      spec: this.#spec,
      world: this.#worldId,
      seed: this.#seed,
      originMs: this.#originMs,
      site: this.#site,
      real,
      ports,
      folder: data,
      memory: this.#before?.memory ?? null,
    });
    await this.#world.start();
    const site = { root, world: this.#worldId, timeline, ports: this.#world.ports };
    writeSiteFile(data, hotelSiteFile(this.#template, site));
    this.#save();
  }

  run(signal: AbortSignal): Promise<'aborted'> {
    return aborted(signal);
  }

  /** A hotel has no end. */
  async finish(): Promise<void> {}

  async summary(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#saving?.cancel();
    if (this.#world === null) return;
    // The gateway has stopped: nobody has seen a later moment than this one.
    this.#remember(this.#world, this.#site.wallMs());
    await this.#world.stop();
  }

  #running(): HotelWorld {
    if (this.#world === null) throw new Error('the hotel is not open');
    return this.#world;
  }

  /** H1: until the next time the file is written, time may run this far. */
  #save(): void {
    const reserveMs = 2 * SAVE_EVERY_REAL_MS * this.#stage.speed;
    this.#remember(this.#running(), this.#site.wallMs() + reserveMs);
    this.#saving = this.#stage.real.after(SAVE_EVERY_REAL_MS, () => this.#save());
  }

  #remember(world: HotelWorld, livedUntilMs: number): void {
    writeWorldFile(this.#stage.data, {
      site: 'hotel',
      world: this.#worldId,
      seed: this.#seed,
      origin_ms: this.#originMs,
      lived_until_ms: livedUntilMs,
      memory: world.memory(),
    });
  }
}
