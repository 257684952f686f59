import { describe, expect, it } from 'vitest';
import { BLINDS, edited, FCU, findingsFrom, withBlinds } from './fixture.ts';

describe('what is wrong with a profile', () => {
  const fcu = (from: string, to: string) => ({ 'profiles/fan-coil-unit.yaml': edited(FCU, from, to) });
  const own = (from: string, to: string) => withBlinds(edited(BLINDS, from, to));
  it.each<[what: string, files: Record<string, string | null>, findings: readonly string[]]>([
    [
      'an unknown key of a point',
      fcu('scale: 0.1', 'sacle: 0.1'),
      ["fan-coil-unit.yaml:5:28 points.setpoint: unknown key 'sacle'; did you mean 'scale'?"],
    ],
    [
      'a key of another driver',
      fcu('register: 3', 'register: 3, topic: x'),
      ["fan-coil-unit.yaml:7:26 points.status: unknown key 'topic'"],
    ],
    [
      'an unknown driver',
      fcu('driver: wire', 'driver: wier'),
      ["fan-coil-unit.yaml:2:9 driver: expected one of wire, bus, web, got 'wier'; did you mean 'wire'?"],
    ],
    [
      "what only the driver's schema can see",
      fcu('register: 3', 'register: 10000'),
      ['fan-coil-unit.yaml:7:23 points.status.register: beyond the last register'],
    ],
    [
      'an unknown unit',
      fcu('unit: degC', 'unit: degc'),
      [
        expect.stringMatching(
          /^fan-coil-unit.yaml:5:46 points.setpoint.unit: expected one of .*degC, .*; did you mean 'degC'\?$/,
        ),
      ],
    ],
    [
      'a range upside down',
      fcu('[5, 35]', '[35, 5]'),
      ['fan-coil-unit.yaml:5:79 points.setpoint.range: expected [lowest, highest], such as [-40, 85]'],
    ],
    [
      'a duration that is none',
      fcu('poll: 5s', 'poll: 5 s'),
      ["fan-coil-unit.yaml:3:7 poll: expected a duration such as 250ms, 5s, 15m, 4h or 2d, got '5 s'"],
    ],
    [
      'an identity on a point that is not there',
      fcu('reads:', 'identity: { modle: 3 }\nreads:'),
      ["fan-coil-unit.yaml:8:20 identity.modle: there is no point 'modle'; did you mean 'mode'?"],
    ],
    [
      'an unknown read capability',
      fcu('climate.read', 'climat.read'),
      [
        "fan-coil-unit.yaml:8:10 reads.climat.read: unknown read capability 'climat.read'; did you mean 'climate.read'?",
      ],
    ],
    [
      'a read of a point that is not there',
      fcu('[setpoint]', '[setpiont]'),
      ["fan-coil-unit.yaml:8:25 reads.climate.read[0]: there is no point 'setpiont'; did you mean 'setpoint'?"],
    ],
    [
      'an unknown capability',
      fcu('hvac.setpoint:', 'hvac.setpont:'),
      [
        "fan-coil-unit.yaml:10:3 tools.hvac.setpont: unknown capability 'hvac.setpont'; did you mean 'hvac.setpoint'?; one of the device's own needs input and entity",
        expect.stringContaining("has no argument 'celsius'"),
      ],
    ],
    [
      'a read as a tool',
      fcu('hvac.setpoint:', 'climate.read:'),
      [
        "fan-coil-unit.yaml:10:3 tools.climate.read: 'climate.read' only reads: list its points under reads",
        expect.stringContaining("has no argument 'celsius'"),
      ],
    ],
    [
      'an argument that the capability does not have',
      fcu('{ setpoint: celsius }', '{ setpoint: celcius }'),
      [
        "fan-coil-unit.yaml:10:62 tools.hvac.setpoint.writes.setpoint: 'hvac.setpoint' has no argument 'celcius'; did you mean 'celsius'?",
      ],
    ],
    [
      'a tool that writes a point which is only read',
      fcu('{ setpoint: celsius }', '{ status: celsius }'),
      [
        "fan-coil-unit.yaml:10:60 tools.hvac.setpoint.writes.status: the point 'status' cannot be written: give it access: read_write",
      ],
    ],
    [
      'a tool that writes nothing',
      fcu('{ setpoint: celsius }', '{}'),
      ['fan-coil-unit.yaml:10:50 tools.hvac.setpoint.writes: expected a point to write'],
    ],
    [
      'a verification of what is not written',
      fcu('{ mode: status }', '{ setpoint: status }'),
      ["fan-coil-unit.yaml:14:33 tools.hvac.mode.verify.read.setpoint: 'setpoint' is not written by this tool"],
    ],
    [
      'a verification by what cannot be read',
      own('verify: { read: { position: shown }, tolerance: 1 }', 'verify: {}'),
      [
        "blinds.yaml:11:13 tools.blinds.position.verify: the point 'position' cannot be read: give it access: read_write",
      ],
    ],
    [
      'a pulse that is to be read back (§2.2)',
      own('    effect: absolute_set\n', ''),
      [
        'blinds.yaml:10:5 tools.blinds.position.verify: what an output reads proves no pulse: say effect: absolute_set if writing it twice does no more than once, or give a counter as proof',
      ],
    ],
    [
      'input of a capability that is known',
      fcu('timeout: 4s', 'timeout: 4s\n    input: { zone: name }'),
      ["fan-coil-unit.yaml:16:5 tools.hvac.mode.input: 'hvac.mode' is known: it brings its own input"],
    ],
    [
      'an entity of an argument that is not there',
      own("'zone:{zone}'", "'zone:{room}'"),
      ["blinds.yaml:8:13 tools.blinds.position.entity: there is no argument 'room' in input"],
    ],
    [
      'the name of another profile',
      fcu('driver: wire', 'driver: wire\nprofile: other'),
      ["fan-coil-unit.yaml:3:10 profile: this file is the profile 'fan-coil-unit'; leave the key out or make it that"],
    ],
  ])('%s', (_what, files, findings) => {
    const found = findingsFrom(files).map((text) => text.replace('profiles/', ''));
    expect(found).toEqual(findings);
  });
});
