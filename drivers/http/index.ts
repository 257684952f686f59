/** Systems that speak HTTP, each through its connector. They have no points: operators ask them through a read capability. */
import type { DriverModule } from '@fibric/sdk';
import { z } from 'zod';
import { CONNECTORS } from './connectors/index.ts';
import { type HttpConnection, connectionSchema, httpEndpoint } from './schema.ts';

export const http: DriverModule = {
  protocol: 'http',
  connection: connectionSchema,
  device: z.strictObject({}),
  point: z.strictObject({}),
  queries: CONNECTORS.flatMap(({ tools }) =>
    tools.filter((tool) => !tool.sideEffecting).map((tool) => tool.capability),
  ),
  endpoint: (options) => httpEndpoint(options as HttpConnection),
  physicalPoint: (connection) => (connection as HttpConnection).url,
  load: async () => (await import('./driver.ts')).createHttpDriver,
};
