/** A bare mqtt.js subscriber that counts: the least that receiving a message costs in Node. `subscriber.ts <port>` */
import { connect } from 'mqtt';

const port = Number(process.argv[2]);
const client = connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4, reconnectPeriod: 0 });
let got = 0;
client.on('message', () => {
  got += 1;
  if (got % 1_000 === 0) process.stdout.write(`${got}\n`);
});
client.on('connect', () => client.subscribe('site/#', { qos: 0 }, () => process.stdout.write('ready\n')));
