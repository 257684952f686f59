import { describe, expect, it } from 'vitest';
import { edited, findingsFrom, ROOM, SITE } from './fixture.ts';

const site = (from: string, to: string) => ({ 'site.yaml': edited(SITE, from, to) });
const more = (text: string) => ({ 'site.yaml': `${SITE}${text}` });

describe('what is wrong with a site file', () => {
  const url = "'tcp://127.0.0.1:5020'";
  it.each<[what: string, files: Record<string, string | null>, findings: readonly string[]]>([
    ['no such file', { 'site.yaml': null }, ['site.yaml:1:1 there is no such file']],
    [
      'broken YAML',
      site('unit: 12,', 'unit: 12'),
      ['site.yaml:7:43 block collections are not allowed within flow collections'],
    ],
    ['an empty file', { 'site.yaml': '' }, ['site.yaml:1:1 expected a set of keys, got nothing']],
    ['an unknown key', site('models:', 'modles:'), ["site.yaml:15:1 unknown key 'modles'; did you mean 'models'?"]],
    [
      'an unknown key of a connection',
      site(`url: ${url}`, `url: ${url}, tiemout: 1s`),
      ["site.yaml:4:53 connections.fcu: unknown key 'tiemout'; did you mean 'timeout'?"],
    ],
    [
      'an unknown key of a device',
      site('unit: 12', 'unti: 12'),
      [
        'site.yaml:7:5 devices[0].unit: is missing: expected a number',
        "site.yaml:7:37 devices[0]: unknown key 'unti'; did you mean 'unit'?",
      ],
    ],
    [
      'a key twice',
      site('fcu: { driver', "fcu: { driver: wire, url: 'tcp://127.0.0.1:1' }\n  fcu: { driver"),
      ["site.yaml:5:3 connections: the key 'fcu' stands here twice"],
    ],
    [
      'an unknown driver',
      site('driver: wire', 'driver: wier'),
      ["site.yaml:4:18 connections.fcu.driver: expected one of wire, bus, web, got 'wier'; did you mean 'wire'?"],
    ],
    [
      'an unknown connection of a device',
      site('connection: fcu', 'connection: fuc'),
      ["site.yaml:7:32 devices[0].connection: expected one of field, fcu, pms, got 'fuc'; did you mean 'fcu'?"],
    ],
    [
      'a device without connections',
      {
        'site.yaml': `site: { tenant: t, name: Site, timezone: UTC }\ndevices: [{ id: a, connection: b, profile: fan-coil-unit, entity: 'zone:1' }]\n`,
      },
      ['site.yaml:2:10 devices: there are devices, but no connections for them'],
    ],
    [
      'an unknown profile',
      site('profile: fan-coil-unit', 'profile: fan-coil-unti'),
      [
        "site.yaml:7:56 devices[0].profile: there is no profile 'fan-coil-unti' in profiles; did you mean 'fan-coil-unit'?",
      ],
    ],
    [
      'a profile for another driver',
      site('unit: 12, profile: fan-coil-unit', 'unit: 12, profile: room-sensor'),
      ["site.yaml:7:56 devices[0].profile: the profile 'room-sensor' is for bus, but 'fcu' is wire"],
    ],
    [
      'a duplicate id',
      site('id: room-412', 'id: fcu-412'),
      ["site.yaml:8:11 devices[1].id: the id 'fcu-412' is already that of devices[0]"],
    ],
    [
      'an identity on a point that is not there',
      site('unit: 12,', 'unit: 12, identity: { setpiont: 1 },'),
      [
        "site.yaml:7:59 devices[0].identity.setpiont: its profile has no readable point 'setpiont'; did you mean 'setpoint'?",
      ],
    ],
    [
      'an entity that is none',
      site("entity: 'zone:412' }", 'entity: zone-412 }'),
      ["site.yaml:7:79 devices[0].entity: expected kind:id such as zone:412, got 'zone-412'"],
    ],
    [
      'an entity of another kind than its tools act on',
      site("entity: 'zone:412' }", "entity: 'floor:4' }"),
      [
        "site.yaml:7:79 devices[0].entity: its profile offers 'hvac.setpoint', which acts on a zone, not on a floor",
        "site.yaml:7:79 devices[0].entity: its profile offers 'hvac.mode', which acts on a zone, not on a floor",
      ],
    ],
    [
      'a binding to an unknown connection',
      site('hvac.setpoint: [fcu]', 'hvac.setpoint: [fuc]'),
      ["site.yaml:10:19 bindings.hvac.setpoint[0]: there is no connection 'fuc'; did you mean 'fcu'?"],
    ],
    [
      'a capability that nothing offers',
      site('hvac.setpoint: [fcu]', 'hvac.setpoint: [field]'),
      ["site.yaml:10:19 bindings.hvac.setpoint[0]: nothing on the connection 'field' offers 'hvac.setpoint'"],
    ],
    [
      'a misspelt capability',
      site('hvac.setpoint: [fcu]', 'hvac.setpont: [fcu]'),
      [
        "site.yaml:10:18 bindings.hvac.setpont[0]: nothing on the connection 'fcu' offers 'hvac.setpont'; did you mean 'hvac.setpoint'?",
      ],
    ],
    [
      'two devices for one capability of one entity',
      site(
        'devices:',
        "devices:\n  - { id: fcu-new, connection: fcu, unit: 13, profile: fan-coil-unit, entity: 'zone:412' }",
      ),
      [
        "site.yaml:8:5 devices[1]: 'fcu-new' and 'fcu-412' both offer 'hvac.setpoint' for zone:412: only one device may",
      ],
    ],
    [
      'a live site without a tenant',
      site('tenant: t_local, ', ''),
      ['site.yaml:1:1 site: the tenant is missing: a live site belongs to one'],
    ],
    [
      'a time zone that is none',
      site('Europe/Stockholm', 'Europe/Stokholm'),
      ['site.yaml:1:70 site.timezone: expected an IANA time zone such as Europe/Stockholm'],
    ],
    [
      'a secret in a URL',
      site("'http://127.0.0.1:8090'", "'http://user:canary@127.0.0.1:8090'"),
      [
        'site.yaml:5:36 connections.pms.url: a secret stands in this URL: name a slot under auth, and put the secret into the environment',
      ],
    ],
    [
      'a secret in a query',
      site("'https://api.example.com'", "'https://api.example.com/?token=canary'"),
      [
        'site.yaml:16:17 upstream.to: a secret stands in this URL: name a slot under auth, and put the secret into the environment',
      ],
    ],
    [
      'a secret in place of its slot',
      site('secret: UPSTREAM_TOKEN', 'secret: canary-1234'),
      [
        'site.yaml:16:60 upstream.auth.secret: expected the name of a secret slot, such as UPSTREAM_TOKEN, never the secret itself',
      ],
    ],
    [
      'an API that others can reach',
      more('gateway: { listen: 0.0.0.0:8480 }\n'),
      ['site.yaml:17:20 gateway.listen: the local API answers on this machine only: use 127.0.0.1:8480'],
    ],
    [
      'a key that is none, and one that fits every signature',
      more("gateway: { policy_keys: ['AQ==', 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='] }\n"),
      [
        'policy.yaml:1:1 policy_signature: this site takes only signed policies, and of policy.yaml.sig is said: there is no such file',
        'site.yaml:17:26 gateway.policy_keys[0]: a public key has 32 bytes, not 1',
        'site.yaml:17:34 gateway.policy_keys[1]: a public key of small order',
      ],
    ],
    [
      'an address that is none',
      more('gateway: { listen: localhost }\n'),
      ["site.yaml:17:20 gateway.listen: expected host:port such as 127.0.0.1:8480, got 'localhost'"],
    ],
    [
      'an open broker',
      more('broker: { listen: 192.168.1.2:1883 }\n'),
      [
        'site.yaml:17:19 broker.listen: a broker that others can reach asks who they are: add auth: { user, pass }, or listen on 127.0.0.1:1883',
      ],
    ],
    [
      'an operator without a folder',
      { 'operators/comfort/operator.ts': null },
      ["site.yaml:14:3 operators.comfort: the operator 'comfort' has no folder operators/comfort"],
    ],
    [
      'nobody to alert',
      more('alerts: { to: [] }\n'),
      [
        'site.yaml:17:15 alerts.to: name at least one channel, or leave alerts out: they go to a file in the data folder',
      ],
    ],
    [
      'a password for a mail server in clear',
      more(
        'alerts: { to: [{ smtp: { host: mail.example.com, tls: none, from: a@example.com, to: [b@example.com], auth: { user: U, pass: P } } }] }\n',
      ),
      ['site.yaml:17:16 alerts.to[0]: the password would go over the network as it is: tls: starttls or implicit'],
    ],
    [
      'a channel of an unknown kind',
      more('alerts: { to: [{ pager: 12 }] }\n'),
      [
        'site.yaml:17:16 alerts.to[0].file: is missing: expected text',
        "site.yaml:17:18 alerts.to[0]: unknown key 'pager'",
      ],
    ],
    [
      'a secret that is not the name of one',
      more("alerts: { to: [{ file: a }, { file: b }, { webhook: 'https://hooks.example.com/x', secret: hunter2 }] }\n"),
      [
        'site.yaml:17:92 alerts.to[2].secret: expected the name of a secret slot, such as UPSTREAM_TOKEN, never the secret itself',
      ],
    ],
    [
      'a channel twice',
      more('alerts: { to: [{ file: a }, { file: a }] }\n'),
      ['site.yaml:17:29 alerts.to[1]: this is alerts.to[0] once more'],
    ],
    [
      'a heartbeat of a device that is not there',
      more('heartbeat: { device: fcu-421, point: mode }\n'),
      ["site.yaml:17:22 heartbeat.device: there is no device 'fcu-421'; did you mean 'fcu-412'?"],
    ],
    [
      'a heartbeat in a point that is not there',
      more('heartbeat: { device: fcu-412, point: mod, period: 1s }\n'),
      ["site.yaml:17:38 heartbeat.point: 'fcu-412' has no point 'mod'; did you mean 'mode'?"],
    ],
    [
      'a heartbeat in a point that is only read',
      more('heartbeat: { device: fcu-412, point: status }\n'),
      ["site.yaml:17:38 heartbeat.point: the point 'status' must be both read and written: access: read_write"],
    ],
    [
      'a heartbeat in a point that a tool writes, and too quick a one',
      more('heartbeat: { device: fcu-412, point: mode, period: 10ms }\n'),
      ['site.yaml:17:52 heartbeat.period: expected 100ms or more'],
    ],
    [
      'a heartbeat in a point that a tool writes',
      more('heartbeat: { device: fcu-412, point: mode }\n'),
      ["site.yaml:17:38 heartbeat.point: the point 'mode' is written by 'hvac.mode': a heartbeat has one of its own"],
    ],
    [
      'a policy that is not there',
      { 'policy.yaml': null },
      ['site.yaml:14:34 operators.comfort.policy: the policy policy.yaml: there is no such file'],
    ],
    [
      'a policy with a finding',
      { 'policy.yaml': 'version: 1\nallow: [hvac.setpont]\n' },
      ["policy.yaml:2:9 allow[0]: unknown capability 'hvac.setpont'; did you mean 'hvac.setpoint'?"],
    ],
  ])('%s', (_what, files, findings) => {
    const found = findingsFrom(files);
    expect(found).toEqual(findings);
    expect(found.join()).not.toContain('canary');
  });
});

it('F1 F2 all findings of the site file, its profiles and its policies stand in one answer, in order', () => {
  const found = findingsFrom({
    'site.yaml': edited(edited(SITE, 'models:', 'modles:'), 'hvac.setpoint: [fcu]', 'hvac.setpoint: [fcux]'),
    'profiles/room-sensor.yaml': edited(ROOM, 'deadband', 'deadbnad'),
    'policy.yaml': 'version: 1\nallow: [hvac.setpont]\n',
  });
  expect(found).toEqual([
    "policy.yaml:2:9 allow[0]: unknown capability 'hvac.setpont'; did you mean 'hvac.setpoint'?",
    "profiles/room-sensor.yaml:4:39 points.temperature: unknown key 'deadbnad'; did you mean 'deadband'?",
    "site.yaml:10:19 bindings.hvac.setpoint[0]: there is no connection 'fcux'; did you mean 'fcu'?",
    "site.yaml:15:1 unknown key 'modles'; did you mean 'models'?",
  ]);
});
