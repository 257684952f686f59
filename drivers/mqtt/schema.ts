/** What a site file and a profile may say of MQTT. Light: nothing here loads the protocol library. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import { type JsonPath, parseJsonPath } from './json-path.ts';
import { filterFault, nameFault } from './topics.ts';

const slot = z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'the name of a secret slot, such as MQTT_PASSWORD');

function parsedUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

const brokerUrl = z
  .string()
  .refine((text) => /^mqtts?:$/.test(parsedUrl(text)?.protocol ?? '') && parsedUrl(text)?.hostname !== '', {
    error: 'a broker such as mqtt://127.0.0.1:1883 or mqtts://broker.example',
  })
  .refine((text) => !parsedUrl(text)?.username && !parsedUrl(text)?.password, {
    error: 'secrets do not stand in a URL: name their slots in `auth`',
  });

const between = (minMs: number, maxMs: number, words: string): z.ZodType<number, string> =>
  duration.refine((ms) => ms >= minMs && ms <= maxMs, { error: words });

/** `version` is the protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5. */
export const connectionSchema = z.strictObject({
  url: brokerUrl,
  version: z.union([z.literal(4), z.literal(5)]).default(4),
  client_id: z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,64}$/)
    .optional(),
  auth: z.strictObject({ user: slot, pass: slot }).optional(),
  keepalive: between(1_000, 3_600_000, 'between 1s and 1h').prefault('30s'),
  /** For CONNACK, SUBACK and a probe. */
  timeout: between(100, 60_000, 'between 100ms and 1m').prefault('5s'),
});
export type MqttConnection = z.output<typeof connectionSchema>;

const withFault = (fault: (text: string) => string | null) =>
  z.string().superRefine((text, context) => {
    const message = fault(text);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });

export const deviceSchema = z.strictObject({ topic: withFault(filterFault) });
export type MqttDevice = z.output<typeof deviceSchema>;

const jsonPath = z.string().transform((text, context): JsonPath => {
  const path = parseJsonPath(text);
  if (path !== null) return path;
  context.addIssue({ code: 'custom', message: `expected a path such as temperature or a.b[0].c, got '${text}'` });
  return z.NEVER;
});

const scalar = z.union([z.number(), z.boolean(), z.string()]);

const setSchema = z.strictObject({
  topic: withFault(nameFault),
  /** What is sent, with `{value}` where the value goes: as JSON when the whole is JSON, else as text. Left out: the bare value. */
  payload: z
    .string()
    .refine((text) => text.includes('{value}'), 'has {value} where the value goes')
    .optional(),
});

const pointShape = z.strictObject({
  topic: withFault(filterFault).optional(),
  /** Where the value stands in a JSON payload. Left out: the payload is the bare value. */
  path: jsonPath.optional(),
  type: z.enum(['number', 'boolean', 'string']).default('number'),
  /** The device's words and what they mean. */
  map: z.record(z.string(), scalar).optional(),
  /** Makes a number into a boolean: true when it is greater. */
  above: z.number().optional(),
  scale: z
    .number()
    .refine((factor) => factor !== 0, 'not zero')
    .optional(),
  offset: z.number().optional(),
  /** Where the device's own time stands: RFC 3339, or seconds or milliseconds since 1970. */
  time: jsonPath.optional(),
  set: setSchema.optional(),
});
export type MqttAddress = z.output<typeof pointShape>;

/** What contradicts itself in an address: the key, and why. */
function contradictions(address: MqttAddress): readonly (readonly [key: string, message: string])[] {
  const found: [string, string][] = [];
  const { map, above, set, type } = address;
  const scaled = address.scale !== undefined || address.offset !== undefined;
  if (scaled && (type !== 'number' || map || above !== undefined)) found.push(['scale', 'only for a plain number']);
  if (above !== undefined && type !== 'boolean') found.push(['above', 'makes a boolean: say type: boolean']);
  if (above !== undefined && map) found.push(['above', 'and map exclude each other']);
  if (above !== undefined && set) found.push(['set', 'a threshold cannot be turned round into a command']);
  if (address.time && !address.path) found.push(['time', 'needs a JSON payload: say path']);
  const meanings = Object.values(map ?? {});
  if (meanings.some((value) => typeof value !== type)) found.push(['map', `means values of type ${type}`]);
  if (set && new Set(meanings).size < meanings.length) {
    found.push(['map', 'two words mean the same: which one is to be sent?']);
  }
  if (set && set.topic === address.topic) {
    found.push(['set', 'the echo of a command on the state topic would be taken for the state: use another topic']);
  }
  return found;
}

export const pointSchema = pointShape.superRefine((address, context) => {
  for (const [key, message] of contradictions(address)) context.addIssue({ code: 'custom', path: [key], message });
});

/** Host and port of a broker. */
export function brokerEndpoint(connection: MqttConnection): { readonly host: string; readonly port: number } {
  const url = new URL(connection.url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? (url.protocol === 'mqtts:' ? 8883 : 1883) : Number(url.port) };
}
