import type { QualityReason } from '@fibric/sdk';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Plausibility } from '../config/site.ts';
import { emptyMemory, implausible } from './plausible.ts';

const none: Plausibility = { range: null, spike: null, stuck_ms: null };
const STALE_MS = 600_000;

/** What becomes of samples a second apart: a letter each, `.` believed, `S` spike, `R` out of range. */
function judged(rules: Partial<Plausibility>, samples: readonly number[], everyMs = 1_000): string {
  const memory = emptyMemory();
  const point = { plausibility: { ...none, ...rules }, stale_ms: STALE_MS };
  const letter = (reason: QualityReason | null): string => (reason === null ? '.' : reason === 'spike' ? 'S' : 'R');
  return samples.map((value, i) => letter(implausible(point, memory, value, i * everyMs, i * everyMs))).join('');
}

const spike = { delta: 3, confirm: 3 };

it.each<[what: string, samples: readonly number[], verdicts: string]>([
  ['the first sample is believed, whatever it is', [68], '.'],
  ['small steps are believed, however far they lead', [22, 24, 26, 28, 31], '.....'],
  ['a step of just delta is believed', [22, 25, 22], '...'],
  ['one wild sample is a spike, and what follows is believed', [22.5, 68, 22.6, 22.7], '.S..'],
  ['two wild samples are spikes', [22, 68, 68, 22], '.SS.'],
  ['the third that agrees is the new level', [22, 30, 30.5, 31, 31.2], '.SS..'],
  ['samples that do not agree with each other confirm nothing', [22, 30, 40, 50, 60, 70], '.SSSSS'],
  ['a sample near the old level ends the count', [22, 30, 30, 22, 30, 30, 30], '.SS.SS.'],
  ['a jump back after a new level is a jump as well', [22, 30, 30, 30, 22], '.SS.S'],
])('P2 %s', (_what, samples, verdicts) => {
  expect(judged({ spike }, samples)).toBe(verdicts);
});

it('P2 after an outage the first sample is the new level', () => {
  expect(judged({ spike }, [22, 40, 22], STALE_MS + 1)).toBe('...');
});

it('P1 outside the range is bad whatever came before, and teaches nothing', () => {
  expect(judged({ range: { min: -40, max: 85 }, spike }, [22, 90, 90, 90, 90, 22.5])).toBe('.RRRR.');
});

it('P3 the same to the last bit for too long is stuck', () => {
  const point = { plausibility: { ...none, stuck_ms: 60_000 }, stale_ms: STALE_MS };
  expect(implausible(point, emptyMemory(), 21, 59_999, 0)).toBe(null);
  expect(implausible(point, emptyMemory(), 21, 60_000, 0)).toBe('stuck');
  expect(implausible(point, emptyMemory(), true, 60_000, 0)).toBe('stuck');
});

it('P2 a level that holds is believed after `confirm` samples at the latest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }),
      fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 20 }),
      (confirm, before) => {
        const held = Array.from({ length: confirm }, () => 500);
        expect(judged({ spike: { delta: 3, confirm } }, [...before, ...held]).at(-1)).toBe('.');
      },
    ),
  );
});
