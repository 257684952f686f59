/** The simulated site: what the gateway is configured with. The devices behind it are in `field.ts`. */
import { z } from 'zod';
import { CAPABILITIES, type Capability, type DriverModule, type EffectClass } from '@fibric/sdk';
import type { Connection, Device, DeviceTool, Point, Site } from '@fibric/gateway/config/site';
import { identity } from '../support/kernel.ts';

const name = z.string();
const own = (capability: string, kind: string, input: z.ZodRawShape, value: string | null): Capability => ({
  name: capability,
  side_effecting: true,
  input: z.strictObject({ [kind]: name, ...input }) as z.ZodType<Record<string, unknown>>,
  entity_key: (args) => `${kind}:${String(args[kind])}`,
  value,
  action: capability.slice(capability.indexOf('.') + 1),
});

/** A thermostat that also has a boost switch: two points, one action. */
const AIR = own('air.set', 'zone', { celsius: z.number() }, 'celsius');
/** The switch alone. */
const BOOST = own('air.boost', 'zone', { on: z.boolean() }, null);
const PULSE = own('gate.pulse', 'gate', {}, null);
/** A remote that takes our key and does a thing once for it; there is nothing to read back. */
const CALL = own('desk.call', 'desk', { text: z.string() }, null);
const SETPOINT = CAPABILITIES.get('hvac.setpoint') as Capability;

export const LATE_MS = 3_000;
export const SETTLE_MS = 100;
export const TIMEOUT_MS = 1_000;
export const REQUIRES = [SETPOINT, AIR, BOOST, PULSE, CALL].map((capability) => capability.name);

/** What stands behind a name on the wire: two names may be one register. */
export const registerOf = (device: string, point: string): string =>
  `${device === 'panel-415' ? 'fcu-415' : device}/${point}`;

interface Written {
  readonly point: string;
  readonly argument?: string;
}

function device(
  id: string,
  [kind, entity]: readonly [string, string],
  points: readonly (readonly [point: string, access: Point['access']])[],
  ...tools: readonly {
    readonly capability: Capability;
    readonly effect: EffectClass;
    readonly writes: readonly Written[];
    readonly tolerance?: number;
    readonly proof?: string;
  }[]
): Device {
  const list = points.map(
    ([point, access]): Point => ({
      name: point,
      device: id,
      access,
      poll_ms: 10_000,
      deadband: null,
      address: null,
      unit: null,
      event_type: `${kind}.${point}`,
      plausibility: { range: null, spike: null, stuck_ms: null },
      stale_ms: 120_000,
    }),
  );
  const made = tools.map(
    ({ capability, effect, writes, tolerance, proof }): DeviceTool => ({
      capability,
      name: capability.name,
      device: id,
      connection: 'field',
      effect,
      writes: writes.map(({ point, argument }) => ({
        point,
        from: argument ? { kind: 'argument', argument, map: null } : { kind: 'constant', value: true },
      })),
      verify:
        tolerance === undefined
          ? null
          : {
              read: writes.map(({ point }) => ({ point, written: point })),
              tolerance,
              settle_ms: SETTLE_MS,
              late_write_window_ms: LATE_MS,
              tries: 2,
            },
      proof: proof === undefined ? null : { point: proof },
      timeout_ms: TIMEOUT_MS,
      physical_points: writes.map(({ point }) => `field/${registerOf(id, point)}`),
    }),
  );
  const spec = { id, options: null, points: list };
  return {
    id,
    connection: 'field',
    profile: 'simulated',
    entity: { kind, id: entity },
    spec,
    points: list,
    identity: [],
    reads: {},
    tools: made,
  };
}

function thermostat(id: string, zone: string, tolerance = 0.05): Device {
  const writes = [{ point: 'setpoint', argument: 'celsius' }];
  return device(id, ['zone', zone], [['setpoint', 'read_write']], {
    capability: SETPOINT,
    effect: 'absolute_set',
    writes,
    tolerance,
  });
}

const DEVICES: readonly Device[] = [
  thermostat('fcu-412', '412'),
  thermostat('fcu-413', '413', 0.3),
  thermostat('fcu-414', '414'),
  thermostat('fcu-415', '415'),
  thermostat('panel-415', '415-panel'),
  // Two that keep a distance from each other.
  thermostat('fcu-421', '421'),
  thermostat('fcu-422', '422'),
  device(
    'vav-416',
    ['zone', '416'],
    [
      ['setpoint', 'read_write'],
      ['boost', 'read_write'],
    ],
    {
      capability: AIR,
      effect: 'absolute_set',
      writes: [{ point: 'setpoint', argument: 'celsius' }, { point: 'boost' }],
      tolerance: 0.05,
    },
    { capability: BOOST, effect: 'absolute_set', writes: [{ point: 'boost', argument: 'on' }], tolerance: 0 },
  ),
  device(
    'gate-A',
    ['gate', 'A'],
    [
      ['pulse', 'write'],
      ['counter', 'read'],
    ],
    { capability: PULSE, effect: 'relative_or_pulse', writes: [{ point: 'pulse' }], proof: 'counter' },
  ),
  device('gate-B', ['gate', 'B'], [['pulse', 'write']], {
    capability: PULSE,
    effect: 'relative_or_pulse',
    writes: [{ point: 'pulse' }],
  }),
  device('desk-1', ['desk', '1'], [['text', 'write']], {
    capability: CALL,
    effect: 'keyed_call',
    writes: [{ point: 'text', argument: 'text' }],
  }),
];

const connection: Connection = {
  id: 'field',
  driver: { protocol: 'sim', unsolicited: false } as unknown as DriverModule,
  options: null,
  devices: DEVICES,
};

export const SITE = {
  identity,
  simulation: null,
  connections: new Map([['field', connection]]),
  devices: new Map(DEVICES.map((one) => [one.id, one])),
  bindings: new Map(REQUIRES.map((capability) => [capability, ['field']])),
} as unknown as Site;

export const READ_POINTS = DEVICES.flatMap(({ id, points }) =>
  points.filter(({ access }) => access !== 'write').map((point) => ({ device: id, point: point.name })),
);
/** Setpoints that people and other masters can reach, by register. */
export const KNOBS = ['fcu-412', 'fcu-413', 'fcu-414', 'fcu-415', 'fcu-421', 'fcu-422', 'vav-416'].map((id) =>
  registerOf(id, 'setpoint'),
);
