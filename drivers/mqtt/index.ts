/** MQTT 3.1.1 and 5 as a driver: schemas only; the client library is loaded with the first connection. */
import type { DriverModule } from '@fibric/sdk';
import {
  type MqttAddress,
  type MqttConnection,
  type MqttDevice,
  brokerEndpoint,
  connectionSchema,
  deviceSchema,
  pointSchema,
} from './schema.ts';
import { pointTopic } from './topics.ts';

export const mqtt: DriverModule = {
  protocol: 'mqtt',
  unsolicited: true,
  connection: connectionSchema,
  device: deviceSchema,
  point: pointSchema,
  endpoint: (options) => brokerEndpoint(options as MqttConnection),
  // The output behind a point is whoever listens at its command topic, however many points send there.
  physicalPoint(connection, device, address) {
    const { host, port } = brokerEndpoint(connection as MqttConnection);
    const { topic, set } = address as MqttAddress;
    const name = host === 'localhost' ? '127.0.0.1' : host;
    return `mqtt:${name}:${port}/${pointTopic((device as MqttDevice).topic, set?.topic ?? topic)}`;
  },
  load: async () => (await import('./driver.ts')).createMqttDriver,
};
