/**
 * An air handling unit as an OPC UA server: temperatures, filter and fan of one unit, with a setpoint and a fan command to write.
 * It is a device, not a plant: what it measures is put in with `set`, what it was told is read with `get`.
 *
 * It identifies itself by its application URI, `urn:fibric:simulator:<world>`. It offers Security None and Basic256Sha256
 * (Sign, SignAndEncrypt) and trusts every client, as commissioning defaults of real units do.
 */
import type { Clock } from '@fibric/sdk';
import {
  DataType,
  DataValue,
  MessageSecurityMode,
  type Namespace,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  setErrorLogger,
  setWarningLogger,
  type StatusCode,
  StatusCodes,
  Variant,
} from 'node-opcua';

/** The unit's points: node id below the object, type on the wire, value at start. */
const POINTS = {
  supply_temperature: { node: 'SupplyTemperature', type: DataType.Double, initial: 18, writable: false },
  return_temperature: { node: 'ReturnTemperature', type: DataType.Double, initial: 22, writable: false },
  outdoor_temperature: { node: 'OutdoorTemperature', type: DataType.Double, initial: 10, writable: false },
  supply_setpoint: { node: 'SupplySetpoint', type: DataType.Double, initial: 18, writable: true },
  fan_speed: { node: 'FanSpeed', type: DataType.Float, initial: 60, writable: false },
  filter_pressure: { node: 'FilterPressure', type: DataType.UInt16, initial: 120, writable: false },
  fan_command: { node: 'FanCommand', type: DataType.Boolean, initial: true, writable: true },
  alarm: { node: 'Alarm', type: DataType.Boolean, initial: false, writable: false },
} as const;

export type AirHandlerPoint = keyof typeof POINTS;
export const AIR_HANDLER_POINTS = Object.keys(POINTS) as AirHandlerPoint[];

/** Name of the unit's object: its nodes are `s=AHU1.SupplyTemperature` and so on. */
export const AIR_HANDLER_OBJECT = 'AHU1';
export const AIR_HANDLER_NAMESPACE = 'urn:fibric:simulator:air-handler';

/** What can be wrong with the writing of a point. `hold`: the value is taken and the answer never comes. */
export type WriteFault =
  | { readonly kind: 'ignore' }
  | { readonly kind: 'refuse'; readonly status: string }
  | { readonly kind: 'hold' };

export interface AirHandlerOptions {
  /** 0 takes any free port and keeps it over restarts. */
  readonly port: number;
  /** The simulated world it belongs to. Null makes it a unit that does not say what it is, as real ones do not. */
  readonly world: string | null;
  /** Gives the source timestamps. */
  readonly clock: Clock;
  /** Keys and certificates; made at the first start, which takes a moment, and used again afterwards. */
  readonly pkiDir: string;
  readonly namespaceUri?: string;
  readonly security?: {
    /** The one user allowed in; without it, everybody is. */
    readonly user?: { readonly name: string; readonly password: string };
  };
  /** False: every CreateSubscription is refused, as small controllers do. */
  readonly subscriptions?: boolean;
  /** Told of every Read and Write request as it arrives. */
  readonly onRequest?: (service: 'read' | 'write') => void;
}

export interface AirHandlerServer {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops and starts on the same port. Namespaces named here are registered before the unit's own and move its index. */
  restart(namespacesBefore?: readonly string[]): Promise<void>;
  /** `opc.tcp://127.0.0.1:<port>`, once started. */
  url(): string;
  /** Puts in a measured value, with a StatusCode by name (`Good` when left out). */
  set(point: AirHandlerPoint, value: number | boolean, status?: string): void;
  get(point: AirHandlerPoint): number | boolean;
  /** Makes writes to a point go wrong until it is set to null. */
  fault(point: AirHandlerPoint, fault: WriteFault | null): void;
  /** Writes that reached the point, faulty or not. */
  writes(point: AirHandlerPoint): number;
  /** Sessions open at the moment. */
  sessions(): number;
}

interface Cell {
  value: number | boolean;
  status: string;
  atMs: number;
  fault: WriteFault | null;
  writes: number;
}

function statusCode(name: string): StatusCode {
  const code = (StatusCodes as unknown as Readonly<Record<string, StatusCode | undefined>>)[name];
  if (code === undefined) throw new TypeError(`'${name}' is not the name of an OPC UA StatusCode`);
  return code;
}

function dataValue(cell: Cell, type: DataType): DataValue {
  return new DataValue({
    value: new Variant({ dataType: type, value: cell.value }),
    statusCode: statusCode(cell.status),
    sourceTimestamp: new Date(cell.atMs),
  });
}

