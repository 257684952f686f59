import { describe, expect, it } from 'vitest';
import { mqtt } from './index.ts';

function connection(options: Record<string, unknown>): unknown {
  return mqtt.connection.parse(options);
}

describe('a connection in the site file', () => {
  it.each([
    ['mqtt://broker.example', { host: 'broker.example', port: 1883 }],
    ['mqtts://broker.example', { host: 'broker.example', port: 8883 }],
    ['mqtt://[::1]:1884', { host: '::1', port: 1884 }],
  ])('%s leads to %j', (url, endpoint) => {
    expect(mqtt.endpoint(connection({ url }))).toEqual(endpoint);
  });

  it.each([
    [{ url: 'http://broker' }, 'a broker such as mqtt://127.0.0.1:1883 or mqtts://broker.example'],
    [{ url: 'mqtt://u:p@broker' }, 'secrets do not stand in a URL: name their slots in `auth`'],
    [
      { url: 'mqtt://broker', auth: { user: 'gateway', pass: 'P' } },
      'the name of a secret slot, such as MQTT_PASSWORD',
    ],
    [{ url: 'mqtt://broker', keepalive: '2h' }, 'between 1s and 1h'],
    [{ url: 'mqtt://broker', timeout: '5m' }, 'between 100ms and 1m'],
    [{ url: 'mqtt://broker', clean: false }, 'Unrecognized key: "clean"'],
  ])('%j is refused: %s', (options, message) => {
    expect(mqtt.connection.safeParse(options).error?.issues[0]?.message).toBe(message);
  });
});

describe('the output behind a point', () => {
  const output = (url: string, topic: string, address: Record<string, unknown>): string =>
    mqtt.physicalPoint(connection({ url }), mqtt.device.parse({ topic }), mqtt.point.parse(address));

  it('is whoever listens at its command topic, whatever the point is called and however it is reached', () => {
    const one = output('mqtt://localhost', 'home/1', { topic: 'state', path: 'a', set: { topic: 'set' } });
    const other = output('mqtt://127.0.0.1:1883', 'home', { topic: 'b', set: { topic: '1/set' } });
    expect(one).toBe('mqtt:127.0.0.1:1883/home/1/set');
    expect(other).toBe(one);
  });

  it('is the state topic where there is no command', () => {
    expect(output('mqtt://broker', 'home/1', { topic: 'state' })).toBe('mqtt:broker:1883/home/1/state');
  });
});
