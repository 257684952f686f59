/** Site files that cannot be used: `fibric validate` and `fibric up` name the place and what to do, and nothing is started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ends } from '../support/ends.ts';
import { fibric, ROOT, writeFiles } from '../support/real-gateway.ts';

const end = ends();

const SITE = `site: { tenant: t_local, name: Harbour Hotel, timezone: Europe/Stockholm }
gateway: { listen: 127.0.0.1:0, data: ./data }
connections:
  field: { driver: mqtt, url: 'mqtt://127.0.0.1:1' }
  fcu: { driver: modbus, url: 'tcp://127.0.0.1:1', timeout: 1s }
devices:
  - { id: room-412, connection: field, topic: hotel/room/412, profile: room-sensor, entity: 'zone:412' }
  - { id: fcu-412, connection: fcu, unit: 12, profile: fan-coil-unit, entity: 'zone:412' }
bindings: { hvac.setpoint: [fcu], climate.read: [field, fcu] }
operators:
  comfort: { mode: live, policy: ${ROOT}/operators/comfort/policy.yaml }
`;

const CANARY = 'canary-4711';

/** What is done to the site file, and the finding: line:column and sentence. */
const CASES: readonly (readonly [what: string, from: string, to: string, finding: string])[] = [
  ['broken YAML', 'unit: 12,', 'unit: 12', '8:43: block collections are not allowed within flow collections'],
  ['an unknown key', 'bindings:', 'bindigns:', "9:1: unknown key 'bindigns'; did you mean 'bindings'?"],
  [
    'an unknown key of a connection',
    'timeout:',
    'tiemout:',
    "5:52: connections.fcu: unknown key 'tiemout'; did you mean 'timeout'?",
  ],
  [
    ...(['an unknown profile', 'profile: fan-coil-unit', 'profile: fan-coil-unti'] as const),
    `8:56: devices[1].profile: there is no profile 'fan-coil-unti' in ${ROOT}/config/profiles; did you mean 'fan-coil-unit'?`,
  ],
  [
    'a duplicate id',
    'id: fcu-412',
    'id: room-412',
    "8:11: devices[1].id: the id 'room-412' is already that of devices[0]",
  ],
  [
    'two devices that offer one capability for one entity',
    'bindings:',
    "  - { id: fcu-413, connection: fcu, unit: 13, profile: fan-coil-unit, entity: 'zone:412' }\nbindings:",
    "9:5: devices[2]: 'fcu-412' and 'fcu-413' both offer 'hvac.setpoint' for zone:412: only one device may",
  ],
  [
    'an unknown connection in a binding',
    '[fcu]',
    '[fuc]',
    "9:29: bindings.hvac.setpoint[0]: there is no connection 'fuc'; did you mean 'fcu'?",
  ],
  [
    'an operator that is not there',
    'comfort:',
    'comfrot:',
    `11:3: operators.comfrot: the operator 'comfrot' has no folder ${ROOT}/operators/comfrot`,
  ],
  [
    ...(['a secret in a URL', 'mqtt://127', `mqtt://user:${CANARY}@127`] as const),
    '4:31: connections.field.url: secrets do not stand in a URL: name their slots in `auth`',
  ],
  [
    'a simulated site that would speak to another machine',
    "{ tenant: t_local, name: Harbour Hotel, timezone: Europe/Stockholm }\ngateway: { listen: 127.0.0.1:0, data: ./data }\nconnections:\n  field: { driver: mqtt, url: 'mqtt://127.0.0.1:1' }",
    "{ name: Harbour Hotel, timezone: Europe/Stockholm }\nsimulation: { world: w1, epoch: 2026-07-02T00:00:00Z, started: 2026-07-02T00:00:00Z }\nconnections:\n  field: { driver: mqtt, url: 'mqtt://192.0.2.7:1883' }",
    '4:10: connections.field: a simulated site speaks to its own simulator on this machine only, and 192.0.2.7 is not a loopback address',
  ],
];

describe.concurrent('a site file with', () => {
  test.for(CASES)('%s', async ([, from, to, finding], { expect }) => {
    expect(SITE).toContain(from);
    const dir = end.folder();
    writeFiles(dir, { 'site.yaml': SITE.replace(from, () => to) });
    const file = join(dir, 'site.yaml');
    const [validated, started] = await Promise.all([fibric(['validate', file]), fibric(['up', file])]);
    expect(validated).toEqual({
      code: 2,
      out: `${file}:${finding}\n`,
      err: '1 finding: mend each at the line it names\n',
    });
    expect(started).toEqual({
      code: 2,
      out: '',
      err: `${file}:${finding}\nfibric: ${file} has 1 finding\n  Mend each finding at the line and column it names, then \`fibric validate\`.\n`,
    });
    expect(JSON.stringify([validated, started])).not.toContain(CANARY);
    expect(existsSync(join(dir, 'data'))).toBe(false);
  });
});

test('a site file without findings is valid', async () => {
  const dir = end.folder();
  writeFiles(dir, { 'site.yaml': SITE });
  expect(await fibric(['validate', join(dir, 'site.yaml')])).toEqual({ code: 0, out: '', err: 'valid\n' });
});
