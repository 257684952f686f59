/**
 * The simulated hotel on real sockets: sensors over MQTT, fan-coil units and corridor lights over Modbus TCP, an air handler over
 * OPC UA, the booking system over HTTP, and a receiver for what the gateway sends upstream.
 */
import { type Clock, isoTime, type Timer } from '@fibric/sdk';
import { join } from 'node:path';
import { BookingSystem } from './booking-system.ts';
import {
  CORRIDOR_LIGHT,
  corridorLightUnit,
  FAN_COIL,
  fanCoilUnit,
  modeOf,
  SCENES,
  setpointOf,
  tenths,
} from './devices.ts';
import { Field } from './field.ts';
import { Guests } from './guests.ts';
import { Hotel } from './hotel.ts';
import type { HotelMemory } from './world-file.ts';
import type { HotelSpec } from './hotel-spec.ts';
import { createModbusServer, type ModbusServer, type ModbusUnit } from './modbus/server.ts';
import { type AirHandlerServer, createAirHandlerServer } from './opcua/air-handler.ts';
import { NORTHERN_CITY } from './plant/weather.ts';
import { listening, type Ports } from './ports.ts';
import { Upstream } from './upstream.ts';

export interface HotelWorldOptions {
  readonly spec: HotelSpec;
  readonly world: string;
  readonly seed: number;
  /** When this world began, in site time. */
  readonly originMs: number;
  readonly site: Clock;
  readonly real: Clock;
  readonly ports: Ports;
  /** Holds the air handler's keys. */
  readonly folder: string;
  /** What an earlier run left; null for a new world. */
  readonly memory: HotelMemory | null;
}

/** A sensor speaks once a minute of its own time, and when something happens. */
const REPORT_MS = 60_000;
/** The radio allows five messages a second. */
const RADIO_REAL_MS = 200;
const TICK_REAL_MS = 250;
/** What upstream keeps of a long demonstration. */
const UPSTREAM_KEEP = 1_000;
const START_SETPOINT_C = 20;

interface Sensor {
  readonly topic: string;
  nextMs: number;
  spokeRealMs: number;
  said: string;
}

export class HotelWorld {
  readonly #options: HotelWorldOptions;
  readonly #guests: Guests;
  readonly #hotel: Hotel;
  readonly #field: Field;
  readonly #bookings: BookingSystem;
  readonly #modbus: ModbusServer;
  readonly #airHandler: AirHandlerServer;
  readonly #fanCoils: ReadonlyMap<string, ModbusUnit>;
  readonly #lights: ReadonlyMap<string, ModbusUnit>;
  readonly #sensors: ReadonlyMap<string, Sensor>;
  readonly upstream: Upstream;
  #ports: Ports;
  #timer: Timer | null = null;

