import { badReading, type QualityReason, type Reading } from '@fibric/sdk';
import { VirtualClock } from '@fibric/simulators/clock';
import { describe, expect, it } from 'vitest';
import { RecordingSink } from '../../test/contract/harness.ts';
import { Outbox } from './outbox.ts';
import { keyOf } from './plan.ts';

const REF = { device: 'ahu-1', point: 'alarm' };
const bad = (reason: QualityReason): Reading => badReading(REF, reason, 'live');
const good: Reading = { ...bad('stale'), value: false, quality: 'good', quality_reason: null };

async function delivered(readings: readonly Reading[]): Promise<string[]> {
  const sink = new RecordingSink();
  const outbox = new Outbox(sink, new VirtualClock());
  for (const reading of readings) outbox.push([reading]);
  await Promise.resolve();
  return sink.delivered.map(({ quality, quality_reason }) => quality_reason ?? quality);
}

describe('D6 what has been said', () => {
  it('is not said again while it stays bad for the same reason', async () => {
    const outage = [good, bad('disconnected'), bad('disconnected'), bad('disconnected'), good, good];
    expect(await delivered(outage)).toEqual(['good', 'disconnected', 'good', 'good']);
  });

  it('is said when the reason is another', async () => {
    expect(await delivered([bad('disconnected'), bad('device_error'), bad('device_error')])).toEqual([
      'disconnected',
      'device_error',
    ]);
  });
});

it('D5 nothing leaves after the outbox was closed, also what was waiting', async () => {
  const sink = new RecordingSink();
  const outbox = new Outbox(sink, new VirtualClock());
  outbox.push([good]);
  outbox.close();
  outbox.push([good]);
  await Promise.resolve();
  expect(sink.delivered).toEqual([]);
});

it('silence is counted from the last word, kept back or not', () => {
  const clock = new VirtualClock();
  const outbox = new Outbox(new RecordingSink(), clock);
  expect(outbox.silentMs(keyOf(REF))).toBe(Number.POSITIVE_INFINITY);
  outbox.push([bad('stale')]);
  clock.advance(700);
  outbox.push([bad('stale')]);
  clock.advance(300);
  expect(outbox.silentMs(keyOf(REF))).toBe(300);
});
