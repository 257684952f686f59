import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MqttAddress, pointSchema } from './schema.ts';
import { bareValue, converter, encoder } from './value.ts';

function address(options: Record<string, unknown>): MqttAddress {
  return pointSchema.parse(options);
}

function finding(options: Record<string, unknown>): string | undefined {
  const issue = pointSchema.safeParse(options).error?.issues[0];
  return issue && `${issue.path.join('.')}: ${issue.message}`;
}

describe('a value in a payload', () => {
  it.each([
    [{}, 21.5, 21.5],
    [{}, '21.5', null],
    [{}, null, null],
    [{}, true, null],
    [{}, Number.POSITIVE_INFINITY, null],
    [{ scale: 0.1 }, 213, 21.3],
    [{ scale: 0.1, offset: -40 }, 613, 21.3],
    [{ type: 'boolean' }, true, true],
    [{ type: 'boolean' }, 1, null],
    [{ type: 'string' }, 'eco', 'eco'],
    [{ type: 'string' }, 'x'.repeat(1_001), null],
    [{ type: 'boolean', above: 0 }, 3, true],
    [{ type: 'boolean', above: 0 }, 0, false],
    [{ type: 'boolean', above: 0 }, '3', null],
    [{ type: 'boolean', map: { ON: true, OFF: false } }, 'OFF', false],
    [{ type: 'boolean', map: { ON: true, OFF: false } }, 'on', null],
    [{ type: 'boolean', map: { '0': false, '1': true } }, 1, true],
    [{ type: 'boolean', map: { ON: true } }, 'constructor', null],
    [{ type: 'number', map: { low: 1, high: 2 } }, ['low'], null],
  ])('%j makes of %j: %j', (options, raw, value) => {
    expect(converter(address(options))(raw)).toBe(value);
  });

  it.each([
    [{}, ' 21.5\n', 21.5],
    [{}, '-.5e1', -5],
    [{}, '', ''],
    [{}, '0x10', '0x10'],
    [{}, 'NaN', 'NaN'],
    [{ type: 'boolean' }, 'true', true],
    [{ type: 'boolean' }, 'yes', 'yes'],
    [{ type: 'boolean', above: 0 }, '2', 2],
    [{ type: 'string' }, '"eco"', 'eco'],
    [{ type: 'string' }, 'eco mode', 'eco mode'],
    [{ type: 'boolean', map: { ON: true } }, ' ON ', 'ON'],
  ])('%j reads the bare payload %j as %j', (options, payload, raw) => {
    expect(bareValue(address(options), payload)).toBe(raw);
  });
});

describe('the payload of a command', () => {
  it.each([
    [{}, undefined, 21.5, '21.5'],
    [{}, '{"setpoint":{value}}', 21.5, '{"setpoint":21.5}'],
    [{ type: 'string' }, '{"mode":{value}}', 'e"co', String.raw`{"mode":"e\"co"}`],
    [{ type: 'string' }, '{"mode":"x-{value}"}', 'e"co', String.raw`{"mode":"x-e\"co"}`],
    [{ type: 'string' }, 'MODE {value}', 'eco', 'MODE eco'],
    [{ scale: 0.1 }, undefined, 21.3, '213'],
    [{ type: 'boolean', map: { ON: true, OFF: false } }, undefined, false, 'OFF'],
    [{ type: 'boolean', map: { ON: true } }, undefined, false, null],
    [{}, undefined, 'warm', null],
    [{}, undefined, Number.NaN, null],
    [{ type: 'string' }, 'MODE {value}', '$&', 'MODE $&'],
  ])('%j with %j sends %j as %j', (options, payload, value, sent) => {
    const set = payload === undefined ? { topic: 'set' } : { topic: 'set', payload };
    expect(encoder(address({ topic: 'state', ...options, set }))(value)).toBe(sent);
  });

  it('comes back as the value that was sent, whatever the scale', () => {
    const reasonable = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => Math.round(x * 100) / 100);
    const scale = fc.constantFrom(0.01, 0.1, 0.5, 1, 2, 10);
    fc.assert(
      fc.property(reasonable, scale, fc.integer({ min: -100, max: 100 }), (value, factor, offset) => {
        const point = address({ topic: 'state', scale: factor, offset, set: { topic: 'set' } });
        const payload = encoder(point)(value);
        expect(converter(point)(bareValue(point, payload ?? ''))).toBeCloseTo(value, 6);
      }),
    );
  });
});

describe('an address that contradicts itself is found', () => {
  it.each([
    [{ scale: 2, type: 'boolean' }, 'scale: only for a plain number'],
    [{ scale: 0 }, 'scale: not zero'],
    [{ above: 0 }, 'above: makes a boolean: say type: boolean'],
    [{ above: 0, type: 'boolean', map: { a: true } }, 'above: and map exclude each other'],
    [{ above: 0, type: 'boolean', set: { topic: 's' } }, 'set: a threshold cannot be turned round into a command'],
    [{ time: 'at' }, 'time: needs a JSON payload: say path'],
    [{ map: { a: 'b' } }, 'map: means values of type number'],
    [{ map: { a: 1, b: 1 }, set: { topic: 's' } }, 'map: two words mean the same: which one is to be sent?'],
    [
      { topic: 's', set: { topic: 's' } },
      'set: the echo of a command on the state topic would be taken for the state: use another topic',
    ],
    [{ set: { topic: 's', payload: 'x' } }, 'set.payload: has {value} where the value goes'],
    [{ set: { topic: 'a/+' } }, 'set.topic: a command goes to one topic: no + or #'],
    [{ path: 'a..b' }, "path: expected a path such as temperature or a.b[0].c, got 'a..b'"],
    [{ topic: 'a/#/b' }, 'topic: # is the last level of a filter'],
  ])('%j', (options, message) => {
    expect(finding(options)).toBe(message);
  });
});