  constructor(options: HotelWorldOptions) {
    const { spec, world, seed, site, memory } = options;
    this.#options = options;
    this.#ports = options.ports;
    const rooms = spec.rooms.map(({ room }) => room);
    this.#guests = new Guests({ seed, rooms, timezone: spec.timezone, originMs: options.originMs });
    this.#fanCoils = new Map(spec.rooms.map(({ room, unit }) => [room, fanCoilOf(unit, memory?.fan_coils[room])]));
    this.#lights = new Map(
      spec.corridors.map(({ corridor, unit }) => [corridor, lightOf(unit, memory?.scenes[corridor])]),
    );
    this.#field = new Field(world);
    this.#bookings = new BookingSystem(world, this.#guests, site);
    const units = [...this.#fanCoils.values(), ...this.#lights.values()];
    this.#modbus = createModbusServer({ world, units, clock: options.real });
    this.#airHandler = createAirHandlerServer({
      port: options.ports.opcua,
      world,
      clock: site,
      pkiDir: join(options.folder, 'air-handler-pki'),
    });
    this.upstream = new Upstream({ port: options.ports.upstream, keep: UPSTREAM_KEEP });
    this.#hotel = new Hotel(
      {
        seed,
        rooms,
        corridors: spec.corridors.map(({ corridor }) => corridor),
        climate: { ...NORTHERN_CITY, timezone: spec.timezone },
        guests: this.#guests,
        commands: { fanCoil: (room) => this.#fanCoilCommand(room), airHandler: () => this.#airHandlerCommand() },
      },
      site.wallMs(),
      memory?.hotel ?? null,
    );
    this.#sensors = new Map(
      spec.rooms.map(({ room, topic }, i) => [
        room,
        // Spread over the minute, so that they do not all speak at once.
        {
          topic,
          nextMs: site.wallMs() + (i * REPORT_MS) / spec.rooms.length,
          spokeRealMs: Number.NEGATIVE_INFINITY,
          said: '',
        },
      ]),
    );
  }

  /** The ports that the world listens on. */
  get ports(): Ports {
    return this.#ports;
  }

  get hotel(): Hotel {
    return this.#hotel;
  }

  get guests(): Guests {
    return this.#guests;
  }

  /** How many times others have subscribed to the sensors. */
  get listeners(): number {
    return this.#field.listeners;
  }

  fanCoil(room: string): ModbusUnit {
    const unit = this.#fanCoils.get(room);
    if (unit === undefined) throw new Error(`no room ${room} in this hotel`);
    return unit;
  }

  /** Opens all sockets and lets life begin. A taken port is a `PortTaken`. */
  async start(): Promise<void> {
    const { ports } = this.#options;
    await listening('mqtt', ports.mqtt, () => this.#field.start(ports.mqtt));
    const { port: modbus } = await listening('modbus', ports.modbus, () => this.#modbus.start(ports.modbus));
    await listening('opcua', ports.opcua, () => this.#airHandler.start());
    await listening('bookings', ports.bookings, () => this.#bookings.start(ports.bookings));
    await listening('upstream', ports.upstream, () => this.upstream.start());
    this.#ports = {
      ...ports,
      mqtt: this.#field.port,
      modbus,
      opcua: Number(new URL(this.#airHandler.url().replace('opc.tcp', 'http')).port),
      bookings: this.#bookings.port,
      upstream: this.upstream.port,
    };
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await Promise.all([
      this.#field.stop(),
      this.#modbus.stop(),
      this.#airHandler.stop(),
      this.#bookings.stop(),
      this.upstream.stop(),
    ]);
  }

  /** What a restart on the same folder goes on with. */
  memory(): HotelMemory {
    const fanCoils = [...this.#fanCoils].map(([room, unit]) => [
      room,
      { setpoint_c: setpointOf(unit), mode: modeOf(unit) },
    ]);
    const scenes = [...this.#lights].map(([corridor, unit]) => [corridor, sceneOf(unit).name]);
    return {
      hotel: this.#hotel.snapshot(),
      fan_coils: Object.fromEntries(fanCoils),
      scenes: Object.fromEntries(scenes),
    };
  }

  #tick(): void {
    this.#timer = this.#options.real.after(TICK_REAL_MS, () => this.#tick());
    this.#hotel.liveUntil(this.#options.site.wallMs());
    this.#showOnWires();
    this.#report();
  }

  #fanCoilCommand(room: string): { setpointC: number; mode: ReturnType<typeof modeOf> } {
    const unit = this.fanCoil(room);
    return { setpointC: setpointOf(unit), mode: modeOf(unit) };
  }

  #airHandlerCommand(): { setpointC: number; on: boolean } {
    return {
      setpointC: Number(this.#airHandler.get('supply_setpoint')),
      on: this.#airHandler.get('fan_command') === true,
    };
  }

  /** Puts what is measured into registers and nodes. */
  #showOnWires(): void {
    for (const [room, unit] of this.#fanCoils) {
      const { temperatureC, drive, presence } = this.#hotel.room(room);
      const knob = presence.knobK;
      const { temperature, fan, valve, knob: knobAt, aims_at } = FAN_COIL.input;
      unit.set('input', temperature, tenths(temperatureC));
      unit.set('input', fan, drive.fanPercent);
      unit.set('input', valve, drive.valvePercent);
      unit.set('input', knobAt, tenths(knob));
      unit.set('input', aims_at, tenths(setpointOf(unit) + knob));
    }
    for (const [corridor, unit] of this.#lights) {
      unit.set('input', CORRIDOR_LIGHT.input.level, sceneOf(unit).percent);
      unit.set('discrete', CORRIDOR_LIGHT.discrete.motion, this.#hotel.corridorMotion(corridor) ? 1 : 0);
    }
    const { supplyC, fanPercent, filterPa } = this.#hotel.airHandler;
    this.#airHandler.set('supply_temperature', Math.round(supplyC * 100) / 100);
    this.#airHandler.set('return_temperature', Math.round(this.#meanC() * 100) / 100);
    this.#airHandler.set('outdoor_temperature', Math.round(this.#hotel.weather.outsideC * 100) / 100);
    this.#airHandler.set('fan_speed', Math.round(fanPercent * 10) / 10);
    this.#airHandler.set('filter_pressure', Math.round(filterPa));
  }

  #meanC(): number {
    const rooms = this.#options.spec.rooms.map(({ room }) => this.#hotel.room(room).temperatureC);
    return rooms.reduce((sum, c) => sum + c, 0) / rooms.length;
  }

  /** Sensors speak when their minute is over or when motion or window changed, as often as the radio lets them. */
  #report(): void {
    const { site, real } = this.#options;
    const nowMs = site.wallMs();
    for (const [room, sensor] of this.#sensors) {
      const view = this.#hotel.room(room);
      const happening = `${view.presence.motion}/${view.presence.windowOpen}`;
      if (nowMs < sensor.nextMs && happening === sensor.said) continue;
      if (real.monoMs() - sensor.spokeRealMs < RADIO_REAL_MS || this.#field.busy(sensor.topic)) continue;
      sensor.nextMs = nowMs + REPORT_MS;
      sensor.spokeRealMs = real.monoMs();
      sensor.said = happening;
      void this.#field.publish(sensor.topic, isoTime(nowMs), {
        temperature: Math.round(view.temperatureC * 100) / 100,
        humidity: Math.round(view.humidityPercent * 10) / 10,
        co2: Math.round(view.co2Ppm),
        motion: view.presence.motion,
        window: view.presence.windowOpen,
        light: view.lightLux,
      });
    }
  }
}

function fanCoilOf(unit: number, kept: HotelMemory['fan_coils'][string] | undefined): ModbusUnit {
  return fanCoilUnit(unit, kept?.setpoint_c ?? START_SETPOINT_C, kept?.mode ?? 'heat');
}

function lightOf(unit: number, scene: string | undefined): ModbusUnit {
  const light = corridorLightUnit(unit);
  const known = SCENES.findIndex(({ name }) => name === scene);
  if (known >= 0) light.set('holding', CORRIDOR_LIGHT.holding.scene, known);
  return light;
}

function sceneOf(unit: ModbusUnit): (typeof SCENES)[number] {
  return SCENES[unit.get('holding', CORRIDOR_LIGHT.holding.scene) ?? 0] ?? SCENES[0];
}
