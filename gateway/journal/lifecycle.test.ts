import { OUTCOMES } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { LIFECYCLE, mayEnd, needsIntent, type Standing, type Step, stepFrom } from './lifecycle.ts';

interface Expected {
  readonly steps: Readonly<Partial<Record<Step, Standing>>>;
  readonly ends: string;
}

/** The same machine, written down a second time: what is not named must not be possible. */
const EXPECTED: Readonly<Record<Standing, Expected>> = {
  refused: { steps: {}, ends: 'blocked refused_busy rejected truncated' },
  awaiting: {
    steps: { approval: 'awaiting', last_approval: 'queued' },
    ends: 'expired superseded vetoed',
  },
  queued: {
    steps: { intent: 'intent' },
    ends: 'basis_changed blocked deduped expired failed noop refused_busy renewed shadow skipped superseded',
  },
  intent: {
    steps: { intent: 'intent' },
    ends: 'applied applied_unverified basis_changed blocked expired failed noop renewed superseded_externally unknown',
  },
};

const STANDINGS = Object.keys(LIFECYCLE) as Standing[];
const NOWHERE = { approval: null, last_approval: null, intent: null };

describe('the life of an action', () => {
  it.each(STANDINGS)('%s: every step and every end is as expected, and there is no other', (standing) => {
    const steps = (Object.keys(NOWHERE) as Step[]).map((step) => [step, stepFrom(standing, step)]);
    expect(Object.fromEntries(steps)).toEqual({ ...NOWHERE, ...EXPECTED[standing].steps });
    const ends = OUTCOMES.filter((outcome) => mayEnd(standing, outcome)).toSorted();
    expect(ends).toEqual(EXPECTED[standing].ends.split(' '));
  });

  it('has a way to every outcome there is', () => {
    expect(OUTCOMES.filter((outcome) => !STANDINGS.some((standing) => mayEnd(standing, outcome)))).toEqual([]);
  });

  it('X1 lets nothing have an effect without an intent', () => {
    expect(OUTCOMES.filter(needsIntent)).toEqual(['applied', 'applied_unverified', 'superseded_externally', 'unknown']);
  });

  it('makes a yes durable as T2 and an intent as T3, wherever it comes', () => {
    const commits = STANDINGS.flatMap((standing) =>
      Object.entries(LIFECYCLE[standing].steps).map(([step, { commit }]) => `${step} ${commit}`),
    );
    expect([...new Set(commits)].toSorted()).toEqual(['approval T2', 'intent T3', 'last_approval T2']);
  });
});
