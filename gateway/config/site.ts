/** The site as the gateway sees it: read, checked, defaults filled in, every duration in milliseconds, frozen. */
import type {
  Capability,
  DeviceSpec,
  DriverModule,
  EffectClass,
  Entity,
  Identity,
  Mode,
  PointSpec,
  PointState,
  PointValue,
  Unit,
} from '@fibric/sdk';

/** Implausible values are marked, never dropped. */
export interface Plausibility {
  /** Outside: `bad/out_of_range`. In the point's unit. */
  readonly range: { readonly min: number; readonly max: number } | null;
  /** A jump of more than `delta` between samples is `bad/spike` until `confirm` samples in a row stay at the new level. */
  readonly spike: { readonly delta: number; readonly confirm: number } | null;
  /** Unchanged to the last bit for so long: `bad/stuck`. */
  readonly stuck_ms: number | null;
}

export interface Point extends PointSpec {
  readonly device: string;
  readonly unit: Unit | null;
  readonly event_type: string;
  readonly plausibility: Plausibility;
  /** Older than this, the value is reported `bad/stale` once and no longer shown as current. */
  readonly stale_ms: number;
}

/** Which argument goes to which point: through a map of words to values, or a constant. */
export type WriteSource =
  | {
      readonly kind: 'argument';
      readonly argument: string;
      readonly map: Readonly<Record<string, Exclude<PointValue, null>>> | null;
    }
  | { readonly kind: 'constant'; readonly value: Exclude<PointValue, null> };

export interface Verification {
  /** The points to read back and where the expected value comes from: the point written, unless a status point is named. */
  readonly read: readonly { readonly point: string; readonly written: string }[];
  /** |read − written| up to this is equal; 0 for words and switches. */
  readonly tolerance: number;
  readonly settle_ms: number;
  /** How long a write in doubt may still arrive at the device. */
  readonly late_write_window_ms: number;
  /** Reads of a verification before it is a doubt; `settle_ms` apart. */
  readonly tries: number;
}

/** How a device does what a capability asks for. */
export interface DeviceTool {
  readonly capability: Capability;
  readonly name: string;
  readonly device: string;
  readonly connection: string;
  readonly effect: EffectClass;
  readonly writes: readonly { readonly point: string; readonly from: WriteSource }[];
  readonly verify: Verification | null;
  /** For a pulse: a counter on the device that shows whether it happened. */
  readonly proof: { readonly point: string } | null;
  readonly timeout_ms: number;
  /** Stable names of the outputs behind `writes`, one for each in their order: two names for one register give the same (G-SF-1). */
  readonly physical_points: readonly string[];
}

/** The point that the quantity of an action goes to, of which rules about a change speak; where there is none, the one written first. */
export function leadingPoint({ capability, writes }: Pick<DeviceTool, 'capability' | 'writes'>): string {
  const led = writes.find(({ from }) => from.kind === 'argument' && from.argument === capability.value);
  return (led ?? writes[0])?.point ?? '';
}

export interface Device {
  readonly id: string;
  readonly connection: string;
  readonly profile: string;
  readonly entity: Entity;
  readonly spec: DeviceSpec;
  readonly points: readonly Point[];
  /** What the device says of itself when it is the one that is meant; asked before every write. */
  readonly identity: readonly PointState[];
  /** Read capability to the points that belong to it. */
  readonly reads: Readonly<Record<string, readonly string[]>>;
  readonly tools: readonly DeviceTool[];
}

export interface Connection {
  readonly id: string;
  readonly driver: DriverModule;
  /** Parsed by the driver's `connection` schema. */
  readonly options: unknown;
  readonly devices: readonly Device[];
}

/** A policy file: as the site file names it, as findings do, and where it lies. */
export interface PolicyFile {
  readonly name: string;
  /** It came with the product, and may change with it: a suggestion, until a person accepts it (G-PS-8). */
  readonly shipped: boolean;
  readonly file: string;
  readonly path: string;
}

