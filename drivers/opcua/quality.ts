/**
 * StatusCode to quality. The severity stands in the top two bits: 00 good, 01 uncertain, 10 bad (OPC 10000-4 clause 7.38.1);
 * the low 16 bits say how the value was sampled and do not change what it is worth.
 */
import type { Quality, QualityReason } from '@fibric/sdk';

/** What we need of a StatusCode. */
export interface Status {
  readonly value: number;
  readonly name: string;
}

/** OPC 10000-8 clause 6.3 (data access) and OPC 10000-4 table 178 (common). */
const REASONS: Readonly<Record<string, QualityReason>> = {
  GoodLocalOverride: 'local_override',
  UncertainNoCommunicationLastUsableValue: 'disconnected',
  UncertainLastUsableValue: 'stale',
  UncertainInitialValue: 'stale',
  UncertainSubstituteValue: 'local_override',
  UncertainTransducerInManual: 'local_override',
  UncertainSensorNotAccurate: 'sensor_fault',
  UncertainSensorCalibration: 'sensor_fault',
  UncertainSubNormal: 'sensor_fault',
  UncertainEngineeringUnitsExceeded: 'out_of_range',
  UncertainOverRange: 'out_of_range',
  UncertainUnderRange: 'out_of_range',
  BadSensorFailure: 'sensor_fault',
  BadOutOfRange: 'out_of_range',
  BadTypeMismatch: 'wrong_type',
  BadDataEncodingInvalid: 'wrong_type',
  BadWaitingForInitialData: 'stale',
  BadTimeout: 'timeout',
  BadRequestTimeout: 'timeout',
  BadNoCommunication: 'disconnected',
  BadCommunicationError: 'disconnected',
  BadNotConnected: 'disconnected',
  BadServerNotConnected: 'disconnected',
  BadConnectionClosed: 'disconnected',
};

const SEVERITIES = ['good', 'uncertain', 'bad', 'bad'] as const;

/** The name without the information bits that the library appends (`Good#Overflow`). */
export function nameOf(status: Status): string {
  return status.name.split('#')[0] as string;
}

/** How far a value with this status can be trusted, and why. A bad one always has a reason. */
export function qualityOf(status: Status): { readonly quality: Quality; readonly reason: QualityReason | null } {
  const quality = SEVERITIES[status.value >>> 30] as Quality;
  const reason = REASONS[nameOf(status)] ?? null;
  return { quality, reason: quality === 'bad' ? (reason ?? 'device_error') : reason };
}

/** What a service or an operation answered to a write, as far as anyone can know (D2). */
export type WriteVerdict = 'taken' | 'refused' | 'doubt';

/**
 * Bad codes that do not say whether the value arrived: the server gave up waiting for what lies behind it, or does not know itself.
 */
const INDEFINITE: ReadonlySet<string> = new Set([
  'BadTimeout',
  'BadRequestTimeout',
  'BadCommunicationError',
  'BadWaitingForResponse',
  'BadUnexpectedError',
  'BadInternalError',
  'BadOperationAbandoned',
  'BadRequestInterrupted',
  'BadResponseTooLarge',
  'BadEncodingError',
  'BadShutdown',
]);

/** Good is an acknowledgement and no proof; uncertain is neither yes nor no; a plain bad is the device's own no. */
export function verdictOf(status: Status): WriteVerdict {
  const { quality } = qualityOf(status);
  if (quality === 'good') return 'taken';
  return quality === 'uncertain' || INDEFINITE.has(nameOf(status)) ? 'doubt' : 'refused';
}
