/** Modbus TCP, as the registry lists it. The protocol library is loaded by `load` and not before. */
import type { DriverModule } from '@fibric/sdk';
import {
  type ConnectionOptions,
  type DeviceOptions,
  type PointOptions,
  connectionOptions,
  deviceOptions,
  endpointOf,
  pointOptions,
  wireAddress,
} from './options.ts';

export const modbus: DriverModule = {
  protocol: 'modbus',
  connection: connectionOptions,
  device: deviceOptions,
  point: pointOptions,
  endpoint: (options) => endpointOf(options as ConnectionOptions),
  physicalPoint(connection, device, address) {
    const { host, port } = endpointOf(connection as ConnectionOptions);
    const { unit } = device as DeviceOptions;
    const point = address as PointOptions;
    // Two bits of one register are one output: each is written by reading and writing the whole register.
    const name = host === 'localhost' ? '127.0.0.1' : host;
    return `modbus:${name}:${port}/${unit}/${point.table}/${wireAddress(point)}`;
  },
  load: async () => (await import('./driver.ts')).createModbusDriver,
};
