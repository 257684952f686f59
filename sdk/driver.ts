/**
 * What a driver promises. A driver knows one wire protocol and nothing of the gateway.
 *
 * D1 A read never throws for a device's fault: every point asked for comes back once, in order, `bad` with a reason if need be.
 * D2 A write says truthfully what is known: acknowledged, refused by the device, not sent (zero bytes left), or in doubt.
 * D3 Nothing that was asked for stays pending: every read and write ends within its timeout, also when the link closes.
 * D4 A write goes before queued polls on its connection.
 * D5 After `stop()` nothing is delivered and no timer or socket is left.
 * D6 A failed poll delivers `bad` once per outage; the first good value afterwards is delivered again.
 * D7 In a simulated site only the site's own simulator is spoken to; in a live site a simulator's values are tagged `simulated`.
 */
import type { z } from 'zod';
import type { Clock, Random } from './clock.ts';
import type { PointRef, PointValue, Reading } from './reading.ts';

/** One point as the driver sees it: `address` was parsed by the driver's own `point` schema. */
export interface PointSpec {
  readonly name: string;
  readonly access: 'read' | 'write' | 'read_write';
  /** How often to read it; null when the protocol delivers by itself (MQTT) or the point is read on demand only. */
  readonly poll_ms: number | null;
  /** Changes smaller than this need not be delivered (OPC UA passes it to the server); null means every change. */
  readonly deadband: number | null;
  readonly address: unknown;
}

/** One device on a connection: `options` was parsed by the driver's own `device` schema (unit id, topic, …). */
export interface DeviceSpec {
  readonly id: string;
  readonly options: unknown;
  readonly points: readonly PointSpec[];
}

/** One connection of the site file: `options` was parsed by the driver's own `connection` schema. */
export interface ConnectionSpec {
  readonly id: string;
  readonly options: unknown;
  readonly devices: readonly DeviceSpec[];
}

export type ConnectionStatus = 'connected' | 'degraded' | 'error' | 'pending_auth';

/** What the driver tells the gateway, in batches, as it happens. */
export interface DriverSink {
  readings(batch: readonly Reading[]): void;
  /** A change of the connection's state; `detail` is a sentence for people. */
  status(status: ConnectionStatus, detail: string): void;
}

/** A line of the log. Fields must not hold secrets. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/**
 * Which world the site belongs to (D7). A simulator of world `w` identifies itself on the wire:
 * Modbus FC 43/14: VendorName `Fibric simulator`, ProductCode `w`; MQTT: the JSON payload carries `"provenance":"simulated","world":"w"`;
 * OPC UA: application URI `urn:fibric:simulator:w`; HTTP: response header `fibric-world: w`.
 */
export type World = { readonly kind: 'live' } | { readonly kind: 'simulated'; readonly id: string };

/** What the gateway hands to a driver. The clock is that of the wire: always real time, also in an accelerated world. */
export interface DriverContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly world: World;
  /** The value of a named secret slot, read at each call so that rotation needs no restart; null when the slot is empty. */
  readonly secret: (slot: string) => string | null;
  /** A folder of the connection's own, for keys and certificates. Created by the driver when it needs it. */
  readonly stateDir: string;
}

/** One thing to do: the points of one device, written in this order. */
export interface WriteCommand {
  readonly device: string;
  readonly writes: readonly { readonly point: string; readonly value: Exclude<PointValue, null> }[];
  readonly timeoutMs: number;
  /** Forwarded to the far side where the protocol has room for it. */
  readonly idempotencyKey: string;
  /** Asked immediately before the first byte leaves; false: nothing is sent and the result is `not_sent` / `send_withdrawn`. */
  readonly mayStillSend: () => boolean;
}

/** What was said on the wire, for the receipt. `request` and `reply` are hex (binary protocols) or text, at most 512 characters. */
export interface DeviceResponse {
  readonly protocol: string;
  readonly code: string;
  readonly latency_ms: number;
  readonly request: string | null;
  readonly reply: string | null;
}

/** The outcome of a write (D2). The variant says what the caller does next. */
export type WriteResult =
  /** The device said yes. Not proof: read it back. */
  | { readonly kind: 'acknowledged'; readonly response: DeviceResponse }
  /** The device itself said no, and nothing of the command took effect: definite. */
  | {
      readonly kind: 'refused';
      readonly reason_code: string;
      readonly message: string;
      readonly response: DeviceResponse;
    }
  /** Not one byte left the box: definite. */
  | { readonly kind: 'not_sent'; readonly reason_code: string; readonly message: string }
  /** Bytes left and nobody knows: settle by reading the device. */
  | {
      readonly kind: 'doubt';
      readonly reason_code: string;
      readonly message: string;
      readonly response: DeviceResponse | null;
    };

export interface Probe {
  readonly status: ConnectionStatus;
  /** A sentence: what was tried and what came of it. */
  readonly detail: string;
  readonly latency_ms: number | null;
}

export interface Driver {
  /** Begins to connect, poll and subscribe; returns at once. Connection trouble goes to `sink.status`, never to the caller. */
  start(sink: DriverSink): void;
  /** Reads from the device now: no cache, no retained value. One reading per ref, in order (D1), within `timeoutMs` (D3). */
  read(refs: readonly PointRef[], timeoutMs: number): Promise<readonly Reading[]>;
  /** The one way to the device's outputs. Called by the gateway's act stage and by nothing else. */
  write(command: WriteCommand): Promise<WriteResult>;
  /** Drops the link to a device abortively, so that a frame in flight cannot arrive late; it is re-established by itself. */
  reset(device: string): Promise<void>;
  /** Answers a read capability that is not made of points (`bookings.read` of an HTTP connector). Throws `FibricError`. */
  query?(capability: string, args: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<unknown>;
  probe(): Promise<Probe>;
  stop(): Promise<void>;
}

/**
 * A driver as the registry lists it: light schemas first, the protocol library only on `load()`.
 * `connection`, `device` and `point` are strict objects; the gateway adds its own keys to them.
 */
export interface DriverModule {
  readonly protocol: string;
  readonly connection: z.ZodObject;
  readonly device: z.ZodObject;
  readonly point: z.ZodObject;
  /** Read capabilities answered by `query`, if any. */
  readonly queries?: readonly string[];
  /** Devices speak by themselves (MQTT): a read waits for the next word, so what is known counts before a write. */
  readonly unsolicited?: boolean;
  /** Endpoint of a connection for people and for the loopback check: host and port, no credentials. */
  readonly endpoint: (options: unknown) => { readonly host: string; readonly port: number };
  /** A stable name of the physical output behind a point: two names for one register must give the same text. */
  readonly physicalPoint: (connection: unknown, device: unknown, address: unknown) => string;
  readonly load: () => Promise<(spec: ConnectionSpec, context: DriverContext) => Driver>;
}
