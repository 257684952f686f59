/** What `npm start -- …` may say. */
import { parseArgs } from 'node:util';
import { portsFrom, type Ports, USUAL_PORTS } from './ports.ts';

export interface StartOptions {
  readonly site: 'hotel' | 'office';
  /** Path of the CSV; null for the hotel. */
  readonly recording: string | null;
  readonly speed: number;
  readonly data: string;
  /** Null: the seed that the data folder has, or 1. */
  readonly seed: number | null;
  readonly exitAtEnd: boolean;
  readonly ports: Ports;
}

export type StartArgs =
  | { readonly kind: 'run'; readonly options: StartOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string };

export const HELP = `Starts a simulated site with the gateway on it, and shows what happens.

  npm start [-- options]

  --site hotel|office   hotel: 24 rooms with guests, weather and devices on real sockets (default)
                        office: a recorded day, played from a CSV file
  --recording <csv>     office: the file, with the header
                        time,room,temperature_degC,humidity_percent,co2_ppm,light_lux,pir
                        times are local (America/Los_Angeles), without zone
  --speed <n>           how much faster than real time (default 60: a day in 24 minutes)
  --data <folder>       everything the run leaves behind (default .fibric/hotel or .fibric/office)
  --seed <n>            hotel: which guests and which weather (default 1)
  --exit-at-end         office: stop when the recording ends, and print a summary
  --port-base <n>       use the ports from n on; 0: any free ones
                        (default: MQTT 18830, Modbus TCP 15020, OPC UA 14840, bookings 18090, upstream 18091, API 8480)
  --help                this text

  npm start
  npm start -- --site office --recording day.csv --speed 720 --exit-at-end
`;

const OPTIONS = {
  site: { type: 'string' },
  recording: { type: 'string' },
  speed: { type: 'string' },
  data: { type: 'string' },
  seed: { type: 'string' },
  'exit-at-end': { type: 'boolean' },
  'port-base': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Beyond this the sensors' radio, or the broker, cannot keep up with the minutes of the site. */
const HIGHEST_SPEED = { hotel: 720, office: 3_600 } as const;

/** Throws a `RangeError` with a sentence for the user. */
function number(name: string, text: string, from: number, to: number, whole: boolean): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= from && value <= to) || (whole && !Number.isInteger(value))) {
    throw new RangeError(`--${name} must be a ${whole ? 'whole ' : ''}number from ${from} to ${to}, not '${text}'`);
  }
  return value;
}

function oneOf(site: string): 'hotel' | 'office' {
  if (site === 'hotel' || site === 'office') return site;
  throw new RangeError(`--site must be hotel or office, not '${site}'`);
}

/** Throws for anything that is not right. */
function parse(argv: readonly string[]): StartArgs {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true, allowPositionals: false });
  if (values.help === true) return { kind: 'help' };
  const site = oneOf(values.site ?? 'hotel');
  if (site === 'office' && values.recording === undefined) {
    throw new RangeError('--site office plays a recording: name its CSV file with --recording <csv>');
  }
  if (site === 'office' && values.seed !== undefined) throw new RangeError('--seed is for the hotel only');
  if (site === 'hotel' && values.recording !== undefined) throw new RangeError('--recording goes with --site office');
  if (site === 'hotel' && values['exit-at-end']) throw new RangeError('--exit-at-end goes with --site office');
  const base = values['port-base'];
  return {
    kind: 'run',
    options: {
      site,
      recording: values.recording ?? null,
      speed: number('speed', values.speed ?? '60', 1, HIGHEST_SPEED[site], false),
      data: values.data ?? `.fibric/${site}`,
      seed: values.seed === undefined ? null : number('seed', values.seed, 0, 2 ** 31 - 1, true),
      exitAtEnd: values['exit-at-end'] ?? false,
      ports: base === undefined ? USUAL_PORTS : portsFrom(portBase(base)),
    },
  };
}

function portBase(text: string): number {
  if (text === '0') return 0;
  return number('port-base', text, 1024, 65_529, true);
}

/** Reads the command line; what is wrong with it comes back as one sentence. */
export function parseStartArgs(argv: readonly string[]): StartArgs {
  try {
    return parse(argv);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // The first sentence of the runtime's own message names the option; the rest explains dashes.
    return { kind: 'wrong', message: text.split('. ')[0] ?? text };
  }
}
