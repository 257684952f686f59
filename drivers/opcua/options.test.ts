import { describe, expect, it } from 'vitest';
import { opcua } from './index.ts';

const at = (url: string) => opcua.connection.parse({ url });

describe('what a site file says of an OPC UA connection', () => {
  it('has defaults for everything but the address', () => {
    expect(at('opc.tcp://plant:4840')).toEqual({
      url: 'opc.tcp://plant:4840',
      timeout: 5_000,
      security: { mode: 'None' },
      subscribe: { publishing: 500 },
    });
  });

  it('takes mode and policy only together', () => {
    const secured = (security: object) => opcua.connection.safeParse({ url: 'opc.tcp://plant', security }).success;
    expect(secured({ mode: 'SignAndEncrypt' })).toBe(true);
    expect(secured({ mode: 'Sign', policy: 'Basic256Sha256' })).toBe(true);
    expect(secured({ mode: 'None', policy: 'None' })).toBe(true);
    expect(secured({ mode: 'Sign', policy: 'None' })).toBe(false);
    expect(secured({ mode: 'None', policy: 'Basic256Sha256' })).toBe(false);
    expect(secured({ mode: 'Sign', policy: 'Basic128Rsa15' })).toBe(false);
  });

  it('refuses credentials in the address and other schemes', () => {
    for (const url of ['opc.tcp://user:word@plant', 'http://plant', 'opc.tcp://']) {
      expect(opcua.connection.safeParse({ url }).success).toBe(false);
    }
  });

  it.each([
    ['opc.tcp://plant', 'plant', 4840],
    ['opc.tcp://10.0.0.7:48010/UA/Server', '10.0.0.7', 48_010],
    ['opc.tcp://plant:80', 'plant', 80],
    ['opc.tcp://[::1]:4841', '::1', 4841],
  ])('finds host and port of %s', (url, host, port) => {
    expect(opcua.endpoint(at(url))).toEqual({ host, port });
  });
});

describe('the name of an output', () => {
  const name = (url: string, prefix: string, node: string) =>
    opcua.physicalPoint(at(url), opcua.device.parse({ prefix }), opcua.point.parse({ namespace: 'urn:ahu', node }));

  it('is the same however the node is spelled', () => {
    expect(name('opc.tcp://localhost', 'AHU1.', 's=Setpoint')).toBe(
      name('opc.tcp://127.0.0.1:4840', '', 's=AHU1.Setpoint'),
    );
    expect(name('opc.tcp://Plant', '', 'i=7')).toBe(name('opc.tcp://plant', 'AHU1.', 'i=7'));
  });

  it('is another for another node', () => {
    expect(name('opc.tcp://plant', 'AHU1.', 's=Setpoint')).not.toBe(name('opc.tcp://plant', 'AHU2.', 's=Setpoint'));
  });
});

describe('what a profile says of a point', () => {
  it.each(['s=Supply Temperature', 'i=1001', 'g=72962b91-fa75-4ae6-8d28-b404dc7daf63', 'b=M/RbKBsRVkePCePcx24oRA=='])(
    'takes %s',
    (node) => {
      expect(opcua.point.safeParse({ namespace: 'urn:ahu', node }).success).toBe(true);
    },
  );

  it.each(['Setpoint', 'ns=2;s=Setpoint', 'i=-1', 's='])('refuses %s', (node) => {
    expect(opcua.point.safeParse({ namespace: 'urn:ahu', node }).success).toBe(false);
  });
});