/** Takes a write as the device would; the server has already refused values of another type. */
function accept(cell: Cell, value: number | boolean, clock: Clock): Promise<StatusCode> {
  cell.writes += 1;
  if (cell.fault?.kind === 'refuse') return Promise.resolve(statusCode(cell.fault.status));
  if (cell.fault?.kind === 'ignore') return Promise.resolve(StatusCodes.Good);
  cell.value = value;
  cell.atMs = clock.wallMs();
  return cell.fault?.kind === 'hold' ? new Promise(() => undefined) : Promise.resolve(StatusCodes.Good);
}

function addPoints(namespace: Namespace, cells: ReadonlyMap<AirHandlerPoint, Cell>, clock: Clock): void {
  const unit = namespace.addObject({
    organizedBy: 'ObjectsFolder',
    browseName: AIR_HANDLER_OBJECT,
    nodeId: `s=${AIR_HANDLER_OBJECT}`,
  });
  for (const [point, cell] of cells) {
    const { node, type, writable } = POINTS[point];
    const access = writable ? 'CurrentRead | CurrentWrite' : 'CurrentRead';
    namespace
      .addVariable({
        componentOf: unit,
        browseName: node,
        nodeId: `s=${AIR_HANDLER_OBJECT}.${node}`,
        dataType: DataType[type],
        accessLevel: access,
        userAccessLevel: access,
        minimumSamplingInterval: 50,
      })
      .bindVariable(
        {
          timestamped_get: () => dataValue(cell, type),
          timestamped_set: (written: DataValue) => accept(cell, written.value.value as number | boolean, clock),
        },
        true,
      );
  }
}

function certificates(folder: string): OPCUACertificateManager {
  return new OPCUACertificateManager({
    rootFolder: folder,
    automaticallyAcceptUnknownCertificate: true,
    keySize: 2048,
    disableFileWatchers: true,
  });
}

function makeServer(options: AirHandlerOptions, port: number): OPCUAServer {
  const user = options.security?.user;
  const applicationUri = options.world === null ? 'urn:example:air-handler' : `urn:fibric:simulator:${options.world}`;
  const server = new OPCUAServer({
    port,
    hostname: '127.0.0.1',
    host: '127.0.0.1',
    serverInfo: { applicationUri, productUri: 'urn:fibric:air-handler' },
    serverCertificateManager: certificates(options.pkiDir),
    userCertificateManager: certificates(`${options.pkiDir}/users`),
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    allowAnonymous: user === undefined,
    ...(user === undefined
      ? {}
      : {
          userManager: {
            isValidUser: (name: string, password: string) => name === user.name && password === user.password,
          },
        }),
    serverCapabilities: { maxSessions: 100 },
    maxConnectionsPerEndpoint: 100,
    disableDiscovery: true,
    isAuditing: false,
  });
  server.on('request', (request) => {
    const service = request.schema.name;
    if (service === 'ReadRequest') options.onRequest?.('read');
    if (service === 'WriteRequest') options.onRequest?.('write');
  });
  return server;
}

/** An air handler that does nothing until it is started. */
export function createAirHandlerServer(options: AirHandlerOptions): AirHandlerServer {
  const now = options.clock.wallMs();
  const cells = new Map<AirHandlerPoint, Cell>(
    AIR_HANDLER_POINTS.map((point) => [
      point,
      { value: POINTS[point].initial, status: 'Good', atMs: now, fault: null, writes: 0 },
    ]),
  );
  const cell = (point: AirHandlerPoint): Cell => cells.get(point) as Cell;
  let server: OPCUAServer | null = null;
  let port = options.port;

  async function start(namespacesBefore: readonly string[] = []): Promise<void> {
    // The library tells the console about every client that comes and goes wrong.
    setWarningLogger(() => undefined);
    setErrorLogger(() => undefined);
    const next = makeServer(options, port);
    await next.initialize();
    // Set afterwards: given as an option, 0 would count as not given.
    if (options.subscriptions === false) next.engine.serverCapabilities.maxSubscriptions = 0;
    const space = next.engine.addressSpace;
    if (space === null) throw new Error('the server has no address space after initialize()');
    for (const uri of namespacesBefore) space.registerNamespace(uri);
    addPoints(space.registerNamespace(options.namespaceUri ?? AIR_HANDLER_NAMESPACE), cells, options.clock);
    await next.start();
    port = next.endpoints[0]?.port ?? port;
    server = next;
  }

  async function stop(): Promise<void> {
    const running = server;
    server = null;
    await running?.shutdown(0);
  }

  return {
    start: () => start(),
    stop,
    restart: async (namespacesBefore) => {
      await stop();
      await start(namespacesBefore);
    },
    url: () => `opc.tcp://127.0.0.1:${port}`,
    set(point, value, status = 'Good') {
      Object.assign(cell(point), { value, status: statusCode(status).name, atMs: options.clock.wallMs() });
    },
    get: (point) => cell(point).value,
    fault(point, fault) {
      cell(point).fault = fault;
    },
    writes: (point) => cell(point).writes,
    sessions: () => server?.currentSessionCount ?? 0,
  };
}
