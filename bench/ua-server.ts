/** An OPC UA air handler to watch. `ua-server.ts <port> <pki folder>` */
import { createAirHandlerServer } from '@fibric/simulators/opcua/air-handler';
import { systemClock } from '@fibric/simulators/system';

const [port, pkiDir] = process.argv.slice(2);
const server = createAirHandlerServer({ port: Number(port), world: null, clock: systemClock(), pkiDir: pkiDir ?? '' });
await server.start();
process.stdout.write('ready\n');
