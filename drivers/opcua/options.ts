/** What a site file and a profile may say about OPC UA. Light: nothing here loads the protocol library. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';

const slot = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a secret slot, such as PLANT_PASSWORD');

const security = z
  .strictObject({
    mode: z.enum(['None', 'Sign', 'SignAndEncrypt']).default('None'),
    policy: z.enum(['None', 'Basic256Sha256']).optional(),
  })
  .refine(({ mode, policy }) => policy === undefined || (mode === 'None') === (policy === 'None'), {
    message: 'mode and policy belong together: both None, or Sign or SignAndEncrypt with Basic256Sha256',
    path: ['policy'],
  });

export const connection = z.strictObject({
  url: z.string().regex(/^opc\.tcp:\/\/[^/\s@]+(\/\S*)?$/, 'opc.tcp://host:port, without user name or password'),
  /** The longest a request of the driver's own may take; a server silent for so long is taken for lost. */
  timeout: duration.prefault('5s'),
  /** Left out: no security, which is said in the log. With a mode alone, the policy is Basic256Sha256. */
  security: security.prefault({}),
  /** User name and password, by the names of their secret slots. Left out: anonymous. */
  auth: z.strictObject({ user: slot, pass: slot }).optional(),
  subscribe: z
    .strictObject({
      /** How often the server may send what has changed. */
      publishing: duration.prefault('500ms'),
    })
    .prefault({}),
});

export const device = z.strictObject({
  /** Put before the string identifiers of the profile's nodes: `AHU1.` makes `s=SupplyTemperature` `s=AHU1.SupplyTemperature`. */
  prefix: z.string().max(200).default(''),
});

export const point = z.strictObject({
  /** The namespace's URI: its index may change with every restart of a server. */
  namespace: z.string().min(1),
  /** The identifier as OPC UA writes it (Part 6 clause 5.3.1.10): `s=` text, `i=` number, `g=` GUID, `b=` base64. */
  node: z
    .string()
    .regex(/^(s=.+|i=\d{1,10}|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/=]+)$/, 's=text, i=number, g=GUID or b=base64'),
});

export type ConnectionOptions = z.output<typeof connection>;
export type DeviceOptions = z.output<typeof device>;
export type PointAddress = z.output<typeof point>;

/** The default port of opc.tcp (IANA registry, OPC 10000-6 clause 7.2). */
const DEFAULT_PORT = 4840;

/** Host and port of a connection's server. */
export function endpointOf(options: ConnectionOptions): { host: string; port: number } {
  const url = new URL(options.url.replace(/^opc\.tcp:/, 'http:'));
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = /:(\d+)$/.exec(options.url.split('/')[2] ?? '')?.[1];
  return { host, port: port === undefined ? DEFAULT_PORT : Number(port) };
}

/** The identifier of a point on a device: the profile's, with the device's prefix. */
export function identifierOf(options: DeviceOptions, address: PointAddress): string {
  return address.node.startsWith('s=') ? `s=${options.prefix}${address.node.slice(2)}` : address.node;
}
