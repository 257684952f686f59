import { describe, expect, it } from 'vitest';
import { HELP, parseStartArgs, type StartOptions } from './args.ts';
import { USUAL_PORTS } from './ports.ts';

function options(...argv: string[]): StartOptions {
  const args = parseStartArgs(argv);
  if (args.kind !== 'run') throw new Error(JSON.stringify(args));
  return args.options;
}

describe('the command line of npm start', () => {
  it('shows the hotel at 60 times real time when nothing is said', () => {
    expect(options()).toEqual({
      site: 'hotel',
      recording: null,
      speed: 60,
      data: '.fibric/hotel',
      seed: null,
      exitAtEnd: false,
      ports: USUAL_PORTS,
    });
  });

  it('takes an office with its recording', () => {
    expect(
      options('--site', 'office', '--recording', 'day.csv', '--speed', '720', '--data', 'x', '--exit-at-end'),
    ).toMatchObject({ site: 'office', recording: 'day.csv', speed: 720, data: 'x', exitAtEnd: true });
    expect(options('--site=office', '--recording=day.csv').data).toBe('.fibric/office');
  });

  it('shifts all ports, or lets the system choose them', () => {
    expect(options('--port-base', '30000').ports).toEqual({
      mqtt: 30000,
      modbus: 30001,
      opcua: 30002,
      bookings: 30003,
      upstream: 30004,
      api: 30005,
    });
    expect(new Set(Object.values(options('--port-base', '0').ports))).toEqual(new Set([0]));
  });

  it.each([
    [['--sped', '60'], "Unknown option '--sped'"],
    [['warehouse'], "Unexpected argument 'warehouse'"],
    [['--site', 'school'], "--site must be hotel or office, not 'school'"],
    [['--site', 'office'], '--site office plays a recording: name its CSV file with --recording <csv>'],
    [['--recording', 'day.csv'], '--recording goes with --site office'],
    [['--exit-at-end'], '--exit-at-end goes with --site office'],
    [['--site', 'office', '--recording', 'day.csv', '--seed', '1'], '--seed is for the hotel only'],
    [['--speed', 'fast'], "--speed must be a number from 1 to 720, not 'fast'"],
    [['--speed', '0'], "--speed must be a number from 1 to 720, not '0'"],
    [['--seed', '1.5'], "--seed must be a whole number from 0 to 2147483647, not '1.5'"],
    [['--port-base', '80'], "--port-base must be a whole number from 1024 to 65529, not '80'"],
    [['--speed'], "Option '--speed <value>' argument missing"],
  ])('says what is wrong with %j', (argv, message) => {
    expect(parseStartArgs(argv)).toEqual({ kind: 'wrong', message: expect.stringContaining(message) });
  });

  it('has a help that names every option', () => {
    expect(parseStartArgs(['--help'])).toEqual({ kind: 'help' });
    for (const option of ['site', 'recording', 'speed', 'data', 'seed', 'exit-at-end', 'port-base']) {
      expect(HELP).toContain(`--${option}`);
    }
  });
});
