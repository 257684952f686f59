/** OPC UA, as the registry lists it. The protocol library is loaded by `load` and not before. */
import type { DriverModule } from '@fibric/sdk';
import {
  type ConnectionOptions,
  connection,
  type DeviceOptions,
  device,
  endpointOf,
  identifierOf,
  type PointAddress,
  point,
} from './options.ts';

export { listRejected } from './rejected.ts';

export const opcua: DriverModule = {
  protocol: 'opcua',
  connection,
  device,
  point,
  endpoint: (options) => endpointOf(options as ConnectionOptions),
  physicalPoint(options, deviceOptions, address) {
    const { host, port } = endpointOf(options as ConnectionOptions);
    const { namespace } = address as PointAddress;
    const name = host === 'localhost' ? '127.0.0.1' : host;
    return `opcua:${name}:${port}/${namespace};${identifierOf(deviceOptions as DeviceOptions, address as PointAddress)}`;
  },
  load: async () => (await import('./driver.ts')).createOpcUaDriver,
};
