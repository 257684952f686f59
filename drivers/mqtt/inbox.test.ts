/** Whatever arrives: nothing throws, and what comes out is a reading. */
import { type Reading, QUALITY_REASONS } from '@fibric/sdk';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CountingClock, RecordingLog } from '../../test/contract/harness.ts';
import { Inbox } from './inbox.ts';
import { mqtt } from './index.ts';
import { MqttPoint } from './point.ts';
import { Sampler } from './sampler.ts';

const DEVICE = { topic: 'd/+' };
const ADDRESSES = [
  { path: 'n' },
  { path: 'a.b[0]', scale: 0.1 },
  { path: 's', type: 'string', time: 't' },
  { path: 'b', type: 'boolean' },
  { path: 'n', type: 'boolean', above: 3 },
  { topic: 'bare', type: 'boolean', map: { on: true, off: false } },
] as const;

function inbox(deliver: (batch: readonly Reading[]) => void, kind: 'live' | 'simulated'): Inbox {
  const points = ADDRESSES.map((address, i) => {
    const spec = {
      name: `p${i}`,
      access: 'read',
      poll_ms: null,
      deadband: null,
      address: mqtt.point.parse(address),
    } as const;
    return new MqttPoint('d', mqtt.device.parse(DEVICE) as { topic: string }, spec);
  });
  const sampler = (): Sampler => new Sampler(new CountingClock(), new RecordingLog(), 'odd');
  const world = kind === 'live' ? { kind } : { kind, id: 'w1' };
  const sink = { readings: deliver };
  return new Inbox({ points, world, sink, malformed: sampler(), foreign: sampler(), strangers: () => {} });
}

const key = fc.constantFrom('n', 'a', 'b', 's', 't', 'provenance', 'world', '__proto__', 'constructor');
const leaf = fc.oneof(
  fc.double(),
  fc.string(),
  fc.boolean(),
  fc.constantFrom(null, 'simulated', 'w1', 'manual', 'on', 9e99),
);
const json = fc.letrec((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(key, tie('node'), { maxKeys: 6 }),
  ),
})).node;
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.string().map((text) => Buffer.from(text)),
  json.map((value) => Buffer.from(JSON.stringify(value))),
);
const topic = fc.oneof(fc.constantFrom('d/x', 'd/+/bare', 'd/', 'd/x/bare', '$SYS/x'), fc.string({ minLength: 1 }));

it.each(['live', 'simulated'] as const)('a %s site survives any message (row 119)', (kind) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(topic, payload, fc.boolean()), { maxLength: 8 }), (messages) => {
      const delivered: Reading[] = [];
      const box = inbox((batch) => delivered.push(...batch), kind);
      for (const [name, bytes, retained] of messages) box.message(name, bytes, retained);
      for (const reading of delivered) {
        expect(reading.value === null).toBe(reading.quality === 'bad');
        expect(Number.isFinite(reading.value) || typeof reading.value !== 'number').toBe(true);
        expect([null, ...QUALITY_REASONS]).toContain(reading.quality_reason);
        if (kind === 'simulated') expect(reading.provenance).toBe('simulated');
      }
    }),
    { numRuns: 1_000 },
  );
});
