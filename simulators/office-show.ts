/** The recorded office as `npm start` shows it: one run from the first row to the last. */
import { resolve } from 'node:path';
import { acceleratedClock, type Timeline } from './clock.ts';
import type { GatewayClient } from './gateway-client.ts';
import { setpointOf, setpointWrites } from './devices.ts';
import { sayLocalTime } from './local-time.ts';
import { MOST_ROOMS, OfficeWorld, officeTopic } from './office-world.ts';
import type { Records } from './records.ts';
import { surveyRecording, type Survey } from './recording.ts';
import { type Hint, Refused, type Show, type Stage } from './show.ts';
import { officeSiteFile, writeSiteFile } from './site-file.ts';
import { idle, onRecord, summaryLines, temperatureQuality } from './summary.ts';
import { newWorldId } from './system.ts';
import { counted } from './text.ts';
import { readWorldFile, writeWorldFile } from './world-file.ts';

const TIMEZONE = 'America/Los_Angeles';
/** The gateway starts within this; the first row is played then. */
const STARTING_REAL_MS = 6_000;
/** Readings this much later than the last row still tell of the recording. */
const AFTER_THE_END_MS = 60_000;

/** Looks through the recording and the folder. Throws `Refused` when either cannot be used. */
export async function openOffice(stage: Stage, recording: string): Promise<OfficeShow> {
  const path = resolve(recording);
  const looked = await surveyRecording(path, TIMEZONE);
  if (looked.kind === 'unusable') throw new Refused(looked.message);
  if (looked.survey.rooms.length > MOST_ROOMS) {
    throw new Refused(
      `${path} has ${looked.survey.rooms.length} rooms: one Modbus server has addresses for ${MOST_ROOMS} thermostats`,
    );
  }
  const found = readWorldFile(stage.data);
  if (found.kind !== 'none') {
    const what =
      found.kind === 'ok' && found.file.site === 'office'
        ? `a ${found.file.state === 'finished' ? 'finished' : 'broken-off'} run of ${found.file.recording}`
        : 'another simulated world';
    throw new Refused(
      `${stage.dataAsTyped} holds ${what}, and a recording begins at its beginning: ` +
        'remove the folder, or name another one with --data',
    );
  }
  return new OfficeShow(stage, path, looked.survey);
}

export class OfficeShow implements Show {
  readonly timezone = TIMEZONE;
  readonly survey: Survey;
  readonly #stage: Stage;
  readonly #recording: string;
  readonly #worldId = newWorldId('office');
  #world: OfficeWorld | null = null;
  #timeline: Timeline;
  #tookMs = 0;
  /** Of each room's last temperature; null before the end. */
  #quality: ReadonlyMap<string, string> | null = null;

  constructor(stage: Stage, recording: string, survey: Survey) {
    this.#stage = stage;
    this.#recording = recording;
    this.survey = survey;
    this.#timeline = { epochMs: survey.fromMs, startedMs: 0, speed: stage.speed };
  }

  get ports() {
    return this.#running().ports;
  }

  get heard(): boolean {
    return this.#running().listeners > 0;
  }

  get about(): readonly string[] {
    const { rooms, rows, fromMs, toMs, ordered, badLines, examples } = this.survey;
    const from = sayLocalTime(fromMs, TIMEZONE);
    const to = sayLocalTime(toMs, TIMEZONE);
    const takesS = Math.ceil((toMs - fromMs) / this.#stage.speed / 1_000);
    return [
      `A recorded office: ${counted(rooms.length, 'room')}, ${counted(rows, 'row')} from ${from} to ${to}, ${this.#stage.speed} times as fast: ${takesS} s.`,
      'This is a simulated world, not a live site. The readings were recorded; the thermostats are simulated, one a room, at 21 °C.',
      'Operators run in mode live in it: what they propose, and policy allows, is done at once - to simulated devices only.',
      ...(ordered ? [] : ['The file is not in order of time; its rows are sorted in memory.']),
      ...(badLines === 0 ? [] : [`${counted(badLines, 'line')} cannot be played:`]),
      ...examples.map(({ line, reason }) => `  line ${line}: ${reason}`),
      ...(badLines > examples.length ? [`  and ${badLines - examples.length} more`] : []),
    ];
  }

  get hints(): readonly Hint[] {
    const { mqtt, modbus } = this.ports;
    const room = this.survey.rooms[0] ?? '';
    return [
      {
        name: 'MQTT',
        where: `127.0.0.1:${mqtt}`,
        command: `mosquitto_sub -h 127.0.0.1 -p ${mqtt} -t '${officeTopic('#')}' -v`,
      },
      {
        name: 'Modbus TCP',
        where: `127.0.0.1:${modbus}`,
        command: `mbpoll -m tcp -p ${modbus} -a 1 -0 -r 0 -t 4 -1 127.0.0.1   (room ${room}: setpoint × 10)`,
      },
    ];
  }

  async open(): Promise<void> {
    const { real, ports, data, root } = this.#stage;
    this.#world = new OfficeWorld({
      world: this.#worldId,
      recording: this.#recording,
      survey: this.survey,
      timezone: TIMEZONE,
      real,
      ports,
    });
    await this.#world.start();
    this.#timeline = { ...this.#timeline, startedMs: real.wallMs() + STARTING_REAL_MS };
    const site = { root, world: this.#worldId, timeline: this.#timeline, ports: this.#world.ports };
    writeSiteFile(data, officeSiteFile(this.survey.rooms, TIMEZONE, site));
  }

  async run(signal: AbortSignal): Promise<'ended' | 'aborted'> {
    const site = acceleratedClock(this.#stage.real, this.#timeline);
    this.#stage.say(this.#beginning((site.wallMs() - this.#timeline.epochMs) / 60_000));
    this.#remember('playing');
    await this.#running().play(site, signal);
    if (signal.aborted) return 'aborted';
    this.#remember('finished');
    return 'ended';
  }

  async close(): Promise<void> {
    await this.#world?.stop();
  }

  async finish(client: GatewayClient): Promise<void> {
    const { real } = this.#stage;
    this.#tookMs = real.wallMs() - this.#timeline.startedMs;
    // Asked at once: a moment later all rooms are stale, for the recording is over.
    this.#quality = temperatureQuality(await client.points());
    await idle(client, real);
  }

  async summary(records: Records): Promise<readonly string[]> {
    const quality = this.#quality;
    if (quality === null) return [];
    const record = await onRecord(records, this.survey.toMs + AFTER_THE_END_MS);
    const world = this.#running();
    const rooms = world.rooms.map((room) => ({
      room,
      setpointC: setpointOf(world.thermostat(room)),
      writes: setpointWrites(world.thermostat(room)),
      quality: quality.get(room) ?? 'nothing received',
    }));
    const staleRooms = rooms.filter((row) => row.quality.endsWith('/stale')).map((row) => row.room);
    const { badLines } = this.survey;
    return summaryLines({ rooms, rows: world.played, badLines, staleRooms, tookMs: this.#tookMs, ...record });
  }

  #beginning(lateMin: number): string {
    if (lateMin <= 0) return `The first row is played in ${Math.ceil((-lateMin * 60) / this.#stage.speed)} s.`;
    return `The gateway took long to start: the first ${Math.ceil(lateMin)} minutes of the recording are played at once.`;
  }

  #running(): OfficeWorld {
    if (this.#world === null) throw new Error('the office is not open');
    return this.#world;
  }

  #remember(state: 'playing' | 'finished'): void {
    writeWorldFile(this.#stage.data, {
      site: 'office',
      world: this.#worldId,
      recording: this.#recording,
      state,
    });
  }
}
