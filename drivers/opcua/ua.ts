/**
 * The one door to the protocol library: every other file takes it from here, and only `driver.ts` and below are loaded with it.
 */
import { setDebugLogger, setErrorLogger, setWarningLogger } from 'node-opcua-client';

export { OPCUACertificateManager } from 'node-opcua-certificate-manager';
export {
  AttributeIds,
  ClientMonitoredItemGroup,
  type ClientSecureChannelLayer,
  type ClientSession,
  ClientSubscription,
  DataChangeFilter,
  DataChangeTrigger,
  DataType,
  DataValue,
  DeadbandType,
  findSuperType,
  MessageSecurityMode,
  type NodeId,
  OPCUAClient,
  resolveNodeId,
  SecurityPolicy,
  type StatusCode,
  StatusCodes,
  TimestampsToReturn,
  type UserIdentityInfo,
  UserTokenType,
  Variant,
  VariantArrayType,
} from 'node-opcua-client';

/** The library prints its warnings on the console. What matters of them comes back as errors, which we say in our own words. */
export function silenceLibrary(): void {
  const nothing = (): void => undefined;
  setDebugLogger(nothing);
  setWarningLogger(nothing);
  setErrorLogger(nothing);
}