export interface OperatorSite {
  readonly name: string;
  /** Fixed at first deploy; keys are built with it so that a renamed operator keeps them. */
  readonly uid: string;
  /** Absolute path of the folder that holds `operator.ts`; null for persons, who need none. */
  readonly folder: string | null;
  readonly mode: Mode;
  /** What it may do stands in these, evaluated as one set; none: everything it proposes is blocked. */
  readonly policy_files: readonly PolicyFile[];
  /** Passed to the operator host, which checks it against the operator's own schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Upstream {
  readonly url: string;
  /** Name of the secret slot with the bearer token; null for none. */
  readonly secret: string | null;
  /** Globs of event types to send beside the receipts. */
  readonly events: readonly string[];
}

/** An accelerated world: site time is `epoch_ms` at wall time `started_ms`, and runs `speed` times as fast. */
export interface Simulation {
  readonly world: string;
  readonly speed: number;
  readonly epoch_ms: number;
  readonly started_ms: number;
}

export interface Broker {
  readonly host: string;
  readonly port: number;
  /** Slots of user name and password; null allows anonymous, accepted on loopback only. */
  readonly auth: { readonly user: string; readonly pass: string } | null;
}

/** The entry under `operators` that stands for persons: what they may do, and in which mode. */
export const PERSON = 'person';

/** `approver`: may approve and veto. */
export const ROLES = ['approver'] as const;
export type Role = (typeof ROLES)[number];

/** A register that goes on changing while the gateway is well; the device goes back by itself when it does not. */
export interface Heartbeat {
  readonly device: string;
  readonly connection: string;
  readonly point: string;
  readonly period_ms: number;
}

/** A way to tell people. `id`: the same for as long as it leads to the same place. */
export type AlertChannel =
  | { readonly kind: 'file'; readonly id: string; readonly path: string }
  /** `secret`: name of the slot to sign with; null: not signed. */
  | { readonly kind: 'webhook'; readonly id: string; readonly url: string; readonly secret: string | null }
  | {
      readonly kind: 'smtp';
      readonly id: string;
      readonly host: string;
      readonly port: number;
      readonly tls: 'starttls' | 'implicit' | 'none';
      readonly from: string;
      readonly to: readonly string[];
      /** Slots of user name and password; null: the server asks for none. */
      readonly auth: { readonly user: string; readonly pass: string } | null;
    };

export interface Site {
  /** Absolute path of the site file, and the hash of its bytes. */
  readonly file: string;
  readonly hash: string;
  readonly identity: Identity;
  readonly name: string;
  /** IANA zone: what days, windows and schedules mean. */
  readonly timezone: string;
  readonly simulation: Simulation | null;
  readonly listen: { readonly host: string; readonly port: number };
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly broker: Broker | null;
  /** Who cosigns the checkpoints of the receipts, and the submission prefix of its API (C2SP tlog-witness); null: nobody. */
  readonly witness: { readonly key: string; readonly url: string } | null;
  readonly connections: ReadonlyMap<string, Connection>;
  readonly devices: ReadonlyMap<string, Device>;
  /** Capability name to connection ids. */
  readonly bindings: ReadonlyMap<string, readonly string[]>;
  readonly operators: readonly OperatorSite[];
  /** Capabilities that a policy may speak about: those of the product and those of the site's profiles. */
  readonly policy_names: ReadonlySet<string>;
  /** Ed25519 public keys, 32 bytes in base64: a policy counts only with a signature of one of them. None: policies are not signed here. */
  readonly policy_keys: readonly string[];
  /** Router alias to its providers, in order of preference. */
  readonly models: ReadonlyMap<string, readonly { readonly provider: 'rules' }[]>;
  readonly upstream: Upstream | null;
  readonly heartbeat: Heartbeat | null;
  /** Never empty: without any in the site file, a file in the data folder. */
  readonly alerts: readonly AlertChannel[];
  /** People by name with their roles; null when the file lists none. */
  readonly people: ReadonlyMap<string, { readonly roles: readonly Role[] }> | null;
}
