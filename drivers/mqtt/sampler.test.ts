import { type Clock, LIMITS } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { RecordingLog } from '../../test/contract/harness.ts';
import { Sampler } from './sampler.ts';

function bench(): { sampler: Sampler; log: RecordingLog; at: (monoMs: number) => void } {
  let nowMs = 0;
  const clock: Clock = { wallMs: () => nowMs, monoMs: () => nowMs, after: () => ({ cancel() {} }) };
  const log = new RecordingLog();
  return { sampler: new Sampler(clock, log, 'odd'), log, at: (monoMs) => void (nowMs = monoMs) };
}

describe('what keeps happening', () => {
  it('is logged at once, then at most once a minute for each subject, with the count in between', () => {
    const { sampler, log, at } = bench();
    for (const ms of [0, 10, 59_999, 60_000, 60_001]) {
      at(ms);
      sampler.note('a', () => ({ ms }));
    }
    sampler.note('b', () => ({ ms: 'b' }));
    expect(log.lines.map(({ fields }) => fields)).toEqual([
      { ms: 0, count: 1 },
      { ms: 60_000, count: 3 },
      { ms: 'b', count: 1 },
    ]);
    expect(sampler.total).toBe(6);
  });

  it('stays bounded when the subjects are invented', () => {
    const { sampler, log } = bench();
    for (let i = 0; i < LIMITS.knownTopics + 1_000; i++) sampler.note(`t${i}`, () => ({}));
    expect(log.lines).toHaveLength(LIMITS.knownTopics + 1);
    expect(sampler.total).toBe(LIMITS.knownTopics + 1_000);
  });
});
