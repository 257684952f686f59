import { LIMITS } from '@fibric/sdk';
import { expect, test } from 'vitest';
import { NO_MEMORY, recall, remember } from './memory.ts';

test('what is remembered is recalled, and nothing is written for a zone without anything to remember', () => {
  const memory = new Map([
    ['412', { ...NO_MEMORY, occupied: true, asked: { value: 21.5, at_s: 1_000 } }],
    ['413', NO_MEMORY],
  ]);
  const state = remember(memory);
  expect(state).toEqual({ zones: { '412': { occupied: true, asked: { value: 21.5, at_s: 1_000 } } } });
  expect(recall(state).get('412')).toEqual(memory.get('412'));
});

test('a state of another making is forgotten, zone by zone', () => {
  expect([...recall({ zones: { '412': { rate: 'fast' }, '413': { occupied: true } } })]).toEqual([
    ['412', NO_MEMORY],
    ['413', { ...NO_MEMORY, occupied: true }],
  ]);
  expect(recall({ zones: 7 }).size).toBe(0);
  expect(recall({}).size).toBe(0);
});

test('the state stays within its bound however many zones there are', () => {
  const zone = {
    ...NO_MEMORY,
    occupied: true,
    asked: { value: 21.5, at_s: 1_782_000_000 },
    readied_for: 'x'.repeat(100),
  };
  const state = remember(new Map(Array.from({ length: 2_000 }, (_, n) => [`zone-${n}`, zone])));
  expect(Buffer.byteLength(JSON.stringify(state))).toBeLessThan(LIMITS.stateBytes);
});
