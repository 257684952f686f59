/** The hotel behind the wires: rooms, guests, corridors and the air handler, stepped through site time. No socket, no clock. */
import { type Guests, type Presence } from './guests.ts';
import { localTime } from './local-time.ts';
import { type AirHandlerState, fanDemandAt, stepAirHandler } from './plant/air-handler.ts';
import { type FanCoilDrive, type FanCoilMode, driveFanCoil } from './plant/fan-coil.ts';
import { type RoomState, stepRoom } from './plant/room.ts';
import { type Climate, type Facade, type Weather, weatherAt } from './plant/weather.ts';
import { between, chance, seededRandom } from './random.ts';

/** What the devices were told: the model reads it at each step, from the registers. */
export interface Commands {
  fanCoil(room: string): { readonly setpointC: number; readonly mode: FanCoilMode };
  airHandler(): { readonly setpointC: number; readonly on: boolean };
}

export interface RoomView extends RoomState {
  readonly presence: Presence;
  readonly drive: FanCoilDrive;
  /** Daylight and lamps at the sensor. */
  readonly lightLux: number;
}

export interface HotelOptions {
  readonly seed: number;
  readonly rooms: readonly string[];
  readonly corridors: readonly string[];
  readonly climate: Climate;
  readonly guests: Guests;
  readonly commands: Commands;
}

/** What a restart needs to go on. */
export interface HotelSnapshot {
  readonly rooms: Readonly<Record<string, RoomState>>;
  readonly airHandler: AirHandlerState;
}

/** Longest step: what people do changes by the minute. */
export const STEP_MS = 60_000;
/** After a pause longer than this (a laptop asleep) the rest is skipped: the rooms have settled long ago. */
const CATCH_UP_MS = 3 * 24 * 3_600_000;
const FACADES: readonly Facade[] = ['south', 'north', 'east', 'west'];
const NOBODY: Presence = { doing: 'nobody', people: 0, motion: false, windowOpen: false, knobK: 0 };

export class Hotel {
  readonly #options: HotelOptions;
  readonly #rooms = new Map<string, RoomView>();
  #airHandler: AirHandlerState = { supplyC: 18, fanPercent: 60, filterPa: 100 };
  #weather: Weather;
  #atMs: number;

  constructor(options: HotelOptions, startMs: number, from: HotelSnapshot | null) {
    this.#options = options;
    this.#atMs = startMs;
    this.#weather = weatherAt(options.climate, options.seed, startMs);
    this.#airHandler = from?.airHandler ?? this.#airHandler;
    for (const room of options.rooms) {
      const state = from?.rooms[room] ?? startingState(options.seed, room);
      this.#rooms.set(room, { ...state, presence: NOBODY, drive: driveFanCoil('off', 0, 0), lightLux: 0 });
    }
  }

  /** Site time up to which the hotel has been lived. */
  get atMs(): number {
    return this.#atMs;
  }

  get weather(): Weather {
    return this.#weather;
  }

  get airHandler(): AirHandlerState {
    return this.#airHandler;
  }

  room(room: string): RoomView {
    const view = this.#rooms.get(room);
    if (view === undefined) throw new Error(`no room ${room} in this hotel`);
    return view;
  }

  /** Whether somebody walks the corridor within this minute: busy while people come and go, seldom at night. */
  corridorMotion(corridor: string): boolean {
    const { seed, climate } = this.#options;
    const { hour } = localTime(this.#atMs, climate.timezone);
    const random = seededRandom(seed, 'corridor', corridor, Math.floor(this.#atMs / STEP_MS));
    return chance(random, hour < 6 || hour >= 23 ? 0.005 : hour < 11 || hour >= 16 ? 0.25 : 0.08);
  }

  snapshot(): HotelSnapshot {
    const state = ({ temperatureC, co2Ppm, humidityPercent }: RoomView): RoomState => ({
      temperatureC,
      co2Ppm,
      humidityPercent,
    });
    return {
      rooms: Object.fromEntries([...this.#rooms].map(([room, view]) => [room, state(view)])),
      airHandler: this.#airHandler,
    };
  }

  /** Lives until `siteMs`, in steps of a minute at most. Time never goes back. */
  liveUntil(siteMs: number): void {
    this.#atMs = Math.max(this.#atMs, siteMs - CATCH_UP_MS);
    while (this.#atMs < siteMs) {
      const dtMs = Math.min(STEP_MS, siteMs - this.#atMs);
      this.#atMs += dtMs;
      this.#step(dtMs);
    }
  }

  #step(dtMs: number): void {
    const { climate, seed, commands } = this.#options;
    this.#weather = weatherAt(climate, seed, this.#atMs);
    const { hour } = localTime(this.#atMs, climate.timezone);
    const { setpointC, on } = commands.airHandler();
    this.#airHandler = stepAirHandler(
      this.#airHandler,
      { outsideC: this.#weather.outsideC, supplySetpointC: setpointC, fanDemandPercent: on ? fanDemandAt(hour) : 0 },
      dtMs,
    );
    for (const [i, room] of this.#options.rooms.entries()) {
      this.#rooms.set(room, this.#stepRoom(room, FACADES[i % FACADES.length] ?? 'south', dtMs));
    }
  }

  #stepRoom(room: string, facade: Facade, dtMs: number): RoomView {
    const before = this.room(room);
    const presence = this.#options.guests.presence(room, this.#atMs);
    const { setpointC, mode } = this.#options.commands.fanCoil(room);
    const drive = driveFanCoil(mode, setpointC + presence.knobK, before.temperatureC);
    const sunWm2 = this.#weather.sunWm2[facade];
    const input = {
      outsideC: this.#weather.outsideC,
      sunWm2,
      people: presence.people,
      windowOpen: presence.windowOpen,
      powerW: drive.powerW,
    };
    const lamps = presence.doing === 'awake' || presence.doing === 'cleaning' ? 140 : 0;
    return { ...stepRoom(before, input, dtMs), presence, drive, lightLux: Math.round(sunWm2 * 2.5 + lamps) };
  }
}

function startingState(seed: number, room: string): RoomState {
  const random = seededRandom(seed, 'start', room);
  return {
    temperatureC: between(random, 19, 21.5),
    co2Ppm: between(random, 420, 520),
    humidityPercent: between(random, 35, 42),
  };
}
