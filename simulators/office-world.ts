/** A recorded office on real sockets: its sensors over MQTT at the pace of the site clock, one Modbus thermostat a room. */
import { type Clock, isoTime, sleep } from '@fibric/sdk';
import { thermostatUnit } from './devices.ts';
import { Field, type SensorValues } from './field.ts';
import { createModbusServer, type ModbusServer, type ModbusUnit } from './modbus/server.ts';
import { listening, type Ports } from './ports.ts';
import { type RecordingRow, recordingRows, type Survey } from './recording.ts';

export interface OfficeWorldOptions {
  readonly world: string;
  readonly recording: string;
  readonly survey: Survey;
  readonly timezone: string;
  readonly real: Clock;
  readonly ports: Ports;
}

/** Unit identifiers of Modbus run from 1 to 247 (Modbus Messaging Implementation Guide V1.0b, clause 4.4.1.2). */
export const MOST_ROOMS = 247;
export const START_SETPOINT_C = 21;

/** The topic of a room's sensor. */
export function officeTopic(room: string): string {
  return `office/${room}`;
}

/** The unit identifier of each room's thermostat, from 1 in the order of the rooms. */
export function officeUnits(rooms: readonly string[]): ReadonlyMap<string, number> {
  return new Map(rooms.map((room, i) => [room, i + 1]));
}

/** A row as the room's sensor says it. What was not recorded is not said. */
export function officeMessage({ values }: RecordingRow): SensorValues {
  const said = {
    temperature: values.temperature_degC,
    humidity: values.humidity_percent,
    co2: values.co2_ppm,
    light: values.light_lux,
    pir: values.pir,
  };
  return Object.fromEntries(Object.entries(said).filter((entry): entry is [string, number] => entry[1] !== undefined));
}

export class OfficeWorld {
  readonly #options: OfficeWorldOptions;
  readonly #field: Field;
  readonly #modbus: ModbusServer;
  readonly #thermostats: ReadonlyMap<string, ModbusUnit>;
  #ports: Ports;
  #played = 0;

  constructor(options: OfficeWorldOptions) {
    this.#options = options;
    this.#ports = options.ports;
    this.#field = new Field(options.world);
    const units = [...officeUnits(options.survey.rooms)];
    this.#thermostats = new Map(units.map(([room, unit]) => [room, thermostatUnit(unit, START_SETPOINT_C)]));
    this.#modbus = createModbusServer({
      world: options.world,
      units: [...this.#thermostats.values()],
      clock: options.real,
    });
  }

  get ports(): Ports {
    return this.#ports;
  }

  /** How many times others have subscribed to the sensors. */
  get listeners(): number {
    return this.#field.listeners;
  }

  /** Rows published so far. */
  get played(): number {
    return this.#played;
  }

  get rooms(): readonly string[] {
    return this.#options.survey.rooms;
  }

  thermostat(room: string): ModbusUnit {
    const unit = this.#thermostats.get(room);
    if (unit === undefined) throw new Error(`no room ${room} in this office`);
    return unit;
  }

  /** Opens all sockets. A taken port is a `PortTaken`. */
  async start(): Promise<void> {
    const { ports } = this.#options;
    await listening('mqtt', ports.mqtt, () => this.#field.start(ports.mqtt));
    const { port } = await listening('modbus', ports.modbus, () => this.#modbus.start(ports.modbus));
    this.#ports = { ...ports, mqtt: this.#field.port, modbus: port };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#field.stop(), this.#modbus.stop()]);
  }

  /**
   * Plays the recording to its end: each row when the site clock shows its time, or at once when it is late. Rows of one moment go
   * out together, and the next moment waits until the broker has them all.
   */
  async play(site: Clock, signal: AbortSignal): Promise<void> {
    const { recording, timezone, survey } = this.#options;
    let moment: RecordingRow[] = [];
    for await (const row of recordingRows(recording, timezone, survey.ordered)) {
      if (signal.aborted) return;
      const before = moment[0];
      if (before !== undefined && before.atMs !== row.atMs) {
        await this.#publish(moment, site, signal);
        moment = [];
      }
      moment.push(row);
    }
    await this.#publish(moment, site, signal);
  }

  async #publish(rows: readonly RecordingRow[], site: Clock, signal: AbortSignal): Promise<void> {
    const atMs = rows[0]?.atMs ?? 0;
    await sleep(site, Math.max(0, atMs - site.wallMs()), signal);
    if (signal.aborted) return;
    await Promise.all(
      rows.map((row) => this.#field.publish(officeTopic(row.room), isoTime(row.atMs), officeMessage(row))),
    );
    this.#played += rows.length;
  }
}
